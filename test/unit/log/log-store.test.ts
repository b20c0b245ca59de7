import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isHeadwaterError, type HeadwaterError } from '../../../src/base/errors.ts'
import type { LogStore } from '../../../src/log/store/log-store.ts'
import { seal } from '../../../src/log/store/seal.ts'
import type { Log } from '../../../src/log/log.ts'
import { readBatchHeader } from '../../../src/records/batch.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { accepted, batchOf, HandClock, openStore, sequenced, stored } from './batches.ts'

const hourMs = 3_600_000

async function offsetsOf(log: Log): Promise<number[]> {
  const found: number[] = []
  for (let from = log.startOffset; from < log.highWatermark;) {
    for (const batch of await log.read(from, { maxBytes: 1, upTo: 1e9, minOneBatch: true })) {
      const header = readBatchHeader(batch)
      found.push(header.baseOffset)
      from = header.baseOffset + header.lastOffsetDelta + 1
    }
  }
  return found
}

/** Appends until a checkpoint has been taken. */
async function checkpointed(disk: SimDisk, log: Log): Promise<void> {
  const journals = (): string[] => disk.paths().filter((path) => path.endsWith('.journal'))
  const before = journals()
  while (journals().some((path) => before.includes(path))) {
    await stored(log, batchOf(1, { valueBytes: 200 }))
  }
}

/** A store whose process ended without a word: nothing of it is closed, nothing on the disk is lost. */
async function killed(disk: SimDisk): Promise<SimDisk> {
  for (const path of disk.paths()) {
    const file = await disk.open(path, 'write')
    await file.sync()
  }
  for (const directory of ['/data', '/data/journal', '/data/logs']) {
    await disk.syncDirectory(directory)
  }
  return disk.afterCrash({ seed: 2 })
}

function journalPath(disk: SimDisk): string {
  return disk.paths().findLast((path) => path.endsWith('.journal'))!
}

describe('opening', () => {
  test('brings acknowledged batches back after a stop without a close', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await openStore({ disk })
    const log = await store.create('flights-0')
    for (let at = 0; at < 5; at++) await stored(log, batchOf(10))
    await using again = await openStore({ disk: await killed(disk) })
    assert.deepEqual(
      { ...again.recovered, milliseconds: 0 },
      { clean: false, logs: 1, records: 50, milliseconds: 0, truncated: [], findings: [] },
    )
    assert.deepEqual(await offsetsOf(again.get('flights-0')!), [0, 10, 20, 30, 40])
    assert.equal(again.get('flights-0')!.leaderEpoch, 0, 'nothing was cut off')
  })

  test('cuts a torn end off, names it, and starts a new leader epoch', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await openStore({ disk })
    const log = await store.create('flights-0')
    await stored(log, batchOf(10))
    await stored(log, batchOf(10))
    const after = await killed(disk)
    after.cut(journalPath(after), after.sizeOf(journalPath(after)) - 3)
    await using again = await openStore({ disk: after })
    assert.deepEqual(again.recovered.truncated, [{ log: 'flights-0', from: 10, to: 20 }])
    const back = again.get('flights-0')!
    assert.equal(back.endOffset, 10)
    assert.equal(back.leaderEpoch, 1)
    assert.deepEqual(back.epochEnd(0), { epoch: 0, endOffset: 10 })
    await stored(back, batchOf(1))
    assert.deepEqual(back.epochEnd(0), { epoch: 0, endOffset: 10 })
    assert.deepEqual(back.epochEnd(1), { epoch: 1, endOffset: 11 })
    assert.deepEqual(back.epochEnd(2), { epoch: -1, endOffset: -1 })
  })

  test('replays no more than the journal since the last checkpoint', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await openStore({ disk, journalBytes: 5_000, writeBehindBytes: 1_000 })
    const log = await store.create('flights-0')
    for (let at = 0; at < 100; at++) await stored(log, batchOf(10))
    await using again = await openStore({ disk: await killed(disk) })
    assert(again.recovered.records < 300, `${again.recovered.records} records`)
    assert.equal((await offsetsOf(again.get('flights-0')!)).length, 100)
  })

  test('refuses a bad group when a later one proves it was synced', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await openStore({ disk })
    const log = await store.create('flights-0')
    await stored(log, batchOf(1))
    const groupStart = disk.sizeOf(journalPath(disk))
    await stored(log, batchOf(10))
    await stored(log, batchOf(10))
    const after = await killed(disk)
    after.flipBit(journalPath(after), groupStart + 150)
    await refused(openStore({ disk: after }), 'data-corrupt', [
      `${journalPath(after)} is damaged at byte ${groupStart}`,
      'backup',
    ])
    after.flipBit(journalPath(after), groupStart + 150)
    await using again = await openStore({ disk: after })
    assert.equal(again.get('flights-0')!.endOffset, 21)
  })

  test('refuses when a journal file, the checkpoint or meta.json is gone', async () => {
    for (const [pattern, text] of [
      [/\.journal$/, 'is missing'],
      [/checkpoint$/, 'cannot be used'],
      [/meta\.json$/, 'is missing'],
    ] as const) {
      const disk = new SimDisk({ seed: 1 })
      const store = await openStore({ disk })
      await stored(await store.create('flights-0'), batchOf(10))
      await store.close()
      const path = disk.paths().find((name) => pattern.test(name))!
      await disk.remove(path)
      await refused(openStore({ disk }), 'data-corrupt', [path, text])
    }
  })

  test('refuses a flipped bit in the checkpoint', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await openStore({ disk })
    await stored(await store.create('flights-0'), batchOf(10))
    await store.close()
    disk.flipBit('/data/checkpoint', 50)
    await refused(openStore({ disk }), 'data-corrupt', ['/data/checkpoint'])
  })

  test('refuses another format version and keeps the clean marker', async () => {
    const disk = new SimDisk({ seed: 1 })
    await (await openStore({ disk, clusterId: 'some-cluster' })).close()
    const meta = await disk.open('/data/meta.json', 'write')
    const own = await meta.read(0, await meta.size())
    await meta.truncate(0)
    await meta.write([seal({ format: 3, clusterId: 'x', seed: 1, lock: '1', more: 'things' })], 0)
    await refused(openStore({ disk }), 'data-dir-version', ['format 3', 'format 2', '/data'])
    await meta.truncate(0)
    await meta.write([own], 0)
    await using store = await openStore({ disk, clusterId: 'another' })
    assert.equal(store.recovered.clean, true)
    assert.equal(store.clusterId, 'some-cluster')
  })

  test('refuses a directory that another store has, until that is closed', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await openStore({ disk })
    await refused(openStore({ disk }), 'data-dir-locked', ['/data'])
    await store.close()
    await (await openStore({ disk })).close()
  })
})

describe('logs', () => {
  test('that were deleted do not come back, nor do their files', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await openStore({ disk, journalBytes: 2_000, writeBehindBytes: 100 })
    const [gone, kept] = [await store.create('gone-0'), await store.create('kept-0')]
    for (let at = 0; at < 10; at++) {
      await Promise.all([stored(gone, batchOf(10)), stored(kept, batchOf(10))])
    }
    await store.delete('gone-0')
    assert.throws(() => gone.append(batchOf(1)))
    while (disk.paths().some((path) => path.includes('gone'))) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    await using again = await openStore({ disk: await killed(disk) })
    assert.deepEqual(again.names(), ['kept-0'])
    assert.equal(again.backlogBytes <= 100 * batchOf(10).length, true)
  })

  test('start later after records before an offset were deleted, also after a restart', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await openStore({ disk, segmentBytes: 400, writeBehindBytes: 100 })
    const log = await store.create('flights-0')
    for (let at = 0; at < 20; at++) await stored(log, batchOf(10))
    while (store.backlogBytes > 100) await new Promise((resolve) => setImmediate(resolve))
    const segments = (): number => disk.paths().filter((path) => path.endsWith('.log')).length
    const before = segments()
    await log.deleteBefore(105)
    assert(segments() < before, 'whole segments are gone')
    assert.deepEqual((await offsetsOf(log)).slice(0, 2), [100, 110])
    await using again = await openStore({ disk: await killed(disk) })
    assert.equal(again.get('flights-0')!.startOffset, 105)
    assert.deepEqual((await offsetsOf(again.get('flights-0')!)).slice(0, 2), [100, 110])
    assert.equal((await again.get('flights-0')!.offsetForTimestamp(0))?.offset, 105)
  })

  test('say that records are deleted when that is on disk, however often it is asked for', async () => {
    const held: (() => void)[] = []
    const clock = new HandClock()
    const disk = new SimDisk({ seed: 1, clock })
    clock.after = (_delayMs = 0, callback = (): void => {}) => {
      if (isHeld) held.push(callback)
      else callback()
      return { cancel: () => undefined }
    }
    let isHeld = false
    await using store = await openStore({ disk })
    const log = await store.create('flights-0')
    await stored(log, batchOf(10))
    isHeld = true
    const told: string[] = []
    const first = log.deleteBefore(10).then(() => told.push('first'))
    const second = log.deleteBefore(10).then(() => told.push('second'))
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
    const toldBefore = [...told]
    isHeld = false
    for (const callback of held) callback()
    await Promise.all([first, second])
    assert.deepEqual(toldBefore, [])
  })

  test('forget producers that were idle for a day, but not those within a transaction', async () => {
    const disk = new SimDisk({ seed: 1 })
    const clock = new HandClock()
    let store = await openStore({ disk, clock })
    const log = await store.create('flights-0')
    await stored(log, sequenced(1, 0, 0))
    const open = { producerId: 2, producerEpoch: 0, baseSequence: 0, transactional: true }
    await stored(log, batchOf(1, open))
    clock.time += 20 * hourMs
    await stored(log, sequenced(3, 0, 0))
    clock.time += 5 * hourMs
    await store.close()
    store = await openStore({ disk, clock })
    const known = store
      .get('flights-0')!
      .producerStates()
      .map((producer) => producer.producerId)
    assert.deepEqual(known, [2, 3])
    await store.close()
  })

  test('forget no producer, and keep none, because the wall clock is set', async () => {
    const dayMs = 24 * hourMs
    for (const stepMs of [-30 * dayMs, 30 * dayMs]) {
      const clock = new HandClock()
      const disk = new SimDisk({ seed: 1 })
      await using store = await openStore({ disk, clock, journalBytes: 1000 })
      const log = await store.create('flights-0')
      const known = (): number[] => log.producerStates().map(({ producerId }) => producerId)
      await stored(log, sequenced(1, 0, 0))
      clock.wallAheadMs = stepMs
      clock.time += 20 * hourMs
      await stored(log, sequenced(2, 0, 0))
      await checkpointed(disk, log)
      assert.deepEqual(known(), [1, 2], `${stepMs} ms`)
      clock.time += 5 * hourMs
      await checkpointed(disk, log)
      assert.deepEqual(known(), [2], `25 hours after ${stepMs} ms`)
    }
  })

  test('ask the wall clock how long producers were idle over a restart, as it is at the start', async () => {
    for (const [awayMs, expected] of [
      [23 * hourMs, [1]],
      [-23 * hourMs, [1]],
      [25 * hourMs, []],
    ] as const) {
      const disk = new SimDisk({ seed: 1 })
      const before = await openStore({ disk })
      await stored(await before.create('flights-0'), sequenced(1, 0, 0))
      const clock = new HandClock()
      // The machine has started anew as well: its monotonic clock has another zero.
      clock.time = 1000
      clock.wallAheadMs = 1_700_000_000_000 - 1000 + awayMs
      const left = await killed(disk)
      await using after = await openStore({ disk: left, clock, journalBytes: 1000 })
      clock.wallAheadMs += 1000 * hourMs
      const log = after.get('flights-0')!
      const known = (): number[] => log.producerStates().map(({ producerId }) => producerId)
      assert.deepEqual(known(), expected, `${awayMs} ms later`)
      clock.time += 25 * hourMs
      await checkpointed(left, log)
      assert.deepEqual(known(), [], `25 hours after ${awayMs} ms`)
    }
  })

  test('with names longer than a file name may be are kept apart', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await openStore({ disk })
    const names = ['a', 'b'].map((last) => 'x'.repeat(260) + last)
    for (const name of names) await stored(await store.create(name), batchOf(1))
    await store.close()
    assert(disk.paths().every((path) => path.split('/').every((part) => part.length < 256)))
    await using again = await openStore({ disk })
    assert.deepEqual(again.names().sort(), names)
  })
})

describe('a disk that fails', () => {
  test('stops the store: nothing more is taken, what is durable can be read', async () => {
    for (const call of ['write', 'sync'] as const) {
      const probe = new SimDisk({ seed: 1 })
      const probed = await openStore({ disk: probe })
      const probedLog = await probed.create('flights-0')
      await stored(probedLog, batchOf(10))
      const next = probe.calls + (call === 'write' ? 1 : 2)

      const disk = new SimDisk({ seed: 1, failAt: new Map([[next, 'disk-failed']]) })
      const failures: HeadwaterError[] = []
      const store = await openStore({ disk, onFailure: (error) => failures.push(error) })
      const log = await store.create('flights-0')
      await stored(log, batchOf(10))
      const lost = accepted(log.append(batchOf(10)))
      await assert.rejects(lost.durable, (error) => isHeadwaterError(error, 'disk-failed'))
      assert.throws(
        () => log.append(batchOf(1)),
        (error) => isHeadwaterError(error, 'disk-failed'),
      )
      await assert.rejects(store.create('more-0'), (error) => isHeadwaterError(error))
      assert.equal(failures.length, 1)
      assert.equal(log.highWatermark, 10)
      assert.deepEqual(await offsetsOf(log), [0])
      await store.drained()
      await store.close()
      await using again = await openStore({ disk: disk.afterCrash({ seed: 3 }) })
      assert.equal(again.recovered.clean, false)
      assert.deepEqual(await offsetsOf(again.get('flights-0')!), [0])
    }
  })

  test('for want of room loses nothing acknowledged, and goes on when there is room', async () => {
    for (let room = 100; room < 12_000; room += 290) {
      const disk = new SimDisk({ seed: room, freeBytes: room })
      const limits = { journalBytes: 3_000, segmentBytes: 1_500, writeBehindBytes: 500 }
      const acknowledged = await fill(disk, limits)
      disk.freeBytes = 1e6
      await using again = await openStore({ disk, ...limits })
      const log = again.get('flights-0')
      const found = log === undefined ? [] : await offsetsOf(log)
      assert.deepEqual(found.slice(0, acknowledged.length), acknowledged)
      if (log !== undefined) await stored(log, batchOf(10))
    }
  })
})

describe('memory', () => {
  test('is bounded: a producer faster than the disk is told to wait', async () => {
    await using store = await openStore({ backlogBytesMax: 5_000, writeBehindBytes: 1_000 })
    const log = await store.create('flights-0')
    let waits = 0
    for (let at = 0; at < 200; at++) {
      if (store.congested) {
        waits++
        await store.drained()
      }
      assert(store.backlogBytes < 6_000, `${store.backlogBytes} bytes`)
      log.append(batchOf(10))
    }
    assert(waits > 0)
  })

  test('is not exhausted by what a restart brings back', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await openStore({ disk })
    const log = await store.create('flights-0')
    for (let at = 0; at < 20; at++) await stored(log, batchOf(10))
    await using again = await openStore({ disk: await killed(disk), backlogBytesMax: 1_000 })
    await again.drained()
    assert.equal(again.congested, false)
  })

  test('is given back in rounds as long as there is enough to write', async () => {
    await using store = await openStore({ backlogBytesMax: 9_000, writeBehindBytes: 8_000 })
    const log = await store.create('flights-0')
    for (let round = 0; round < 20; round++) {
      while (!store.congested) log.append(batchOf(10))
      await store.drained()
    }
    assert(log.endOffset > 0)
  })

  test('keeps recent batches readable without the disk, and not older ones', async () => {
    const disk = new SimDisk({ seed: 1 })
    await using store = await openStore({ disk, cacheBytes: 2_000, writeBehindBytes: 500 })
    const log = await store.create('flights-0')
    for (let at = 0; at < 50; at++) await stored(log, batchOf(10))
    const newest = log.read(490, { maxBytes: 1, upTo: 1e9, minOneBatch: true })
    assert(Array.isArray(newest), 'from memory, at once')
    assert(log.read(0, { maxBytes: 1, upTo: 1e9, minOneBatch: true }) instanceof Promise)
    assert.equal((await offsetsOf(log)).length, 50)
  })
})

describe('weaker promises', () => {
  test('by os outlive the end of the process, if not of the machine', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await openStore({ disk, durability: 'os' })
    const log = await store.create('flights-0')
    for (let at = 0; at < 5; at++) await stored(log, batchOf(10))
    await using again = await openStore({ disk: await killed(disk), durability: 'os' })
    assert.deepEqual(await offsetsOf(again.get('flights-0')!), [0, 10, 20, 30, 40])
    assert.equal(again.get('flights-0')!.leaderEpoch, 1, 'clients compare their positions anew')
  })

  test('acknowledge before the sync when asked to, and are visible in the store', async () => {
    for (const durability of ['os', 'memory'] as const) {
      const disk = new SimDisk({ seed: 1 })
      const store = await openStore({ disk, durability })
      assert.equal(store.durability, durability)
      const log = await store.create('flights-0')
      const calls = disk.calls
      await stored(log, batchOf(10))
      assert.equal(log.highWatermark, 10)
      assert(disk.calls - calls <= 1, 'a write and no sync')
      await store.close()
      await using again = await openStore({ disk })
      assert.deepEqual(await offsetsOf(again.get('flights-0')!), [0])
    }
  })
})

/** Appends until the store fails; the offsets that were acknowledged. */
async function fill(disk: SimDisk, limits: object): Promise<number[]> {
  const acknowledged: number[] = []
  let store: LogStore | undefined
  try {
    store = await openStore({ disk, ...limits })
    const log = await store.create('flights-0')
    for (let at = 0; at < 100; at++) acknowledged.push(await stored(log, batchOf(10)))
  } catch (error) {
    assert(isHeadwaterError(error, 'disk-full'), String(error))
  }
  await store?.close()
  return acknowledged
}

async function refused(
  opening: Promise<LogStore>,
  code: HeadwaterError['code'],
  texts: readonly string[],
): Promise<void> {
  await assert.rejects(opening, (error: Error) => {
    assert(isHeadwaterError(error, code), String(error))
    for (const text of texts) assert(error.message.includes(text), error.message)
    return true
  })
}
