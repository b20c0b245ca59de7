/** Look-ups by time against a plain scan, whatever was deleted and wherever the batches are. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Log } from '../../../src/log/log.ts'
import { readBatchHeader, writeBatchHeader, type BatchHeader } from '../../../src/records/batch.ts'
import { BatchBuilder } from '../../../src/records/record.ts'
import { drawInteger, seededDraw } from '../../../src/testing/seed.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { aroundFiles } from '../around-files.ts'
import { openStore, stored } from './batches.ts'

/** A batch with these times, in which every second one is compressed. */
function timed(times: readonly number[]): Uint8Array {
  const builder = new BatchBuilder()
  for (const time of times) builder.append(time, null, new Uint8Array(300))
  return builder.finish({ compression: times[0]! % 2 === 0 ? 'gzip' : 'none' })
}

/** What a scan of the times by offset finds, from the start of the log on. */
function scan(log: Log, times: readonly number[], timestamp?: number): number | undefined {
  const kept = times.slice(log.startOffset)
  const wanted = timestamp ?? Math.max(...kept)
  const at = kept.findIndex((time) => time >= wanted)
  return at < 0 ? undefined : log.startOffset + at
}

async function check(log: Log, times: readonly number[]): Promise<void> {
  const largest = await log.maxTimestamp()
  assert.equal(largest?.offset, scan(log, times), `the largest from ${log.startOffset} on`)
  if (largest !== undefined) assert.equal(largest.timestamp, times[largest.offset])
  for (const wanted of [0, 500, 900, 990, 1_000, 2_000]) {
    const found = await log.offsetForTimestamp(wanted)
    assert.equal(found?.offset, scan(log, times, wanted), `${wanted} from ${log.startOffset} on`)
  }
}

describe('a look-up by time', () => {
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    test(`finds what a scan finds, with deletions, growth and restarts (seed ${seed})`, async () => {
      const draw = seededDraw(seed)
      const disk = new SimDisk({ seed })
      const options = { disk, segmentBytes: 8_000, indexIntervalBytes: 1_000 }
      const times: number[] = []
      let store = await openStore(options)
      let log = await store.create('flights-0')
      const grow = async (batches: number): Promise<void> => {
        for (let n = 0; n < batches; n++) {
          const rare = drawInteger(draw, 0, 9) === 0 ? 1_000 : 0
          const batch = Array.from(
            { length: drawInteger(draw, 1, 5) },
            () => drawInteger(draw, 1, 900) + rare,
          )
          await stored(log, timed(batch))
          times.push(...batch)
        }
      }
      await grow(40)
      for (let round = 0; round < 12; round++) {
        await check(log, times)
        await log.deleteBefore(drawInteger(draw, log.startOffset, log.highWatermark))
        await check(log, times)
        if (round % 3 === 0) {
          await store.close()
          store = await openStore(options)
          log = store.get('flights-0')!
          await check(log, times)
        }
        await grow(drawInteger(draw, 0, 12))
      }
      await log.deleteBefore(log.highWatermark)
      assert.equal(await log.maxTimestamp(), undefined)
      await store.close()
    })
  }

  test('goes through what is behind the start of a segment once, not for each question', async () => {
    let bytesRead = 0
    const disk = aroundFiles(new SimDisk({ seed: 1 }), (file, path) => ({
      read: (position, count) => {
        if (path.endsWith('.log')) bytesRead += count
        return file.read(position, count)
      },
    }))
    await using store = await openStore({ disk })
    const log = await store.create('flights-0')
    for (const time of [9_000, ...Array.from({ length: 200 }, (_, n) => n)]) {
      await stored(log, timed([time, time]))
    }
    await store.close()
    await using again = await openStore({ disk, indexIntervalBytes: 1_000 })
    const cold = again.get('flights-0')!
    await cold.deleteBefore(2)
    const readBy = async (): Promise<number> => {
      bytesRead = 0
      assert.equal((await cold.maxTimestamp())?.timestamp, 199)
      return bytesRead
    }
    // Opening the segment reads, too.
    await cold.offsetForTimestamp(0)
    const first = await readBy()
    const second = await readBy()
    assert.ok(second < first, `${second} bytes the second time, ${first} the first`)
  })
})

/** What brokers stored before they looked into records. */
describe('a look-up by time comes to a batch that is not what its header says', () => {
  function lying(fields: Partial<BatchHeader>, change: (batch: Uint8Array) => unknown = () => {}) {
    const batch = timed([500, 501])
    change(batch)
    writeBatchHeader(batch, { ...readBatchHeader(batch), ...fields })
    return batch
  }
  const bomb = (): Uint8Array => {
    const builder = new BatchBuilder()
    builder.append(501, null, new Uint8Array(3_000_000))
    return builder.finish({ compression: 'gzip' })
  }
  const liars: readonly [what: string, make: () => Uint8Array, records: number][] = [
    ['its records are noise', () => lying({}, (batch) => batch.fill(0xff, 61)), 2],
    ['it has fewer', () => lying({ recordCount: 5, lastOffsetDelta: 4, maxTimestamp: 600 }), 5],
    [
      'it has two',
      () => lying({ recordCount: 2 ** 31 - 1, lastOffsetDelta: 2 ** 31 - 2, maxTimestamp: 600 }),
      2 ** 31 - 1,
    ],
    ['it unfolds to more than it may', bomb, 1],
  ]
  for (const [what, make, records] of liars) {
    test(`and is told so, and where it begins: ${what}`, async () => {
      const disk = new SimDisk({ seed: 1 })
      let store = await openStore({ disk })
      let log = await store.create('flights-0')
      await stored(log, timed([100]))
      await stored(log, make())
      await stored(log, timed([900]))
      const { maxTimestamp } = readBatchHeader(make())
      for (const place of ['memory', 'a segment']) {
        const found = await log.offsetForTimestamp(502 > maxTimestamp ? 501 : 550, 2_000_000)
        assert.equal(found?.offset, 1, place)
        assert.equal(found?.timestamp, maxTimestamp)
        assert.match(found?.unsound?.message ?? '', /offset 1 is not what its header says/)
        // The others are found as ever.
        assert.deepEqual(await log.offsetForTimestamp(100), {
          offset: 0,
          timestamp: 100,
          leaderEpoch: 0,
        })
        const last = { offset: 1 + records, timestamp: 900, leaderEpoch: 0 }
        assert.deepEqual(await log.offsetForTimestamp(700, 2_000_000), last)
        assert.deepEqual(await log.maxTimestamp(2_000_000), last)
        await store.close()
        store = await openStore({ disk })
        log = store.get('flights-0')!
      }
      await store.close()
    })
  }

  test('and takes its word for the largest time of all, and of what a deletion left of it', async () => {
    const disk = new SimDisk({ seed: 1 })
    let store = await openStore({ disk })
    let log = await store.create('flights-0')
    await stored(log, timed([100]))
    await stored(log, lying({ maxTimestamp: 5_000 }))
    await stored(log, timed([900]))
    for (const from of [0, 0, 2]) {
      await log.deleteBefore(from)
      const found = await log.maxTimestamp()
      assert.deepEqual([found?.offset, found?.timestamp], from === 2 ? [3, 900] : [1, 5_000])
      // No record is that late, so there is none.
      assert.equal(await log.offsetForTimestamp(2_000), undefined)
      await store.close()
      store = await openStore({ disk })
      log = store.get('flights-0')!
    }
    await store.close()
  })

  test('and reads no further in it than the record that it finds', async () => {
    await using store = await openStore()
    const log = await store.create('flights-0')
    const builder = new BatchBuilder()
    for (let at = 0; at < 50; at++) builder.append(at, null, new Uint8Array(100_000))
    await stored(log, builder.finish({ compression: 'zstd' }))
    assert.equal((await log.offsetForTimestamp(3, 2_000_000))?.unsound, undefined)
    assert.equal((await log.offsetForTimestamp(40, 2_000_000))?.unsound?.code, 'record-invalid')
    assert.equal((await log.offsetForTimestamp(40, 6_000_000))?.offset, 40)
  })
})
