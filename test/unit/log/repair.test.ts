/** Every damage that a start refuses or tells of, verified and repaired as its message says. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import type { LogStore } from '../../../src/log/store/log-store.ts'
import { repairStore } from '../../../src/log/store/repair.ts'
import { seal } from '../../../src/log/store/seal.ts'
import { verifyStore } from '../../../src/log/store/verify.ts'
import { nextOffsetOf, readBatchHeader } from '../../../src/records/batch.ts'
import { decodeRecords } from '../../../src/records/record.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { batchOf, HandClock, openStore, stored, TurningClock } from './batches.ts'

const limits = { segmentBytes: 1500, writeBehindBytes: 600 }
const batches = 12
const recordsEach = 10

/** Two logs, half of each in segments and half in the journal; killed. */
async function twoLogs(): Promise<SimDisk> {
  const disk = new SimDisk({ seed: 1 })
  const before = await openStore({ disk, ...limits, clusterId: 'abcdefghijklmnopqrstuv' })
  for (const name of ['hurt-0', 'sound-0']) await before.create(name)
  await append(before)
  await before.close()
  const store = await openStore({ disk, ...limits, clock: new TurningClock() })
  await append(store)
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  return disk.afterKill({ seed: 2 })
}

async function append(store: LogStore): Promise<void> {
  for (let at = 0; at < batches / 2; at++) {
    for (const name of ['hurt-0', 'sound-0']) {
      await stored(store.get(name)!, batchOf(recordsEach, { fill: 7 }))
    }
  }
}

/** Offsets of the records that can be read; all of the log is read, and everything follows on. */
async function offsetsOf(store: LogStore, name: string): Promise<number[]> {
  const log = store.get(name)!
  const offsets: number[] = []
  for (let from = log.startOffset; from < log.highWatermark;) {
    const [batch] = await log.read(from, { maxBytes: 1, upTo: 1e9, minOneBatch: true })
    const header = readBatchHeader(batch!)
    assert.equal(header.baseOffset, from)
    offsets.push(...decodeRecords(batch!).map(({ offset }) => offset))
    from = nextOffsetOf(header)
  }
  return offsets
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at)
}

const all = range(0, batches * recordsEach)

function without(from: number, to: number): number[] {
  return all.filter((offset) => offset < from || offset >= to)
}

function path(disk: SimDisk, pattern: RegExp): string {
  return disk.paths().find((name) => pattern.test(name))!
}

async function write(disk: SimDisk, name: string, bytes: Uint8Array, position: number) {
  await (await disk.open(name, 'create')).write([bytes], position)
}

async function read(disk: SimDisk, name: string): Promise<Uint8Array> {
  const file = await disk.open(name, 'read')
  return await file.read(0, await file.size())
}

interface Case {
  readonly damage: (disk: SimDisk) => Promise<void> | void
  /** What is left of the log that was hurt, and of the other. */
  readonly left: readonly number[]
  readonly leftOfOther?: readonly number[]
  /** The start goes on, and says so. */
  readonly isServed?: boolean
}

/** Where the payload of a batch of the journal stands, by the order it came in. */
async function payloadInJournal(disk: SimDisk, number: number): Promise<[string, number]> {
  const journal = path(disk, /\.journal$/)
  const sizeBytes = batchOf(recordsEach).length
  return [journal, 32 + number * (72 + sizeBytes) + 72]
}

const cases: Readonly<Record<string, Case>> = {
  'a changed byte in meta.json': {
    damage: (disk) => disk.flipBit('/data/meta.json', 30),
    left: all,
  },
  'no meta.json': { damage: (disk) => disk.remove('/data/meta.json'), left: all },
  'a changed byte in a batch of the journal': {
    damage: async (disk) => {
      const [journal, at] = await payloadInJournal(disk, 2)
      disk.flipBit(journal, at + 100)
    },
    left: without(70, 80),
  },
  'a changed byte in the last batch of the journal': {
    damage: async (disk) => {
      const [journal, at] = await payloadInJournal(disk, 11)
      disk.flipBit(journal, at + 100)
    },
    left: all,
    leftOfOther: without(110, 120),
  },
  'a changed byte in the header of a group': {
    damage: async (disk) => {
      const [journal, at] = await payloadInJournal(disk, 4)
      disk.flipBit(journal, at - 72 + 10)
    },
    left: without(80, 90),
  },
  'a journal that was cut, and segments that reach further': {
    damage: async (disk) => {
      const [journal, at] = await payloadInJournal(disk, 2)
      disk.cut(journal, at - 72)
    },
    // What had gone to segments is taken from there.
    left: all,
    leftOfOther: range(0, 110),
  },
  'an emptied journal': {
    damage: (disk) => disk.cut(path(disk, /\.journal$/), 0),
    left: all,
    leftOfOther: range(0, 110),
  },
  'no journal': {
    damage: (disk) => disk.remove(path(disk, /\.journal$/)),
    left: all,
    leftOfOther: range(0, 110),
  },
  'a clean marker ahead of the journal': {
    damage: (disk) => write(disk, '/data/clean', seal({ nextSequence: 9999 }), 0),
    left: all,
  },
  'a changed byte in a segment': {
    damage: (disk) => disk.flipBit(path(disk, /hurt-0.*\.log$/), 700),
    left: without(20, 30),
    isServed: true,
  },
  'a batch under another offset': {
    damage: (disk) =>
      disk.flipBit(path(disk, /hurt-0.*\.log$/), 2 * batchOf(recordsEach).length + 7),
    left: all,
    isServed: true,
  },
  'a segment that was cut': {
    damage: (disk) => disk.cut(path(disk, /hurt-0.*\.log$/), 400),
    left: without(10, 50),
    isServed: true,
  },
  'no segment': {
    damage: (disk) => disk.remove(path(disk, /hurt-0.*\.log$/)),
    left: without(0, 50),
    isServed: true,
  },
}

describe('damage', () => {
  for (const [name, { damage, left, leftOfOther = all, isServed = false }] of Object.entries(
    cases,
  )) {
    test(`is named and repaired: ${name}`, async () => {
      const disk = await twoLogs()
      await damage(disk)
      const hurt = new Map<string, Uint8Array>()
      for (const each of disk.paths()) hurt.set(each, await read(disk, each))
      const found = await verifyStore(disk, '/data')
      assert(found.problems.length > 0)
      for (const each of disk.paths().filter((file) => !file.includes('lock'))) {
        assert.deepEqual(
          await read(disk, each),
          hurt.get(each),
          `${each}: to verify changes nothing`,
        )
      }
      if (!isServed) {
        await assert.rejects(openStore({ disk }), (error: Error) => {
          assert(isHeadwaterError(error, 'data-corrupt'), error.stack)
          assert(error.message.includes('`headwater log repair --dir /data`'), error.message)
          assert(found.problems.some(({ text }) => text === error.message))
          return true
        })
      }
      const done = await repairStore(disk, new HandClock(), '/data')
      assert(done.length > 0)
      assert.deepEqual((await verifyStore(disk, '/data')).problems, [])
      await using store = await openStore({ disk, ...limits })
      assert.deepEqual(store.recovered.findings, [])
      assert.deepEqual(await offsetsOf(store, 'hurt-0'), left)
      assert.deepEqual(await offsetsOf(store, 'sound-0'), leftOfOther)
      await stored(store.get('hurt-0')!, batchOf(1))
    })
  }

  test('that is past repair is said to be so', async () => {
    const disk = await twoLogs()
    disk.flipBit('/data/checkpoint', 60)
    const { problems } = await verifyStore(disk, '/data')
    assert.match(problems[0]!.text, /backup/)
    await assert.rejects(repairStore(disk, new HandClock(), '/data'), { code: 'data-corrupt' })
  })

  test('is not where nothing is: a sound directory is counted, and what is none is refused', async () => {
    const disk = await twoLogs()
    const { problems, logs, records } = await verifyStore(disk, '/data')
    assert.deepEqual([problems, logs, records], [[], 2, 2 * batches * recordsEach])
    await assert.rejects(verifyStore(disk, '/nowhere'), { code: 'not-found' })
  })

  test('is repaired by a repair that was interrupted at any call, done again', async () => {
    for (const name of ['a segment that was cut', 'a changed byte in a batch of the journal']) {
      const { damage, left } = cases[name]!
      for (let crashAt = 1; ; crashAt += 3) {
        const damaged = await twoLogs()
        await damage(damaged)
        const disk = damaged.afterKill({ seed: crashAt, crashAt })
        const isDone = await repairStore(disk, new HandClock(), '/data').then(
          () => true,
          (error: Error) => assert(disk.crashed, error.stack),
        )
        const after = disk.afterCrash({ seed: crashAt })
        await repairStore(after, new HandClock(), '/data')
        await using store = await openStore({ disk: after, ...limits })
        assert.deepEqual(await offsetsOf(store, 'hurt-0'), left, `${name}, call ${crashAt}`)
        if (isDone === true) break
      }
    }
  })
})
