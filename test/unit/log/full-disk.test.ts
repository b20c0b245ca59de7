/** A store with a reserve, on a disk that is full: it says so, keeps what it has, and room can be made. */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import type { HeadwaterError } from '../../../src/base/errors.ts'
import type { Log } from '../../../src/log/log.ts'
import type { LogStore } from '../../../src/log/store/log-store.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import type { SimDiskCall } from '../../../src/testing/sim-disk.ts'
import { batchOf, openStore, stored, TurningClock } from './batches.ts'

const reserveBytes = 20_000
const limits = { reserveBytes, segmentBytes: 4000, writeBehindBytes: 1500, journalBytes: 6000 }

async function open(disk: SimDisk, onFull?: (error?: HeadwaterError) => void): Promise<LogStore> {
  const told = onFull === undefined ? {} : { onFull }
  const store = await openStore({ disk, ...limits, ...told, clock: new TurningClock() })
  opened.push(store)
  return store
}

/** One that a test leaves open looks for room for ever; one that was killed has no disk any more. */
const opened: LogStore[] = []
afterEach(() => Promise.allSettled(opened.splice(0).map((store) => store.close())))

async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; !isSo(); turn++) {
    assert(turn < 5000, 'it takes too long')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Nothing is on its way any more. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 500; turn++) await new Promise((resolve) => setImmediate(resolve))
}

function hasReserve(disk: SimDisk): boolean {
  return disk.paths().includes('/data/reserve')
}

function segmentBytes(disk: SimDisk): number {
  const segments = disk.paths().filter((path) => path.endsWith('.log'))
  return segments.reduce((bytes, path) => bytes + disk.sizeOf(path), 0)
}

/** A store with its reserve and two logs, of which one has much. */
async function filled(disk: SimDisk, onFull?: (error?: HeadwaterError) => void): Promise<LogStore> {
  const store = await open(disk, onFull)
  await until(() => hasReserve(disk))
  await store.create('large-0')
  await store.create('small-0')
  for (let at = 0; at < 60; at++) await stored(store.get('large-0')!, batchOf(20))
  return store
}

/** The same at rest, on a disk that is full, with the reserve given up for a batch of the small log. */
async function withoutRoom(): Promise<{ disk: SimDisk; store: LogStore; small: Log }> {
  const disk = new SimDisk({ seed: 1 })
  const store = await filled(disk)
  const small = store.get('small-0')!
  await settled()
  disk.freeBytes = 0
  await stored(small, batchOf(20))
  return { disk, store, small }
}

/** Appends until there is no room for more; what was acknowledged. */
async function appendUntilFull(store: LogStore, log: Log): Promise<number[]> {
  const offsets: number[] = []
  while (store.full === undefined) offsets.push(await stored(log, batchOf(20)))
  return offsets
}

async function baseOffsetsOf(log: Log): Promise<number> {
  let from = log.startOffset
  while (from < log.highWatermark) {
    const found = await log.read(from, { maxBytes: 1e6, upTo: 1e9, minOneBatch: true })
    from += 20 * found.length
  }
  return from
}

describe('a full disk', { timeout: 20_000 }, () => {
  test('is told, acknowledges nothing that it does not hold, and is read from', async () => {
    const disk = new SimDisk({ seed: 1 })
    const told: (HeadwaterError | undefined)[] = []
    const store = await filled(disk, (error) => told.push(error))
    disk.freeBytes = 3000
    const offsets = await appendUntilFull(store, store.get('small-0')!)
    assert.equal(told[0]?.code, 'disk-full')
    assert.equal(await baseOffsetsOf(store.get('large-0')!), 1200)
    assert.equal(await baseOffsetsOf(store.get('small-0')!), offsets.at(-1)! + 20)
    assert.equal(store.failure, undefined)
    await store.close()
  })

  test('gives its reserve for what must be written, and goes on when a log was deleted', async () => {
    const disk = new SimDisk({ seed: 1 })
    const told: string[] = []
    const store = await filled(disk, (error) => told.push(error?.code ?? 'room'))
    disk.freeBytes = 0
    const small = store.get('small-0')!
    const offset = await stored(small, batchOf(20))
    assert.equal(store.full?.code, 'disk-full')
    assert(!hasReserve(disk))
    await store.delete('large-0')
    await until(() => store.full === undefined)
    assert(hasReserve(disk))
    assert.deepEqual(told, ['disk-full', 'room'])
    assert.equal(await stored(small, batchOf(20)), offset + 20)
    await store.close()
    await using again = await open(disk)
    assert.equal(again.recovered.clean, true)
    assert.equal(again.get('large-0'), undefined)
    assert.equal(await baseOffsetsOf(again.get('small-0')!), offset + 40)
  })

  test('leaves to what makes room what is left of the reserve', async () => {
    const { disk, store, small } = await withoutRoom()
    const before = segmentBytes(disk)
    for (let at = 0; at < 8; at++) await stored(small, batchOf(20))
    await settled()
    assert(store.full !== undefined)
    assert.equal(segmentBytes(disk), before)
    await store.close()
  })

  test('goes on when records were deleted', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await filled(disk)
    disk.freeBytes = 0
    await stored(store.get('small-0')!, batchOf(20))
    assert(store.full !== undefined)
    await store.get('large-0')!.deleteBefore(1200)
    disk.freeBytes += reserveBytes
    await until(() => store.full === undefined)
    await store.close()
  })

  test('that a sync finds first stops the store: no power cut takes what was acknowledged', async () => {
    let stops = 0
    for (let nth = 1; ; nth++) {
      const failAt = new Map<number, 'disk-full'>()
      let seen = 0
      const onCall = (call: number, kind: SimDiskCall): void => {
        if (kind === 'sync' && ++seen === nth) failAt.set(call, 'disk-full')
      }
      const disk = new SimDisk({ seed: nth, failAt, onCall })
      const acknowledged = new Map<string, number>()
      try {
        const store = await open(disk)
        for (const name of ['a', 'b']) await store.create(name)
        for (let at = 0; at < 30; at++) {
          const log = store.get(at % 2 === 0 ? 'a' : 'b')!
          acknowledged.set(log.name, (await stored(log, batchOf(20))) + 20)
        }
      } catch (error) {
        assert(isHeadwaterError(error), (error as Error).stack)
        if (error.code === 'disk-failed') stops++
      }
      await using again = await open(disk.afterCrash({ seed: nth }))
      for (const [name, end] of acknowledged) {
        assert((await baseOffsetsOf(again.get(name)!)) >= end, `sync ${nth}: ${name}`)
      }
      if (seen < nth) break
    }
    assert(stops > 10, `${stops} stops`)
  })

  test('lets a killed store start again, and be made room in', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await filled(disk)
    const offset = await stored(store.get('small-0')!, batchOf(20))
    const next = disk.afterKill({ seed: 2, freeBytes: 0 })
    const again = await open(next)
    await until(() => again.full !== undefined)
    assert.equal(await baseOffsetsOf(again.get('small-0')!), offset + 20)
    await again.delete('large-0')
    await until(() => again.full === undefined)
    assert.equal(await stored(again.get('small-0')!, batchOf(20)), offset + 20)
    await again.close()
  })

  test('keeps what it cannot write waiting until there is room, and nothing of it is lost', async () => {
    const { disk, store, small } = await withoutRoom()
    disk.freeBytes = 0
    let isDurable = false
    const waiting = stored(small, batchOf(400)).then((offset) => {
      isDurable = true
      return offset
    })
    await settled()
    assert.equal(isDurable, false)
    disk.freeBytes = 1_000_000
    const offset = await waiting
    await until(() => store.full === undefined)
    await store.close()
    await using again = await open(disk)
    assert.equal(again.get('small-0')!.highWatermark, offset + 400)
  })

  test('closes without a checkpoint, and is found as after a crash', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await filled(disk)
    disk.freeBytes = 0
    const offset = await stored(store.get('small-0')!, batchOf(20))
    assert(store.full !== undefined)
    await store.close()
    disk.freeBytes = 1_000_000
    await using again = await open(disk)
    assert.equal(again.recovered.clean, false)
    assert.equal(await baseOffsetsOf(again.get('small-0')!), offset + 20)
  })

  test('is said of a disk that has no room for the reserve', async () => {
    const disk = new SimDisk({ seed: 1, freeBytes: reserveBytes })
    const store = await open(disk)
    await until(() => store.full !== undefined)
    assert(!disk.paths().includes('/data/reserve.next'))
    disk.freeBytes = 2 * reserveBytes
    await until(() => store.full === undefined)
    assert(hasReserve(disk))
    await store.close()
  })
})
