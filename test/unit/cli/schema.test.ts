/** `headwater schema diff` and `check` as a process: where versions come from, what is said, and how it ends. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, beforeEach, describe, it } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { create, toBinary } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { loadContracts } from '../../../src/cli/schema-source.ts'
import { annotation, changeLines } from '../../../src/cli/schema-text.ts'
import type { Judged } from '../../../src/cli/schema-text.ts'
import { breaks } from '../../../src/evolution/change.ts'
import { runCommand } from '../../airline/command.ts'
import { message, proto } from '../codegen/contracts.ts'

const root = mkdtempSync(join(tmpdir(), 'headwater-schema-test-'))
after(() => rmSync(root, { recursive: true }))

let place = ''
beforeEach(() => {
  place = mkdtempSync(join(root, 'case-'))
})

const at = (path: string) => join(place, path)
const schema = (...more: string[]) => runCommand(['schema', ...more])

const orders = 'name: "orders" kind: KIND_UNKEYED'
const order = (fields: string, more = '') =>
  proto('shop', message('Order', `${orders} ${more}`, fields))

function write(file: string, text: string): void {
  mkdirSync(dirname(at(file)), { recursive: true })
  writeFileSync(at(file), text)
}

function git(...args: string[]): void {
  const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.com', '-c', 'commit.gpgsign=false']
  execFileSync('git', [...who, ...args], { cwd: place, stdio: 'ignore' })
}

describe('headwater schema diff', () => {
  it('says each change: what, where, what is read wrongly, and the fix', async () => {
    write('a/shop.proto', order('string email = 1; int32 n = 2;'))
    write('b/shop.proto', order('string phone = 1; int32 n = 2; string more = 3;'))
    const { code, stdout, stderr } = await schema('diff', at('a'), at('b'))
    assert.equal(code, 0, stderr)
    assert.deepEqual(stdout.split('\n'), [
      'orders (shop.Order), FULL_TRANSITIVE',
      '  refused  shop.Order.email: 1 was email and is phone now (changes code)',
      '           shop.proto:4:110 → shop.proto:4:110',
      '           new code, old event: email: "text"  is read as  phone: "text"',
      '           old code, new event: phone: "text"  is read as  email: "text"',
      '           fix: give phone a number that was never used and reserve 1 and "email"; or, if it is the same ' +
        'by another name, declare it: [(headwater.v1.field).renamed_from = "email"]',
      '  safe     shop.Order.more: more is new',
      '',
      '',
    ])
  })

  it('says it as JSON, and that nothing changed', async () => {
    write('a/shop.proto', order('int32 n = 1;'))
    write('b/shop.proto', order('int64 n = 1;'))
    const changed = JSON.parse((await schema('diff', at('a'), at('b'), '--json')).stdout)
    const [stream] = changed.streams
    assert.equal(stream.stream, 'orders')
    const [change] = stream.changes
    assert.equal(change.kind, 'type-changed')
    assert.equal(change.isRefused, true)
    assert.deepEqual(change.wire, { backward: 'safe', forward: 'breaks' })
    assert.deepEqual(change.evidence, [
      { direction: 'forward', written: 'n: 5000000000', read: 'n: 705032704' },
    ])
    const same = await schema('diff', at('a'), at('a'))
    assert.equal(same.stdout, 'nothing changed\n')
    assert.equal(same.code, 0)
  })
})

describe('headwater schema check', () => {
  it('holds the working tree against the last commit, and ends with 2 where it breaks a promise', async () => {
    git('init', '-q')
    write('proto/shop.proto', order('int32 n = 1;'))
    git('add', '.')
    git('commit', '-qm', 'one')
    write('proto/shop.proto', order('int32 n = 1; string more = 2;'))
    const good = await schema('check', at('proto'))
    assert.equal(good.code, 0, good.stderr)
    assert.match(good.stdout, /proto may follow git:HEAD: 1 change, none refused\n$/)
    write('proto/shop.proto', order('int64 n = 1;'))
    const bad = await schema('check', at('proto'), '--github')
    assert.equal(bad.code, 2)
    assert.equal(bad.stderr, '')
    assert.match(bad.stdout, /proto may not follow git:HEAD: 1 of 1 change refused, in 1 stream\n/)
    assert.match(
      bad.stdout,
      /^::error file=\S+proto\/shop\.proto,line=4,col=\d+::shop\.Order\.n: n was int32 /m,
    )
    assert.match(
      bad.stdout,
      /%0Aold code, new event: n: 5000000000 is read as n: 705032704%0Afix: /,
    )
  })

  it('is held to what the old version promised, not to what the new one does', async () => {
    write('a/shop.proto', order('int32 n = 1;', 'compatibility: COMPATIBILITY_BACKWARD'))
    write('b/shop.proto', order('int64 n = 1;', 'compatibility: COMPATIBILITY_FULL'))
    const widened = await schema('check', at('b'), '--against', at('a'))
    assert.equal(widened.code, 0, widened.stdout)
    const narrowed = await schema('check', at('a'), '--against', at('b'))
    assert.equal(narrowed.code, 2)
  })

  it('looks at earlier versions where the promise is transitive', async () => {
    const told = (level: string) => `compatibility: COMPATIBILITY_${level}`
    for (const level of ['FULL', 'FULL_TRANSITIVE']) {
      write('one/shop.proto', order('string a = 1;', told(level)))
      write('two/shop.proto', order('reserved 1; reserved "a"; string b = 2;', told(level)))
      write(
        'three/shop.proto',
        order('reserved "a"; string b = 2; reserved 1; string c = 3;', told(level)),
      )
      write(
        'four/shop.proto',
        order('int32 a = 4; string b = 2; reserved 1; string c = 3;', told(level)),
      )
      const against = ['--against', at('three'), at('one'), '--also', 'json']
      const { code, stdout } = await schema('check', at('four'), ...against, '--json')
      const { versions } = JSON.parse(stdout)
      assert.deepEqual(
        versions.map(({ streams }: { streams: unknown[] }) => streams.length),
        level === 'FULL' ? [1, 0] : [1, 1],
      )
      assert.equal(code, 2)
    }
  })

  it('reads descriptors that another compiler wrote', async () => {
    write('proto/shop.proto', order('int32 n = 1;'))
    const options = join(import.meta.dirname, '../../../proto')
    write('buf.yaml', `version: v2\nmodules:\n  - path: proto\n  - path: options\n`)
    execFileSync('cp', ['-r', options, at('options')])
    const buf = join(import.meta.dirname, '../../../node_modules/.bin/buf')
    execFileSync(buf, ['build', '-o', at('old.binpb')], { cwd: place })
    write('proto/shop.proto', order('sint32 n = 1;'))
    const { code, stdout } = await schema('check', at('proto'), '--against', at('old.binpb'))
    assert.equal(code, 2)
    assert.match(stdout, /n was int32 and is sint32 now/)
  })

  it('says so where nothing was promised', async () => {
    git('init', '-q')
    git('commit', '-qm', 'none', '--allow-empty')
    write('proto/shop.proto', order('int32 n = 1;'))
    const { code, stdout, stderr } = await schema('check', at('proto'))
    assert.equal(code, 0)
    assert.match(stderr, /git:HEAD has no \.proto files in \S+proto: nothing was promised there/)
    assert.match(stdout, /the stream is new/)
  })
})

describe('a version in git', () => {
  it('is had of a directory that is gone, with spaces, and where git says which repository, as in a hook', async () => {
    git('init', '-q')
    write('old contracts/shop.proto', order('int32 n = 1;'))
    write('shop.proto', 'none of these')
    git('add', '.')
    git('commit', '-qm', 'one')
    rmSync(at('old contracts'), { recursive: true })
    write('proto/shop.proto', order('int64 n = 1;'))
    const against = ['--against', `git:HEAD:${at('old contracts')}`]
    process.env['GIT_DIR'] = at('.git')
    try {
      const { code, stdout, stderr } = await schema('check', at('proto'), ...against)
      assert.equal(code, 2, stderr)
      assert.match(stdout, /n was int32 and is int64 now/)
    } finally {
      delete process.env['GIT_DIR']
    }
  })

  it('is never an option, whatever it is called', async () => {
    git('init', '-q')
    write('proto/shop.proto', order('int32 n = 1;'))
    git('add', '.')
    git('commit', '-qm', 'one')
    const output = at('written')
    for (const ref of [`--output=${output}`, '--help', '-h', '--all']) {
      const { code, stderr } = await schema('check', at('proto'), '--against', `git:${ref}`)
      assert.equal(code, 1)
      assert.match(stderr, /^headwater: git:\S+ is no commit that is here/)
    }
    assert.equal(existsSync(output), false)
  })

  it('says that links are not followed, and that there is too much', async () => {
    git('init', '-q')
    write('proto/shop.proto', order('int32 n = 1;'))
    symlinkSync('shop.proto', at('proto/other.proto'))
    git('add', '.')
    git('commit', '-qm', 'one')
    rmSync(at('proto/other.proto'))
    const linked = await schema('check', at('proto'))
    assert.equal(linked.code, 1)
    assert.match(
      linked.stderr,
      /other\.proto is a symbolic link in git:HEAD, which is not followed/,
    )
    write('proto/other.proto', ' '.repeat(64 * 2 ** 20))
    git('-c', 'core.compression=0', 'add', '.')
    git('commit', '-qm', 'two')
    rmSync(at('proto/other.proto'))
    const large = await schema('check', at('proto'))
    assert.equal(large.code, 1)
    assert.match(
      large.stderr,
      /the \.proto files in git have 67109\d{3} bytes, and 67108864 may be read/,
    )
  })
})

describe('what contracts say of themselves', () => {
  it('gives orders neither to a terminal nor to GitHub', () => {
    const place = { file: 'a\n::warning::b.proto', line: 1, column: 1 }
    const change: Judged = {
      kind: 'owner-changed',
      subject: "stream 'orders'",
      path: '',
      before: place,
      after: place,
      wire: breaks,
      json: breaks,
      source: 'safe',
      what: '\u001b[2J\n::stop-commands::x wrote it',
      evidence: [{ direction: 'backward', written: '\u009b1A\u202e', read: '\r::add-mask::y' }],
      fix: '\u2028::error::z',
      refusals: [{ axis: 'wire', directions: ['backward'] }],
    }
    const lines = changeLines(change)
    assert.deepEqual(lines.map(stripVTControlCharacters), [
      "  refused  stream 'orders': \\u001b[2J\\u000a::stop-commands::x wrote it",
      '           a\\u000a::warning::b.proto:1:1 → a\\u000a::warning::b.proto:1:1',
      '           new code, old event: \\u009b1A\\u202e  is read as  \\u000d::add-mask::y',
      '           fix: \\u2028::error::z',
    ])
    const told = annotation(change, './proto/')
    assert.match(told, /^::error file=proto\/a\\u000a%3A%3Awarning/)
    assert.doesNotMatch(told, /\n/)
  })
})

describe('a version that cannot be had', () => {
  it('is named with what it lacks, where descriptors came without what they import', async () => {
    const file = [{ name: 'a.proto', syntax: 'proto3', dependency: ['b.proto'] }]
    const bytes = toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file }))
    writeFileSync(at('alone.binpb'), bytes)
    await assert.rejects(loadContracts(at('alone.binpb'), 'proto'), {
      code: 'input-invalid',
      message:
        /alone\.binpb cannot be put together: .*b\.proto.*: write it with .*--include_imports/,
    })
  })

  it('is named with what is wrong', async () => {
    write('a/shop.proto', order('int32 n = 1;'))
    write('broken/shop.proto', order('int33 n = 1;'))
    write('none.binpb', 'no descriptors')
    git('init', '-q')
    const cases: readonly (readonly [string, RegExp])[] = [
      [at('nowhere'), /there is no \S+nowhere: name a directory/],
      [at('broken'), /the contracts in \S+broken do not compile: shop\.proto:4:\d+: .*int33/],
      [at('none.binpb'), /none\.binpb is no set of descriptors: write it with `buf build/],
      ['git:nobody', /git:nobody is no commit that is here: commit or fetch it first/],
      ['git:', /'git:' names no commit: write git:main/],
      ['git:HEAD', /git:HEAD is no commit that is here/],
    ]
    for (const [source, said] of cases) {
      const { code, stdout, stderr } = await schema('check', at('a'), '--against', source)
      assert.equal(code, 1, stdout)
      assert.match(stderr, said)
      assert.equal(stderr.trim().split('\n').length, 1)
    }
  })
})
