import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import type { Log } from '../../../src/log/log.ts'
import { checkBatch, readBatchHeader } from '../../../src/records/batch.ts'
import { encodeControlBatch } from '../../../src/records/record.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { accepted, batchOf, openStore, sequenced, stored } from './batches.ts'

const everything = { maxBytes: 1e9, upTo: Infinity, minOneBatch: true }

async function basesOf(log: Log, from: number, o: Partial<typeof everything> = {}) {
  const batches = await log.read(from, { ...everything, ...o })
  return batches.map((batch) => readBatchHeader(batch).baseOffset)
}

function marker(kind: 'commit' | 'abort', producerId: number, producerEpoch = 0): Uint8Array {
  return encodeControlBatch({ kind, producerId, producerEpoch, coordinatorEpoch: 0, timestamp: 5 })
}

function inTransaction(producerId: number, baseSequence: number): Uint8Array {
  return batchOf(1, { producerId, producerEpoch: 0, baseSequence, transactional: true })
}

describe('appending', () => {
  test('stamps offsets that follow one another and keeps the checksum right', async () => {
    await using store = await openStore()
    const log = await store.create('flights-0')
    assert.equal(await stored(log, batchOf(3)), 0)
    assert.equal(await stored(log, batchOf(2)), 3)
    assert.equal(log.endOffset, 5)
    const batches = await log.read(0, everything)
    assert.deepEqual(
      batches.map((batch) => checkBatch(batch)),
      [undefined, undefined],
    )
  })

  test('is invisible until it is durable', async () => {
    await using store = await openStore()
    const log = await store.create('flights-0')
    const result = accepted(log.append(batchOf(3)))
    assert.equal(log.endOffset, 3)
    assert.equal(log.highWatermark, 0)
    assert.deepEqual(await basesOf(log, 0), [])
    await result.durable
    assert.equal(log.highWatermark, 3)
    assert.deepEqual(await basesOf(log, 0), [0])
  })

  test('shares one promise and one sync among all batches of a group', async () => {
    const disk = new SimDisk({ seed: 1 })
    await using store = await openStore({ disk })
    const [first, second] = [await store.create('a-0'), await store.create('b-0')]
    const before = disk.calls
    const results = [first, second, first].map((log) => accepted(log.append(batchOf(1))))
    assert.equal(results[0]!.durable, results[2]!.durable)
    await results[0]!.durable
    assert.equal(disk.calls - before, 2, 'one write, one sync')
  })

  test('tells listeners once a group, after the high watermark moved', async () => {
    await using store = await openStore()
    const log = await store.create('flights-0')
    const seen: number[] = []
    const stop = log.onAdvance(() => seen.push(log.highWatermark))
    log.append(batchOf(1))
    await stored(log, batchOf(1))
    stop()
    await stored(log, batchOf(1))
    assert.deepEqual(seen, [2])
  })

  test('gives every record the broker time when asked to', async () => {
    await using store = await openStore()
    const log = await store.create('flights-0')
    await accepted(log.append(batchOf(3, { timestamp: 5 }), { logAppendTime: 777 })).durable
    const [batch] = await log.read(0, everything)
    assert.equal(readBatchHeader(batch!).maxTimestamp, 777)
    assert.equal(checkBatch(batch!), undefined)
    assert.deepEqual(await log.offsetForTimestamp(700), {
      offset: 0,
      timestamp: 777,
      leaderEpoch: 0,
    })
  })

  test('counts at once and stays in memory in a volatile log', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await openStore({ disk })
    const log = await store.create('cache-0', { volatile: true })
    const calls = disk.calls
    accepted(log.append(batchOf(3)))
    accepted(log.append(batchOf(3)))
    assert.deepEqual(await basesOf(log, 0), [0, 3])
    await log.deleteBefore(3)
    assert.deepEqual(await basesOf(log, 0), [])
    assert.deepEqual(await basesOf(log, 3), [3])
    assert.equal(disk.calls, calls)
    await store.close()
    await using again = await openStore({ disk })
    assert.equal(again.get('cache-0'), undefined)
  })
})

describe('reading', () => {
  test('begins with the batch that holds the offset and stops at the bounds', async () => {
    await using store = await openStore()
    const log = await store.create('flights-0')
    for (let at = 0; at < 4; at++) await stored(log, batchOf(10))
    const sizeBytes = batchOf(10).length
    assert.deepEqual(await basesOf(log, 15), [10, 20, 30])
    assert.deepEqual(await basesOf(log, 15, { upTo: 20 }), [10])
    assert.deepEqual(await basesOf(log, 0, { maxBytes: 2 * sizeBytes }), [0, 10])
    assert.deepEqual(await basesOf(log, 0, { maxBytes: 1 }), [0])
    assert.deepEqual(await basesOf(log, 0, { maxBytes: 1, minOneBatch: false }), [])
    assert.deepEqual(await basesOf(log, 40), [])
  })

  test('finds the same in segments as in memory, whatever the window', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await openStore({ disk, segmentBytes: 40_000 })
    const log = await store.create('flights-0')
    const bases: number[] = []
    for (let at = 0; at < 200; at++) {
      bases.push(await stored(log, batchOf(1 + (at % 7), { valueBytes: 50 + at * 3 })))
    }
    await store.close()
    await using again = await openStore({ disk, segmentBytes: 40_000 })
    const cold = again.get('flights-0')!
    assert(disk.paths().filter((path) => path.endsWith('.log')).length > 5, 'segments rolled')
    for (const maxBytes of [1, 700, 3_000, 100_000]) {
      const found: number[] = []
      for (let from = 0; from < cold.highWatermark;) {
        const batches = await cold.read(from, { ...everything, maxBytes })
        for (const batch of batches) {
          const header = readBatchHeader(batch)
          found.push(header.baseOffset)
          from = header.baseOffset + header.lastOffsetDelta + 1
        }
      }
      assert.deepEqual(found, bases)
    }
    for (const offset of [0, 1, 399, 400, cold.endOffset - 1]) {
      const [first] = await basesOf(cold, offset)
      assert.equal(
        first,
        bases.findLast((base) => base <= offset),
      )
    }
  })

  test('finds records by time in segments and in memory', async () => {
    const disk = new SimDisk({ seed: 1 })
    let store = await openStore({ disk, segmentBytes: 20_000 })
    let log = await store.create('flights-0')
    // Not in the order of time: record 10 × n + k has timestamp 1000 × (n xor 1) + k.
    for (let n = 0; n < 40; n++) {
      await stored(log, batchOf(10, { timestamp: 1000 * (n ^ 1), valueBytes: 300 }))
    }
    const check = async (): Promise<void> => {
      assert.equal((await log.offsetForTimestamp(0))?.offset, 0)
      assert.equal((await log.offsetForTimestamp(1003))?.offset, 3)
      assert.equal((await log.offsetForTimestamp(1010))?.offset, 20)
      assert.equal((await log.offsetForTimestamp(39_009))?.offset, 389)
      assert.equal(await log.offsetForTimestamp(39_010), undefined)
      assert.equal((await log.maxTimestamp())?.offset, 389)
    }
    await check()
    await store.close()
    store = await openStore({ disk, segmentBytes: 20_000 })
    log = store.get('flights-0')!
    await check()
    await store.close()
  })

  test('reports a flipped bit in a segment by file and byte, and reads the rest', async () => {
    const disk = new SimDisk({ seed: 1 })
    const store = await openStore({ disk })
    const log = await store.create('flights-0')
    for (let at = 0; at < 3; at++) await stored(log, batchOf(1))
    await store.close()
    const path = disk.paths().find((name) => name.endsWith('.log'))!
    const sizeBytes = batchOf(1).length
    disk.flipBit(path, sizeBytes + 70)
    await using again = await openStore({ disk })
    const cold = again.get('flights-0')!
    assert.deepEqual(await basesOf(cold, 0, { upTo: 1 }), [0])
    assert.deepEqual(await basesOf(cold, 2), [2])
    await assert.rejects(
      async () => cold.read(1, everything),
      (error: Error) =>
        isHeadwaterError(error, 'data-corrupt') &&
        error.message.includes(`${path} is damaged at byte ${sizeBytes}`),
    )
  })
})

test('a log whose last segment is damaged still takes records, into a new segment', async () => {
  const disk = new SimDisk({ seed: 1 })
  const store = await openStore({ disk })
  const log = await store.create('flights-0')
  for (let at = 0; at < 3; at++) await stored(log, batchOf(1))
  await store.close()
  const path = disk.paths().find((name) => name.endsWith('.log'))!
  disk.flipBit(path, 16)
  const damaged = await openStore({ disk })
  assert.equal(await stored(damaged.get('flights-0')!, batchOf(1)), 3)
  await damaged.close()
  await using again = await openStore({ disk })
  assert.equal(again.recovered.clean, true)
  assert.deepEqual(await basesOf(again.get('flights-0')!, 3), [3])
  await assert.rejects(
    async () => again.get('flights-0')!.read(0, everything),
    (error) => isHeadwaterError(error, 'data-corrupt'),
  )
})

describe('idempotent producers', () => {
  test('get the first offset again for each of their last five batches', async () => {
    await using store = await openStore()
    const log = await store.create('flights-0')
    for (let at = 0; at < 6; at++) await stored(log, sequenced(7, 0, at * 2, 2))
    for (let at = 1; at < 6; at++) {
      const result = accepted(log.append(sequenced(7, 0, at * 2, 2)))
      assert.equal(result.kind, 'duplicate')
      assert.equal(result.baseOffset, at * 2)
      assert.equal(result.lastOffset, at * 2 + 1)
    }
    assert.deepEqual(log.append(sequenced(7, 0, 0, 2)), {
      kind: 'refused',
      reason: 'duplicate-sequence',
    })
    assert.equal(log.endOffset, 12)
  })

  test('have a retry acknowledged no sooner than the batch it repeats', async () => {
    await using store = await openStore()
    const log = await store.create('flights-0')
    log.append(sequenced(7, 0, 0))
    const retry = accepted(log.append(sequenced(7, 0, 0)))
    assert.equal(retry.kind, 'duplicate')
    assert.equal(log.highWatermark, 0)
    await retry.durable
    assert.equal(log.highWatermark, 1)
  })

  test('are refused gaps, old epochs and a new epoch that does not begin at zero', async () => {
    await using store = await openStore()
    const log = await store.create('flights-0')
    await stored(log, sequenced(7, 3, 100))
    const reasons = [sequenced(7, 3, 102), sequenced(7, 2, 101), sequenced(7, 4, 101)].map(
      (batch) => log.append(batch),
    )
    assert.deepEqual(reasons, [
      { kind: 'refused', reason: 'out-of-order-sequence' },
      { kind: 'refused', reason: 'invalid-producer-epoch' },
      { kind: 'refused', reason: 'out-of-order-sequence' },
    ])
    assert.equal(await stored(log, sequenced(7, 4, 0)), 1)
  })

  test('go on at zero after the largest sequence', async () => {
    await using store = await openStore()
    const log = await store.create('flights-0')
    await stored(log, sequenced(7, 0, 0x7fff_fffe, 2))
    assert.equal(await stored(log, sequenced(7, 0, 0)), 2)
    assert.equal(log.append(sequenced(7, 0, 0x7fff_fffe, 2)).kind, 'duplicate')
  })
})

describe('transactions', () => {
  test('hold the last stable offset until their marker is durable', async () => {
    await using store = await openStore()
    const log = await store.create('flights-0')
    await stored(log, batchOf(1))
    await stored(log, inTransaction(7, 0))
    await stored(log, inTransaction(8, 0))
    assert.equal(log.lastStableOffset, 1)
    assert.equal(log.producerState(7)?.transactionStart, 1)
    const end = accepted(log.append(marker('commit', 7)))
    assert.equal(log.producerState(7)?.transactionStart, -1)
    assert.equal(log.lastStableOffset, 1, 'the marker is not durable yet')
    await end.durable
    assert.equal(log.lastStableOffset, 2)
    assert.equal(log.producerState(8)?.transactionStart, 2)
    await stored(log, marker('abort', 8))
    assert.equal(log.lastStableOffset, 5)
  })

  test('that were aborted are named for every range they reach into', async () => {
    await using store = await openStore()
    const log = await store.create('flights-0')
    await stored(log, inTransaction(1, 0))
    await stored(log, inTransaction(2, 0))
    await stored(log, marker('abort', 2))
    await stored(log, batchOf(5))
    await stored(log, marker('abort', 1))
    await stored(log, inTransaction(3, 0))
    await stored(log, marker('abort', 3))
    const one = { producerId: 1, firstOffset: 0 }
    const two = { producerId: 2, firstOffset: 1 }
    const three = { producerId: 3, firstOffset: 9 }
    assert.deepEqual(log.abortedBetween(0, 11), [two, one, three])
    assert.deepEqual(log.abortedBetween(0, 1), [one])
    assert.deepEqual(log.abortedBetween(3, 9), [one])
    assert.deepEqual(log.abortedBetween(9, 10), [three])
    assert.deepEqual(log.abortedBetween(11, 99), [])
  })

  test('of an older epoch cannot be ended any more', async () => {
    await using store = await openStore()
    const log = await store.create('flights-0')
    await stored(log, inTransaction(7, 0))
    await stored(log, marker('abort', 7, 1))
    assert.deepEqual(log.append(marker('commit', 7, 0)), {
      kind: 'refused',
      reason: 'invalid-producer-epoch',
    })
    assert.deepEqual(log.append(inTransaction(7, 1)), {
      kind: 'refused',
      reason: 'invalid-producer-epoch',
    })
  })
})
