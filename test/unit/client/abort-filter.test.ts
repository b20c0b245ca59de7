import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { AbortedTransaction } from '../../../src/client/consumer/abort-filter.ts'
import { AbortFilter } from '../../../src/client/consumer/abort-filter.ts'
import { nextOffsetOf, readBatchHeader, stampBatch } from '../../../src/records/batch.ts'
import { BatchBuilder, encodeControlBatch } from '../../../src/records/record.ts'

interface Stored {
  readonly bytes: Uint8Array
  readonly isVisible: boolean
}

interface Transaction extends AbortedTransaction {
  readonly lastOffset: number
}

type Step =
  | { readonly kind: 'write'; readonly producerId: number; readonly count: number }
  | { readonly kind: 'commit' | 'abort'; readonly producerId: number }
  | { readonly kind: 'plain'; readonly count: number }

const producerId = fc.integer({ min: 1, max: 3 })
const count = fc.integer({ min: 1, max: 3 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('write' as const), producerId, count }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('plain' as const), count }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('commit' as const, 'abort' as const),
      producerId,
    }),
  },
)

/** A log in which the steps were taken, every transaction ended, and what a reader should see of it. */
function logOf(steps: readonly Step[]): { log: Stored[]; aborted: Transaction[] } {
  const ends = [1, 2, 3].map((id): Step => ({ kind: 'abort', producerId: id }))
  const log: { bytes: Uint8Array; producerId: number; isVisible: boolean }[] = []
  const open = new Map<number, number>()
  const aborted: Transaction[] = []
  let next = 0
  const store = (bytes: Uint8Array, id: number): void => {
    stampBatch(bytes, next, 0)
    next = nextOffsetOf(readBatchHeader(bytes))
    log.push({ bytes, producerId: id, isVisible: id >= 0 || id === -1 })
  }
  for (const each of [...steps, ...ends]) {
    if (each.kind === 'plain') {
      store(batch(each.count, -1), -1)
    } else if (each.kind === 'write') {
      if (!open.has(each.producerId)) open.set(each.producerId, next)
      store(batch(each.count, each.producerId), each.producerId)
    } else if (open.has(each.producerId)) {
      const firstOffset = open.get(each.producerId)!
      open.delete(each.producerId)
      if (each.kind === 'abort') {
        aborted.push({ producerId: each.producerId, firstOffset, lastOffset: next })
        for (const stored of log) {
          const isOurs = stored.producerId === each.producerId
          if (isOurs && readBatchHeader(stored.bytes).baseOffset >= firstOffset) {
            stored.isVisible = false
          }
        }
      }
      const marker = { producerId: each.producerId, producerEpoch: 0, coordinatorEpoch: 0 }
      store(encodeControlBatch({ kind: each.kind, ...marker, timestamp: 1 }), -2)
    }
  }
  return { log, aborted }
}

function batch(records: number, id: number): Uint8Array {
  const builder = new BatchBuilder(100)
  for (let i = 0; i < records; i++) builder.append(1, null, null)
  if (id < 0) return builder.finish()
  return builder.finish({ producerId: id, producerEpoch: 0, baseSequence: 0, transactional: true })
}

test('any slice of any log shows exactly what was committed', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.nat(60), fc.nat(60), (steps, from, size) => {
      const { log, aborted } = logOf(steps)
      const slice = log.slice(from, from + size)
      if (slice.length === 0) return
      const first = readBatchHeader(slice[0]!.bytes).baseOffset
      const end = nextOffsetOf(readBatchHeader(slice.at(-1)!.bytes))
      // What a broker lists: the aborted transactions that overlap what it returns.
      const listed = aborted.filter((t) => t.firstOffset < end && t.lastOffset >= first)
      const filter = new AbortFilter(listed)
      const shown = slice.map(({ bytes }) => filter.admits(bytes, readBatchHeader(bytes)))
      assert.deepEqual(
        shown,
        slice.map(({ isVisible }) => isVisible),
      )
    }),
    { numRuns: 500 },
  )
})
