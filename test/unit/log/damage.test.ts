/** What a start does with a directory that something other than a crash has changed. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { equalBytes, utf8Bytes } from '../../../src/base/bytes.ts'
import { crc32c } from '../../../src/base/checksum.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { encodeJournalHeader } from '../../../src/log/journal/format.ts'
import type { Log } from '../../../src/log/log.ts'
import type { LogStore } from '../../../src/log/store/log-store.ts'
import { readBatchHeader, splitBatches } from '../../../src/records/batch.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { batchOf, openStore, stored, TurningClock } from './batches.ts'

const clusterId = 'AbcdefghijklmnopqrstuQ'
const journal = '/data/journal/000000000001.journal'

/** Every file with its bytes, but for what a lock is. */
async function contentsOf(disk: SimDisk): Promise<Map<string, Uint8Array>> {
  const contents = new Map<string, Uint8Array>()
  for (const path of disk.paths().filter((name) => !name.startsWith('/data/lock'))) {
    const file = await disk.open(path, 'read')
    contents.set(path, await file.read(0, await file.size()))
  }
  return contents
}

async function rewrite(disk: SimDisk, path: string, bytes: Uint8Array): Promise<void> {
  const file = await disk.open(path, 'create')
  await file.truncate(0)
  await file.write([bytes], 0)
  await file.sync()
}

/** The start is refused with these words, and nothing is changed. */
async function refused(disk: SimDisk, texts: readonly (string | RegExp)[]): Promise<void> {
  const before = await contentsOf(disk)
  await assert.rejects(openStore({ disk, clock: new TurningClock() }), (error: Error) => {
    assert(isHeadwaterError(error, 'data-corrupt'), error.stack)
    for (const text of texts) {
      const fits =
        typeof text === 'string' ? error.message.includes(text) : text.test(error.message)
      assert(fits, `${error.message}\nlacks ${text}`)
    }
    return true
  })
  const after = await contentsOf(disk)
  assert.deepEqual([...after.keys()], [...before.keys()])
  for (const [path, bytes] of before) assert(equalBytes(bytes, after.get(path)!), path)
}

/** A store with a log of `count` batches of 10 records, killed; `idle` when its mark had the time to be written. */
async function killedStore(
  o: { count?: number; idle?: boolean; valueBytes?: number } = {},
): Promise<SimDisk> {
  const { count = 5, idle = true, valueBytes = 10 } = o
  const disk = new SimDisk({ seed: 1 })
  const clock = idle ? { clock: new TurningClock() } : {}
  const store = await openStore({ disk, clusterId, ...clock })
  const log = await store.create('flights-0')
  for (let at = 0; at < count; at++) await stored(log, batchOf(10, { valueBytes, fill: 7 }))
  if (idle) await someTurns()
  return disk.afterKill({ seed: 2 })
}

async function closedStore(): Promise<SimDisk> {
  const disk = new SimDisk({ seed: 1 })
  const store = await openStore({ disk, clusterId })
  const log = await store.create('flights-0')
  for (let at = 0; at < 5; at++) await stored(log, batchOf(10, { fill: 7 }))
  await store.close()
  return disk
}

async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('meta.json', () => {
  test('with any byte changed, or cut anywhere, is refused, and nothing is changed', async () => {
    const disk = await killedStore()
    const size = disk.sizeOf('/data/meta.json')
    for (let at = 0; at < size; at++) {
      const damaged = disk.afterKill({ seed: 3 })
      damaged.flipBit('/data/meta.json', at)
      await refused(damaged, [
        '/data/meta.json is damaged',
        'backup',
        'headwater log repair --dir /data',
      ])
      damaged.flipBit('/data/meta.json', at)
    }
    for (let left = 0; left < size; left += 11) {
      const damaged = (await killedStore()).afterCrash({ seed: 3 })
      damaged.cut('/data/meta.json', left)
      await refused(damaged, ['/data/meta.json is damaged'])
    }
  })
})

describe('a journal', () => {
  test('that was emptied or cut anywhere is refused when its mark was written', async () => {
    const size = (await killedStore()).sizeOf(journal)
    for (let left = 0; left < size; left += 47) {
      const disk = await killedStore()
      disk.cut(journal, left)
      await refused(disk, [journal, 'synced'].slice(0, left < 32 ? 1 : 2))
    }
  })

  test('of which the checkpoint names the file is refused when that is emptied, also without a mark', async () => {
    const disk = await killedStore({ idle: false })
    disk.cut(journal, 0)
    await refused(disk, [`${journal} is damaged at byte 0`])
  })

  test('with a byte changed in its last group is refused, though nothing was written behind it', async () => {
    const [start, end] = await Promise.all(
      [1, 2].map(async (count) =>
        (await killedStore({ count, idle: false, valueBytes: 400 })).sizeOf(journal),
      ),
    )
    for (let at = start!; at < end!; at += at < start! + 80 ? 1 : 211) {
      const disk = await killedStore({ count: 2, idle: false, valueBytes: 400 })
      disk.flipBit(journal, at)
      await refused(disk, [journal, 'backup'])
    }
  })

  test('that lost its last write in part is cut, and the start says so', async () => {
    const disk = await killedStore({ idle: false, valueBytes: 400 })
    const size = disk.sizeOf(journal)
    disk.cut(journal, size - 600)
    await using store = await openStore({ disk })
    const [finding] = store.recovered.findings
    assert.equal(finding?.kind, 'cut')
    assert.match(finding.text, /000000000001\.journal .*\(flights-0 offsets 40 to 49\)/)
    assert.equal(store.get('flights-0')!.endOffset, 40)
  })

  test('of another directory is refused by name', async () => {
    const disk = await killedStore()
    const seed = crc32c(utf8Bytes('another'))
    const file = await disk.open(journal, 'write')
    await file.write([encodeJournalHeader(1, 1, seed)], 0)
    await refused(disk, ['another directory wrote it'])
  })

  test('that ends before what a segment holds is refused, also when its mark is lost', async () => {
    const disk = new SimDisk({ seed: 1 })
    const limits = { writeBehindBytes: 500, segmentBytes: 2000 }
    const store = await openStore({ disk, clusterId, ...limits })
    const log = await store.create('flights-0')
    await stored(log, batchOf(1))
    await store.close()
    const again = await openStore({ disk, ...limits })
    const sizes: number[] = []
    const path = (): string => disk.paths().findLast((name) => name.endsWith('.journal'))!
    for (let at = 0; at < 20; at++) {
      sizes.push(disk.sizeOf(path()))
      await stored(again.get('flights-0')!, batchOf(10))
    }
    await someTurns()
    const killed = disk.afterKill({ seed: 2 })
    await killed.remove('/data/synced')
    killed.cut(path(), sizes[4]!)
    await refused(killed, [
      '/data/logs/flights-0/',
      'holds records of flights-0 up to offset',
      'the journal only up to 40',
    ])
  })
})

describe('the mark beside the journal', () => {
  test('with any byte changed, or missing, is made again, and the start says so', async () => {
    const size = (await killedStore()).sizeOf('/data/synced')
    for (let at = 0; at < size; at += at < 60 ? 3 : 97) {
      const disk = await killedStore({ count: 1 })
      disk.flipBit('/data/synced', at)
      await using store = await openStore({ disk })
      assert.equal(store.get('flights-0')!.endOffset, 10)
      assert.deepEqual(kindsOf(store), ['healed'])
    }
    const disk = await killedStore()
    await disk.remove('/data/synced')
    const store = await openStore({ disk })
    assert.deepEqual(kindsOf(store), ['healed'])
    await store.close()
    await using again = await openStore({ disk })
    assert.deepEqual(kindsOf(again), [])
  })

  test('of another directory is refused', async () => {
    const disk = await killedStore()
    const other = new SimDisk({ seed: 5 })
    await (await openStore({ disk: other, clusterId: 'another' })).close()
    const file = await other.open('/data/synced', 'read')
    await rewrite(disk, '/data/synced', await file.read(0, 1024))
    await refused(disk, ['/data/synced belongs to another data directory'])
  })
})

describe('the clean marker', () => {
  test('with any byte changed is taken for missing, and the start says so', async () => {
    const size = (await closedStore()).sizeOf('/data/clean')
    for (let at = 0; at < size; at++) {
      const disk = await closedStore()
      disk.flipBit('/data/clean', at)
      await using store = await openStore({ disk })
      assert.equal(store.recovered.clean, false)
      assert.deepEqual(kindsOf(store), ['healed'])
      assert.equal(store.get('flights-0')!.endOffset, 50)
    }
  })
})

describe('a directory of format 1', () => {
  for (const end of ['closed', 'killed'] as const) {
    test(`that was ${end} is read and becomes one of format 2, whenever that is interrupted`, async () => {
      for (let crashAt = 1; ; crashAt++) {
        const disk = await formatOne(end === 'closed' ? await closedStore() : await killedStore())
        const crashing = disk.afterKill({ seed: crashAt, crashAt })
        const first = await openStore({ disk: crashing }).catch((error: Error) => {
          assert(crashing.crashed, error.stack)
        })
        if (first !== undefined) {
          assert.deepEqual(kindsOf(first), ['upgraded'])
          assert.equal(first.recovered.clean, end === 'closed')
        }
        const left = crashing.afterCrash({ seed: crashAt })
        await using store = await openStore({ disk: left })
        assert.equal(store.get('flights-0')!.endOffset, 50)
        assert.equal(store.clusterId, clusterId)
        assert.match(await textOf(left, '/data/meta.json'), /"format":2,.*"checksum"/)
        if (first !== undefined) break
      }
    })
  }

  test('whose cluster id was changed is refused: its journal does not fit', async () => {
    const disk = await formatOne(await killedStore())
    const changed = clusterId.replace('A', 'B')
    await rewrite(disk, '/data/meta.json', utf8Bytes(`{"format":1,"clusterId":"${changed}"}\n`))
    await refused(disk, [journal])
  })
})

test('a copy of a directory is told to be one, once', async () => {
  const original = await closedStore()
  const copy = new SimDisk({ seed: 9 })
  await copy.makeDirectory('/data/journal')
  await copy.makeDirectory('/data/logs/flights-0')
  await rewrite(copy, '/data/aside', new Uint8Array(1))
  for (const [path, bytes] of await contentsOf(original)) await rewrite(copy, path, bytes)
  await copy.remove('/data/aside')
  const store = await openStore({ disk: copy })
  assert.deepEqual(kindsOf(store), ['copied'])
  assert.match(store.recovered.findings[0]!.text, /stop one of the two/)
  assert.equal(store.get('flights-0')!.endOffset, 50)
  await store.close()
  await using again = await openStore({ disk: copy })
  assert.deepEqual(kindsOf(again), [])
})

function kindsOf(store: LogStore): string[] {
  return store.recovered.findings.map(({ kind }) => kind)
}

/** What an older version would have left. */
async function formatOne(disk: SimDisk): Promise<SimDisk> {
  await rewrite(disk, '/data/meta.json', utf8Bytes(`{"format":1,"clusterId":"${clusterId}"}\n`))
  await disk.remove('/data/synced')
  if (disk.paths().includes('/data/clean')) {
    const { nextSequence } = JSON.parse(await textOf(disk, '/data/clean')) as {
      nextSequence: number
    }
    await rewrite(disk, '/data/clean', utf8Bytes(JSON.stringify({ nextSequence })))
  }
  const path = disk.paths().find((name) => name.endsWith('.journal'))!
  const file = await disk.open(path, 'write')
  const header = await file.read(0, 32)
  const view = new DataView(header.buffer)
  const old = encodeJournalHeader(Number(view.getBigInt64(8)), Number(view.getBigInt64(16)), 0)
  await file.write([old], 0)
  for (const name of disk.paths()) await (await disk.open(name, 'write')).sync()
  for (const directory of ['/data', '/data/journal', '/data/logs', '/data/logs/flights-0']) {
    await disk.makeDirectory(directory)
    await disk.syncDirectory(directory)
  }
  return disk
}

async function textOf(disk: SimDisk, path: string): Promise<string> {
  const file = await disk.open(path, 'read')
  return new TextDecoder().decode(await file.read(0, await file.size()))
}

describe('a store that lost its lock to another', () => {
  test('stops before its next checkpoint and changes nothing any more', async () => {
    const disk = new SimDisk({ seed: 1 })
    const failures: string[] = []
    const first = await openStore({
      disk,
      clusterId,
      journalBytes: 2000,
      onFailure: ({ code }) => failures.push(code),
    })
    const log = await first.create('flights-0')
    await stored(log, batchOf(1))
    disk.locks.steal('/data/lock')
    const second = await openStore({ disk })
    const before = await contentsOf(disk)
    await assert.rejects(async () => {
      for (let at = 0; at < 50; at++) await stored(log, batchOf(10))
    })
    assert.deepEqual(failures, ['data-dir-locked'])
    await first.close()
    const after = await contentsOf(disk)
    assert.deepEqual(
      [...after.keys()],
      [...before.keys()],
      'no rotation, no checkpoint, no clean marker',
    )
    assert(equalBytes(before.get('/data/checkpoint')!, after.get('/data/checkpoint')!))
    await second.close()
  })

  test('does not say that it was closed in good order', async () => {
    const disk = new SimDisk({ seed: 1 })
    const first = await openStore({ disk, clusterId })
    disk.locks.steal('/data/lock')
    await openStore({ disk })
    await first.close()
    assert(!disk.paths().includes('/data/clean'))
  })
})

describe('a segment', () => {
  const everything = { maxBytes: 1e6, upTo: 1e9, minOneBatch: true }

  async function twoLogs(): Promise<{ disk: SimDisk; path: string }> {
    const disk = new SimDisk({ seed: 1 })
    const store = await openStore({ disk, clusterId })
    for (const name of ['flights-0', 'sound-0']) {
      const log = await store.create(name)
      for (let at = 0; at < 5; at++) await stored(log, batchOf(10, { fill: 7 }))
    }
    await store.close()
    return { disk, path: disk.paths().find((name) => /flights-0.*\.log$/.test(name))! }
  }

  for (const [fault, text, served] of [
    ['missing', 'is missing', []],
    ['cut', 'ends before the', [0, 10]],
  ] as const) {
    test(`that is ${fault} costs its records and nothing else, and the start says so`, async () => {
      const { disk, path } = await twoLogs()
      if (fault === 'missing') await disk.remove(path)
      else disk.cut(path, 700)
      const store = await openStore({ disk })
      const [finding] = store.recovered.findings
      assert.equal(finding?.kind, 'damaged')
      assert.equal(finding.log, 'flights-0')
      assert(finding.text.includes(`${path} ${text}`), finding.text)
      assert(finding.text.includes('`headwater log repair --dir /data`'))
      const log = store.get('flights-0')!
      assert.deepEqual(await basesOf(log, 0), served)
      assert.equal((await store.get('sound-0')!.read(0, everything)).length, 5)
      assert.equal(await stored(log, batchOf(1)), 50)
      assert.deepEqual(await basesOf(log, 50), [50])
      await store.close()
      await using again = await openStore({ disk })
      assert.equal(again.recovered.findings.length, 1, 'it is said again')
      assert.deepEqual(await basesOf(again.get('flights-0')!, 50), [50])
    })
  }

  test('serves what is sound before a bad batch, whichever byte of that is changed, and with no index', async () => {
    const { path } = await twoLogs()
    const size = (await twoLogs()).disk.sizeOf(path)
    const batch = size / 5
    for (let at = 2 * batch; at < 3 * batch; at += at < 2 * batch + 61 ? 1 : 37) {
      // Outside the checksum: the leader epoch, which nobody compares.
      if (at >= 2 * batch + 12 && at < 2 * batch + 16) continue
      const { disk } = await twoLogs()
      disk.flipBit(path, at)
      if (at % 2 === 0) await disk.remove(path.replace('.log', '.index'))
      await using store = await openStore({ disk })
      const log = store.get('flights-0')!
      assert.deepEqual(await basesOf(log, 0), [0, 10], `byte ${at}`)
      await assert.rejects(async () => log.read(20, everything), { code: 'data-corrupt' })
    }
  })

  async function basesOf(log: Log, from: number): Promise<number[]> {
    try {
      const batches = await log.read(from, everything)
      return batches.flatMap(splitBatches).map((bytes) => readBatchHeader(bytes).baseOffset)
    } catch (error) {
      assert(isHeadwaterError(error, 'data-corrupt'), String(error))
      return []
    }
  }
})
