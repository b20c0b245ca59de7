import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HeadwaterError, isHeadwaterError } from '../../../src/base/errors.ts'
import type { DiskFile } from '../../../src/io/ports.ts'
import type { LogStore } from '../../../src/log/store/log-store.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import type { SimDiskCall } from '../../../src/testing/sim-disk.ts'
import { aroundFiles } from '../around-files.ts'
import { batchOf, openStore, stored, TurningClock } from './batches.ts'

/** A store with one log whose second batch got as far as the disk call of this kind, which then fails. */
async function interruptedAt(kind: SimDiskCall, fault: 'killed' | 'failed'): Promise<SimDisk> {
  const failAt = new Map<number, 'disk-failed'>()
  let mustFail = false
  const disk: SimDisk = new SimDisk({
    seed: 3,
    failAt,
    onCall: (call, called) => {
      if (!mustFail || called !== kind) return
      if (fault === 'failed') failAt.set(call, 'disk-failed')
      else disk.crash()
    },
  })
  const store = await openStore({ disk })
  const log = await store.create('flights-0')
  await stored(log, batchOf(10))
  mustFail = true
  await assert.rejects(stored(log, batchOf(10)), { code: 'disk-failed' })
  return disk
}

describe('a group that was written and never synced', () => {
  for (const fault of ['killed', 'failed'] as const) {
    test(`counts when it is read again after a sync that ${fault}, so it survives the next power cut`, async () => {
      const disk = (await interruptedAt('sync', fault)).afterKill({ seed: 4 })
      const again = await openStore({ disk })
      assert.equal(again.get('flights-0')!.highWatermark, 20, 'readers see it')
      for (let seed = 1; seed <= 10; seed++) {
        const later = await openStore({ disk: disk.afterCrash({ seed }) })
        assert.equal(
          later.get('flights-0')!.highWatermark,
          20,
          `readers have seen it, seed ${seed}`,
        )
      }
    })

    test(`is no damage in front of those synced after it, ${fault}`, async () => {
      const disk = (await interruptedAt('sync', fault)).afterKill({ seed: 4 })
      const again = await openStore({ disk })
      await stored(again.get('flights-0')!, batchOf(10))
      for (let seed = 1; seed <= 10; seed++) {
        const later = await openStore({ disk: disk.afterCrash({ seed }) })
        assert.equal(later.get('flights-0')!.highWatermark, 30)
      }
    })
  }
})

/** Small enough that segments are written and checkpoints taken while appends go on. */
const small = {
  segmentBytes: 900,
  indexIntervalBytes: 250,
  journalBytes: 1200,
  cacheBytes: 500,
  writeBehindBytes: 400,
  segmentDescriptorsMax: 5,
}

/** Appends to three logs side by side until the store fails; how many records of each were acknowledged. */
async function appendAll(store: LogStore, acknowledged: Map<string, number>): Promise<void> {
  const logs = await Promise.all(['a', 'b', 'c'].map((name) => store.create(name)))
  for (let round = 0; round < 14; round++) {
    await Promise.all(
      logs.map(async (log) => {
        const first = await stored(log, batchOf(1 + (round % 3)))
        acknowledged.set(log.name, first + 1 + (round % 3))
      }),
    )
  }
}

describe('a store whose disk fails once', () => {
  for (const fault of ['disk-full', 'disk-failed'] as const) {
    test(`has everything acknowledged when it is opened again, ${fault} at any call`, async () => {
      for (let call = 1; ; call++) {
        const disk = new SimDisk({ seed: call, failAt: new Map([[call, fault]]) })
        const acknowledged = new Map<string, number>()
        try {
          const store = await openStore({ disk, ...small })
          await appendAll(store, acknowledged)
          await store.close()
        } catch (error) {
          // A sync that found no room is a failure, not want of room.
          const isRight = isHeadwaterError(error, fault) || isHeadwaterError(error, 'disk-failed')
          assert(isRight, (error as Error).stack)
        }
        // What still runs in the background of a failed store comes to its end.
        await new Promise((resolve) => setTimeout(resolve, 1))
        const killed = disk.afterKill({ seed: call })
        await using again = await openStore({ disk: killed, ...small })
        for (const [name, count] of acknowledged) {
          const log = again.get(name)!
          assert(log.highWatermark >= count, `call ${call}: ${name} has ${log.highWatermark}`)
          await log.verify()
        }
        if (disk.calls < call) break
      }
    })
  }
})

describe('an opening whose disk fails once', () => {
  test('is refused with that, or comes to nothing less; also while it removes what was deleted', async () => {
    for (let call = 1; ; call++) {
      const disk = await withDeletedLogs()
      const failAt = new Map<number, 'disk-failed'>()
      const failing = disk.afterKill({ seed: call, failAt })
      failAt.set(call, 'disk-failed')
      const failures: unknown[] = []
      const opening = openStore({
        disk: failing,
        ...small,
        onFailure: (error) => failures.push(error),
      })
      const store = await opening.catch((error: unknown) => {
        assert(isHeadwaterError(error, 'disk-failed'), (error as Error).stack)
        assert.deepEqual(failures, [], 'who opens it is told, and nobody else')
      })
      await manyTurns()
      const isWhole = store !== undefined && store.failure === undefined
      if (store?.failure !== undefined) assert.equal(failures.length, 1, 'it was open')
      await store?.close().catch((error: unknown) => {
        assert(isHeadwaterError(error, 'disk-failed'), (error as Error).stack)
      })
      await using again = await openStore({ disk: failing.afterKill({ seed: call }), ...small })
      assert.equal(again.get('kept')!.highWatermark, 10)
      assert.deepEqual(again.names(), ['kept'])
      if (isWhole && failing.calls < call) break
    }
  })
})

/** Of a store that was killed before it had removed the logs that were deleted in it. */
async function withDeletedLogs(): Promise<SimDisk> {
  const disk = new SimDisk({ seed: 1 })
  const store = await openStore({ disk, ...small })
  await stored(await store.create('kept'), batchOf(10))
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  for (const name of names) await stored(await store.create(name), batchOf(10))
  await Promise.all(names.map((name) => store.delete(name)))
  return disk
}

test('a segment that could not be opened once is read the next time', async () => {
  const failAt = new Map<number, 'disk-failed'>()
  let mustFail = false
  const onCall = (call: number, kind: SimDiskCall): void => {
    if (!mustFail || kind !== 'open') return
    failAt.set(call, 'disk-failed')
    mustFail = false
  }
  const disk = new SimDisk({ seed: 1, failAt, onCall })
  const store = await openStore({ disk })
  await stored(await store.create('flights-0'), batchOf(10))
  await store.close()
  await using again = await openStore({ disk })
  const log = again.get('flights-0')!
  const read = async (): Promise<Uint8Array[]> =>
    await log.read(0, { maxBytes: 1000, upTo: 10, minOneBatch: true })
  mustFail = true
  await assert.rejects(read(), { code: 'disk-failed' })
  assert.equal((await read()).length, 1)
})

async function manyTurns(): Promise<void> {
  for (let turn = 0; turn < 300; turn++) await new Promise((resolve) => setImmediate(resolve))
}

test('a journal file that was being begun when the store failed is not begun in the next one', async () => {
  const begun = Promise.withResolvers<void>()
  const goesOn = Promise.withResolvers<void>()
  const fails = Promise.withResolvers<void>()
  const inner = new SimDisk({ seed: 1 })
  const failing = async (): Promise<void> => {
    await fails.promise
    throw new HeadwaterError('disk-failed', 'this failure was planned')
  }
  const disk = aroundFiles(inner, async (_file, path): Promise<Partial<DiskFile>> => {
    if (path.endsWith('.log')) return { write: failing }
    if (path.endsWith('2.journal')) {
      begun.resolve()
      await goesOn.promise
    }
    return {}
  })
  const bounds = { journalBytes: 3000, writeBehindBytes: 300 }
  const store = await openStore({ disk, clock: new TurningClock(), ...bounds })
  const log = await store.create('flights-0')
  const appending = (async () => {
    for (;;) await stored(log, batchOf(10))
  })()
  await begun.promise
  fails.resolve()
  await assert.rejects(appending, { code: 'disk-failed' })
  let isClosed = false
  const closing = store.close().then(() => (isClosed = true))
  await manyTurns()
  if (!isClosed) goesOn.resolve()
  await closing
  const next = await openStore({ disk: inner, clock: new TurningClock() })
  const offset = await stored(next.get('flights-0')!, batchOf(10))
  goesOn.resolve()
  await manyTurns()
  await using last = await openStore({ disk: inner.afterKill({ seed: 2 }) })
  assert.equal(last.get('flights-0')!.highWatermark, offset + 10)
})

describe('a log under the name of one that was deleted, whose files are gone', () => {
  for (const how of ['at once', 'after a close', 'after a kill'] as const) {
    test(`has none of its records after a power cut, made ${how}`, async () => {
      for (let seed = 1; seed <= 20; seed++) {
        let disk = new SimDisk({ seed })
        let store = await openStore({ disk, ...small })
        const first = await store.create('flights-0')
        for (let at = 0; at < 40; at++) await stored(first, batchOf(1))
        await store.delete('flights-0')
        while (disk.paths().some((path) => path.includes('flights'))) await manyTurns()
        if (how === 'after a close') await store.close()
        if (how === 'after a kill') disk = disk.afterKill({ seed })
        if (how !== 'at once') store = await openStore({ disk, ...small })
        await stored(await store.create('flights-0'), batchOf(1))
        await using later = await openStore({ disk: disk.afterCrash({ seed }), ...small })
        assert.equal(later.get('flights-0')!.highWatermark, 1)
      }
    })
  }
})

test('an index that a power cut made wrong does not count when there was no room for the right one', async () => {
  const bounds = { ...small, segmentBytes: 100_000, durability: 'os', cacheBytes: 1 } as const
  const appendTo = async (store: LogStore, name: string, valueBytes: readonly number[]) => {
    for (const bytes of valueBytes)
      await stored(store.get(name)!, batchOf(1, { valueBytes: bytes }))
    await manyTurns()
  }
  const many = Array.from({ length: 20 }, (_, at) => 77 + 13 * at)
  let mustFind = false
  for (let seed = 1; seed <= 30; seed++) {
    const disk = new SimDisk({ seed })
    let store = await openStore({ disk, ...bounds, segmentDescriptorsMax: 3 })
    for (const name of ['a', 'b']) await store.create(name)
    for (const name of ['a', 'b']) await appendTo(store, name, [300, 300, 300])
    await store.close()
    store = await openStore({ disk, ...bounds, segmentDescriptorsMax: 3, journalBytes: 1e6 })
    // The index of the one is stored when the other needs the descriptor.
    for (const name of ['a', 'b']) await appendTo(store, name, many.toReversed())
    const cut = disk.afterCrash({ seed })
    const full = aroundFiles(cut, (_file, path): Partial<DiskFile> => {
      const write = (): Promise<void> => Promise.reject(new HeadwaterError('disk-full', 'planned'))
      return path.endsWith('.index') ? { write } : {}
    })
    store = await openStore({ disk: full, ...bounds })
    mustFind ||= store.get('a')!.highWatermark < 3 + many.length
    await appendTo(store, 'a', many)
    await store.close()
    await using last = await openStore({ disk: cut, ...bounds })
    const log = last.get('a')!
    for (let at = 0; at < log.highWatermark; at++) {
      const found = await log.read(at, { maxBytes: 1, upTo: 1e9, minOneBatch: true })
      assert.equal(found.length, 1, `seed ${seed}: offset ${at}`)
    }
  }
  assert(mustFind, 'a power cut took batches that an index spoke of')
})
