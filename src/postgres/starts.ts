/** Where a sink begins to read partitions it has claimed, by what the cluster has of them. */
import { HeadwaterError } from '../base/errors.ts'
import { zeroUuid } from '../base/units.ts'
import type { PartitionNow, Positions } from './positions.ts'
import { placeOf } from './chunk.ts'

export interface StartPolicy {
  /** When records between position and beginning are gone: stop, or go on behind them and count them. */
  readonly onGap: 'stop' | 'skip'
  /** When a topic was deleted and made anew: stop, or read the new one from its beginning. */
  readonly onTopicReplaced: 'stop' | 'restart'
}

export interface Start {
  readonly topic: string
  readonly partition: number
  readonly topicId: string
  readonly offset: number
  /** Records that were gone before they were read. */
  readonly skipped: number
  /** The position in the database is another, and has to become this one. */
  readonly isReset: boolean
}

/** Throws `topic-replaced`, `records-lost` or `offset-out-of-range` where the policy does not go on. */
export function startsOf(
  sink: string,
  partitions: readonly PartitionNow[],
  positions: Positions,
  policy: StartPolicy,
): readonly Start[] {
  return partitions.map((now) => {
    const { topic, partition, topicId, beginning, end } = now
    const known = positions.get(placeOf(now))!
    const place = { topic, partition, topicId }
    const isReplaced = known.topicId !== topicId && ![known.topicId, topicId].includes(zeroUuid)
    if (isReplaced && policy.onTopicReplaced === 'stop') throw replaced(sink, now, known.topicId)
    if (isReplaced) return { ...place, offset: beginning, skipped: 0, isReset: true }
    if (known.nextOffset > end) throw beyondEnd(sink, now, known.nextOffset)
    const skipped = Math.max(0, beginning - known.nextOffset)
    if (skipped > 0 && policy.onGap === 'stop') throw gap(sink, now, known.nextOffset)
    // An id that was unknown to older brokers is known from here on.
    const isReset = skipped > 0 || known.topicId !== topicId
    return { ...place, offset: known.nextOffset + skipped, skipped, isReset }
  })
}

function replaced(sink: string, { topic, topicId }: PartitionNow, known: string): HeadwaterError {
  return new HeadwaterError(
    'topic-replaced',
    `topic '${topic}' was deleted and made anew: sink '${sink}' has read the one with id ${known}, and this ` +
      `one has id ${topicId}. Empty its tables if they are to hold the new topic alone, and run once with ` +
      "onTopicReplaced: 'restart' to read it from its beginning",
  )
}

function gap(sink: string, { topic, partition, beginning }: PartitionNow, from: number) {
  return new HeadwaterError(
    'records-lost',
    `records ${from} to ${beginning - 1} of partition ${partition} of topic '${topic}' are gone from the log ` +
      `and sink '${sink}' has not read them: retention or DeleteRecords took them. Keep records longer ` +
      "(retention.ms), and run once with onGap: 'skip' to count them as skipped and go on behind them",
  )
}

function beyondEnd(sink: string, { topic, partition, end }: PartitionNow, at: number) {
  return new HeadwaterError(
    'offset-out-of-range',
    `sink '${sink}' has read partition ${partition} of topic '${topic}' up to ${at}, and it ends at ${end}: ` +
      'the log has lost records. What is in the tables is more than the log has; see that the log is whole, or ' +
      'empty the tables and delete the rows of the sink in headwater_positions',
  )
}
