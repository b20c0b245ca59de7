/** `headwater gen` as a process: what it writes, what it leaves alone, what it says of mistakes. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, beforeEach, describe, it } from 'node:test'
import { Command, runCommand } from '../../airline/command.ts'
import { message, proto } from '../codegen/contracts.ts'

const repository = join(import.meta.dirname, '../../..')
const root = mkdtempSync(join(tmpdir(), 'headwater-gen-test-'))
after(() => rmSync(root, { recursive: true }))

let place = ''
beforeEach(() => {
  place = mkdtempSync(join(root, 'case-'))
})

const visits = message('Visit', 'name: "visits" kind: KIND_UNKEYED')
const flags = () => ['--proto', join(place, 'proto'), '--out', join(place, 'gen')]
const gen = (...more: string[]) => runCommand(['gen', ...flags(), ...more])

function write(file: string, text: string): void {
  mkdirSync(dirname(join(place, file)), { recursive: true })
  writeFileSync(join(place, file), text)
}

const read = (file: string) => readFileSync(join(place, file), 'utf8')

describe('headwater gen', () => {
  it('makes messages and streams, and says so', async () => {
    write('proto/web/v1/web.proto', proto('web.v1', visits))
    const { code, stdout, stderr } = await gen('--json')
    assert.equal(code, 0, stderr)
    const files = ['streams.ts', 'web/v1/web_pb.ts']
    assert.deepEqual(JSON.parse(stdout), {
      out: join(place, 'gen'),
      files,
      changed: files,
      removed: [],
      streams: ['visits'],
    })
    assert.match(
      read('gen/web/v1/web_pb.ts'),
      /"headwater\/schema\/gen\/headwater\/v1\/options_pb\.js"/,
    )
    assert.match(read('gen/streams.ts'), /export const Visits = unkeyed\('visits', VisitSchema/)
  })

  it('takes a copy of the options beside the contracts for its own', async () => {
    write('proto/web.proto', proto('web', visits))
    write('proto/headwater/v1/options.proto', 'this is no contract')
    const { code, stderr } = await gen()
    assert.equal(code, 0, stderr)
    assert.ok(!existsSync(join(place, 'gen/headwater')))
  })

  it('writes only what changed, and removes what it made of a file that is gone, and nothing else', async () => {
    write('proto/web.proto', proto('web', visits))
    write('proto/old.proto', proto('old', 'message Old {}'))
    await gen()
    const before = statSync(join(place, 'gen/web_pb.ts')).mtimeMs
    write('gen/mine_pb.ts', 'export const mine = 1\n')
    rmSync(join(place, 'proto/old.proto'))
    const { code, stdout } = await gen()
    assert.equal(code, 0)
    assert.match(stdout, /^removed \S+\/gen\/old_pb\.ts, whose \.proto file is gone\n/)
    assert.match(stdout, /2 files, 1 stream; all as before\n$/)
    assert.equal(statSync(join(place, 'gen/web_pb.ts')).mtimeMs, before)
    assert.ok(!existsSync(join(place, 'gen/old_pb.ts')))
    assert.ok(existsSync(join(place, 'gen/mine_pb.ts')))
  })

  it('names each mistake with file, line and column, and leaves what was generated as it is', async () => {
    write('proto/web.proto', proto('web', visits))
    await gen()
    const before = read('gen/streams.ts')
    write(
      'proto/web.proto',
      proto('web', visits, 'message A { strin b = 1; }', 'message C { in32 d = 1; }'),
    )
    const { code, stdout, stderr } = await gen()
    assert.equal(code, 1)
    assert.equal(stdout, '')
    const lines = stderr.split('\n')
    assert.equal(
      lines[0],
      `${join(place, 'proto')}/web.proto:5:13: cannot find \`strin\` in this scope`,
    )
    assert.match(lines[1]!, /web\.proto:6:13: cannot find `in32`/)
    assert.match(
      lines[2]!,
      /^headwater: 2 things in \S+ must be put right first: nothing was generated$/,
    )
    assert.equal(read('gen/streams.ts'), before)
  })

  it('says what to write where the compiler cannot know of our options', async () => {
    const contract = proto('web', visits)
    const importOfOptions = 'import "headwater/v1/options.proto";'
    assert.ok(contract.includes(importOfOptions))
    for (const [text, says] of [
      [
        contract.replace(importOfOptions, ''),
        'cannot find `headwater.v1.stream` in this scope: write import "headwater/v1/options.proto";',
      ],
      [
        contract.replace('KIND_UNKEYED', 'UNKEYED'),
        'cannot find `UNKEYED` in this scope: a kind is KIND_UNKEYED, KIND_KEYED or KIND_ENTITY',
      ],
    ] as const) {
      write('proto/web.proto', text)
      const { code, stderr } = await gen()
      assert.equal(code, 1)
      assert.ok(stderr.includes(says), stderr)
    }
  })

  it('names what contracts disagree on in the same way, as JSON when asked', async () => {
    const keyed = (name: string, partitions: number) =>
      message(
        name,
        `name: "${name}" kind: KIND_KEYED key: "id" keyspace: "Id" partitions: ${partitions}`,
      )
    write('proto/a.proto', proto('a', keyed('A', 2), keyed('B', 3)))
    const { code, stderr } = await gen('--json')
    assert.equal(code, 1)
    const [first, last] = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    const { problem } = first as { problem: { file: string; line: number; message: string } }
    assert.equal(problem.line, 4)
    assert.match(problem.message, /keyspace 'Id' has 2 partitions here and 3 at a\.proto:5:\d+/)
    assert.equal((last as { error: { code: string } }).error.code, 'contract-invalid')
    assert.ok(!existsSync(join(place, 'gen')))
  })

  it('says what is missing: contracts, or the programs that compile them', async () => {
    const nothing = await gen()
    assert.equal(nothing.code, 1)
    assert.match(
      nothing.stderr,
      /there are no \.proto files in \S+: write contracts there, or name/,
    )

    write('proto/web.proto', proto('web', visits))
    const alone = spawnSync(process.execPath, [installedAlone(), 'gen', ...flags()], {
      cwd: place,
      encoding: 'utf8',
    })
    assert.equal(alone.status, 1, alone.stderr)
    assert.match(
      alone.stderr,
      /@bufbuild\/buf is not installed, .*npm install --save-dev @bufbuild\/buf/,
    )
  })

  it('generates again when a file changes, also after a mistake, until Ctrl-C', async () => {
    write('proto/web.proto', proto('web', visits))
    const command = new Command(['gen', ...flags(), '--watch'])
    await command.printed('1 stream')
    write('proto/web.proto', proto('web', visits, 'message A { strin b = 1; }'))
    while (!command.stderr.includes('strin')) await sleep(20)
    write('proto/more/more.proto', proto('more', message('M', 'name: "more" kind: KIND_UNKEYED')))
    write('proto/web.proto', proto('web', visits))
    await command.printed('2 streams')
    assert.match(read('gen/streams.ts'), /export const More = /)
    command.process.kill('SIGINT')
    assert.equal((await command.ended).code, 0)
  })
})

/** The command of a package that has beside it what it depends on, and no more. */
function installedAlone(): string {
  const { dependencies } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>
  }
  for (const file of ['src', 'proto', 'package.json']) {
    cpSync(join(repository, file), join(place, 'package', file), { recursive: true })
  }
  for (const name of Object.keys(dependencies)) {
    const link = join(place, 'package/node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(repository, 'node_modules', name), link)
  }
  return join(place, 'package/src/cli/main.ts')
}
