/** Chunks: where they end, how far partitions are by then, and how they are halved. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HeadwaterError } from '../../../src/base/errors.ts'
import { utf8Bytes } from '../../../src/base/bytes.ts'
import type { FetchedBatches } from '../../../src/client/consumer/fetch-position.ts'
import { replayForHeader } from '../../../src/events/dead-letters.ts'
import {
  chunksOf,
  halves,
  passedOver,
  stoppedAt,
  withoutLast,
} from '../../../src/postgres/chunk.ts'
import type { Chunk, ChunkLimits, Take } from '../../../src/postgres/chunk.ts'
import { sinkSettings } from '../../../src/postgres/settings.ts'
import type { SinkOptions } from '../../../src/postgres/settings.ts'
import { stampBatch } from '../../../src/records/batch.ts'
import { BatchBuilder } from '../../../src/records/record.ts'

const roomy: ChunkLimits = { records: 100, bytes: 1e6 }
const at = new Map([
  ['t/0', 5],
  ['t/1', 0],
])

describe('chunks', () => {
  it('hold what was fetched of all partitions, and how far that goes', () => {
    const [chunk, ...others] = chunks([fetched(0, 5, ['a', 'b'], 9), fetched(1, 0, ['c'], 1)])
    assert.deepEqual(others, [])
    assert.deepEqual(offsets(chunk!), ['0/5', '0/6', '1/0'])
    assert.deepEqual(chunk!.moves, [
      { topic: 't', partition: 0, previous: 5, next: 9 },
      { topic: 't', partition: 1, previous: 0, next: 1 },
    ])
  })

  it('end when they are full, by records or by bytes, and go on where the last ended', () => {
    const five = [fetched(0, 5, ['a', 'b', 'c', 'd', 'e'], 10)]
    const byRecords = chunks(five, { ...roomy, records: 2 })
    assert.deepEqual(byRecords.map(offsets), [['0/5', '0/6'], ['0/7', '0/8'], ['0/9']])
    const moves = byRecords.map(({ moves: [move] }) => [move!.previous, move!.next])
    assert.deepEqual(moves, [
      [5, 7],
      [7, 9],
      [9, 10],
    ])
    assert.deepEqual(chunks(five, { ...roomy, bytes: 3 }).map(offsets), [
      ['0/5', '0/6', '0/7'],
      ['0/8', '0/9'],
    ])
  })

  it('pass over records before the position, and those that are the replay for another', () => {
    const own = [{ key: replayForHeader, value: utf8Bytes('s') }]
    const others = [{ key: replayForHeader, value: utf8Bytes('other') }]
    const batch = batchOf(4, ['old', 'mine', 'theirs'], [[], own, others])
    const [chunk] = chunks([{ ...fetched(0, 5, [], 7), batches: [batch] }])
    assert.deepEqual(offsets(chunk!), ['0/5'])
    assert.equal(chunk!.moves[0]!.next, 7)
  })

  it('move over what holds no records, and are not made for nothing', () => {
    const [chunk] = chunks([fetched(0, 5, [], 8)])
    assert.deepEqual(chunk, {
      moves: [{ topic: 't', partition: 0, previous: 5, next: 8 }],
      records: [],
    })
    assert.deepEqual(chunks([fetched(0, 5, [], 5)]), [])
  })

  it('end at a record that stops the sink', () => {
    const ends = chunks([fetched(0, 5, ['a', 'bad', 'c'], 8)], roomy, true)
    assert.deepEqual(ends.map(offsets), [['0/5', '0/6'], ['0/7']])
    assert.deepEqual(chunks([fetched(0, 5, ['a', 'bad', 'c'], 8)]).length, 1)
    const before = withoutLast(ends[0]!)
    assert.deepEqual(offsets(before), ['0/5'])
    assert.deepEqual(before.moves, [{ topic: 't', partition: 0, previous: 5, next: 6 }])
    const [first] = chunks([fetched(0, 5, ['bad'], 6)], roomy, true)
    assert.deepEqual(withoutLast(first!), { moves: [], records: [] })
    assert.match(
      stoppedAt('s', ends[0]!.records[1]!).message,
      /sink 's' stopped at record 6 of partition 0 of topic 't', here: wrong; it stays there/,
    )
  })
})

describe('a chunk in halves', () => {
  it('is the same in two, and every partition goes on where it was', () => {
    const [chunk] = chunks([fetched(0, 5, ['a', 'b', 'c'], 9), fetched(1, 0, ['d', 'e'], 2)])
    const [first, second] = halves(chunk!)
    assert.deepEqual(offsets(first), ['0/5', '0/6'])
    assert.deepEqual(first.moves, [{ topic: 't', partition: 0, previous: 5, next: 7 }])
    assert.deepEqual(offsets(second), ['0/7', '1/0', '1/1'])
    assert.deepEqual(second.moves, [
      { topic: 't', partition: 0, previous: 7, next: 9 },
      { topic: 't', partition: 1, previous: 0, next: 2 },
    ])
  })

  it('moves to the very end only with its last record', () => {
    const [chunk] = chunks([fetched(0, 5, ['a', 'b'], 9)])
    const [first, second] = halves(chunk!)
    assert.deepEqual([first.moves[0]!.next, second.moves[0]!.previous], [6, 6])
    assert.equal(second.moves[0]!.next, 9)
    const alone = passedOver(second, { operator: 'o', error: wrong })
    assert.deepEqual(alone.moves, second.moves)
    assert.deepEqual(
      alone.records.map(({ changes, failure }) => [changes, failure!.error]),
      [[[], wrong]],
    )
  })
})

describe('the settings of a sink', () => {
  const settings = (o: Partial<SinkOptions>) => sinkSettings(o)

  it('have bounds that say so', () => {
    assert.equal(settings({}).limits.records, 5_000)
    assert.equal(settings({}).limits.bytes, 4 * 1024 * 1024)
    assert.equal(settings({ batchRecords: 100_000 }).limits.records, 100_000)
    for (const batchRecords of [0, 100_001, 1.5]) {
      assert.throws(() => settings({ batchRecords }), {
        code: 'config-invalid',
        message: `batchRecords is ${batchRecords}: give whole records from 1 to 100000`,
      })
    }
    for (const statementTimeoutMs of [99, 86_400_001]) {
      assert.throws(() => settings({ statementTimeoutMs }), { code: 'config-invalid' })
    }
  })

  it('give a lock up before a rebalance does without the instance, and an idle transaction with its session', () => {
    const { rebalanceTimeoutMs, lockTimeoutMs, idleTimeoutMs, letterTimeoutMs } = settings({
      sessionTimeoutMs: 9_000,
    })
    assert.equal(rebalanceTimeoutMs, 3_000)
    assert.equal(lockTimeoutMs, 1_500)
    assert.equal(idleTimeoutMs, 9_000)
    assert.equal(letterTimeoutMs, 4_500)
    const { connectTimeoutMs, answerTimeoutMs } = settings({ statementTimeoutMs: 1_000 })
    assert.deepEqual([connectTimeoutMs, answerTimeoutMs], [10_000, 6_000])
  })
})

const wrong = new HeadwaterError('record-invalid', 'wrong')

const take: Take = (source) => {
  const isBad = source.value?.length === 3
  return { source, changes: [], ...(isBad && { failure: { operator: 'here', error: wrong } }) }
}

function chunks(all: readonly FetchedBatches[], limits = roomy, stops = false): Chunk[] {
  return [...chunksOf(all, at, { sink: 's', take, limits, stops })]
}

function offsets({ records }: Chunk): string[] {
  return records.map(({ source }) => `${source.partition}/${source.offset}`)
}

function fetched(partition: number, from: number, values: string[], next: number): FetchedBatches {
  return {
    topic: 't',
    partition,
    batches: values.length === 0 ? [] : [batchOf(from, values)],
    fromOffset: from,
    nextOffset: next,
    highWatermark: next,
    lastStableOffset: next,
  }
}

type Headers = { readonly key: string; readonly value: Uint8Array }[]

function batchOf(from: number, values: string[], headers: Headers[] = []): Uint8Array {
  const builder = new BatchBuilder()
  values.forEach((value, i) => builder.append(1, null, utf8Bytes(value), headers[i] ?? []))
  const batch = builder.finish()
  stampBatch(batch, from, 0)
  return batch
}
