/** `headwater log` as the messages of a start advise it, on real files and in processes of their own. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { nodeClock } from '../../../src/io/node-clock.ts'
import { nodeDisk } from '../../../src/io/node-disk.ts'
import { LogStore } from '../../../src/log/store/log-store.ts'
import { batchOf, stored } from '../log/batches.ts'

const main = join(import.meta.dirname, '../../../src/cli/main.ts')
let root: string
/** What a broker left that was killed: two batches in a segment, two in the journal. */
let sound: string
/** Errors as people read them. */
const env = { ...process.env, HEADWATER_LOG_FORMAT: 'pretty' }

before(async () => {
  root = mkdtempSync(join(tmpdir(), 'headwater-log-'))
  sound = join(root, 'sound')
  const own = join(root, 'own')
  const open = () => LogStore.open({ disk: nodeDisk, clock: nodeClock, directory: own })
  const first = await open()
  const made = await first.create('flights-0')
  for (let at = 0; at < 2; at++) await stored(made, batchOf(10, { fill: 7 }))
  await first.close()
  const second = await open()
  for (let at = 0; at < 2; at++) await stored(second.get('flights-0')!, batchOf(10, { fill: 7 }))
  cpSync(own, sound, { recursive: true })
  await second.close()
})
after(() => rmSync(root, { recursive: true, force: true }))

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function headwater(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [main, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
    })
    child.stdin?.end()
  })
}

/** A copy of the directory with a byte of one of its files changed. */
function damaged(name: string, file: RegExp, at: number): string {
  const directory = join(root, name)
  cpSync(sound, directory, { recursive: true })
  const path = readdirSync(directory, { recursive: true, encoding: 'utf8' }).find((each) =>
    file.test(each),
  )!
  const bytes = readFileSync(join(directory, path))
  bytes[at]! ^= 1
  writeFileSync(join(directory, path), bytes)
  return directory
}

/** The command that a message gives, as arguments of `headwater`. */
function advised(message: string): string[] {
  const [, command] = /`headwater (log [^`]+)`/.exec(message)!
  return command!.split(' ')
}

describe('a broker that refuses to start', () => {
  for (const [name, file, at] of [
    ['meta', /meta\.json$/, 20],
    ['journal', /\.journal$/, 200],
  ] as const) {
    it(`gives a command that repairs the ${name}, and starts after it`, async () => {
      const directory = damaged(name, file, at)
      const refused = await headwater('broker', '--dir', directory, '--port', '0')
      assert.equal(refused.code, 1)
      const advice = advised(refused.stderr)
      const unasked = await headwater(...advice)
      assert.equal(unasked.code, 1, 'nobody is there to ask')
      const again = await headwater('broker', '--dir', directory, '--port', '0')
      assert.equal(again.stderr, refused.stderr, 'and nothing was changed')
      const repaired = await headwater(...advice, '--yes')
      assert.equal(repaired.code, 0, repaired.stderr)
      const store = await LogStore.open({ disk: nodeDisk, clock: nodeClock, directory })
      assert.ok(store.get('flights-0')!.endOffset >= 40)
      await store.close()
    })
  }
})

describe('headwater log', () => {
  it('verifies: 0 when all is sound, 2 and each damage by name when not', async () => {
    const fine = await headwater('log', 'verify', '--dir', sound)
    assert.deepEqual([fine.code, fine.stderr], [0, ''])
    assert.equal(fine.stdout, '1 logs, 1 segments, 40 records: all of it is sound\n')
    const directory = damaged('segment', /\.log$/, 100)
    const bad = await headwater('log', 'verify', '--dir', directory)
    assert.equal(bad.code, 2)
    assert.match(bad.stdout, /segment\/logs\/.*\.log is damaged: .* flights-0 with offsets 0 to 9/)
    const { stdout } = await headwater('log', 'verify', '--dir', directory, '--json')
    const { problems } = JSON.parse(stdout) as { problems: { log: string; lost: unknown }[] }
    assert.deepEqual(
      problems.map(({ log, lost }) => ({ log, lost })),
      [{ log: 'flights-0', lost: [{ from: 0, to: 10 }] }],
    )
  })

  it('dumps files: batches with their records, and groups of the journal', async () => {
    const files = readdirSync(sound, { recursive: true, encoding: 'utf8' })
    const file = (end: string): string =>
      join(
        sound,
        files.find((each) => each.endsWith(end))!,
      )
    const segment = await headwater('log', 'dump', file('.log'), '--records', '--json')
    const lines = segment.stdout.trim().split('\n')
    const types = lines.map((line) => (JSON.parse(line) as { type: string }).type)
    assert.equal(types.filter((type) => type === 'batch').length, 2)
    assert.equal(types.filter((type) => type === 'record').length, 20)
    const journal = await headwater('log', 'dump', file('.journal'))
    assert.match(journal.stdout, /^header .*\ngroup at=32 .*\nentry kind=batch logNumber=1 /)
    for (const name of ['checkpoint', 'synced', 'meta.json']) {
      assert.equal((await headwater('log', 'dump', file(name))).code, 0)
    }
    assert.match((await headwater('log', 'dump', main)).stderr, /cannot be dumped/)
  })

  it('leaves a directory alone that somebody has open', async () => {
    const store = await LogStore.open({ disk: nodeDisk, clock: nodeClock, directory: sound })
    for (const command of ['verify', 'repair']) {
      const { code, stderr } = await headwater('log', command, '--dir', sound)
      assert.equal(code, 1)
      assert.match(stderr, new RegExp(`in use by process ${process.pid}`))
    }
    await store.close()
  })
})
