/** What stops the reading of a partition, in words: the cause and the way on. */
import { HeadwaterError } from '../../base/errors.ts'
import { partitionName } from '../cluster/topic-partition.ts'
import type { FetchPosition } from './fetch-position.ts'

export function outOfRange(at: FetchPosition): HeadwaterError {
  return new HeadwaterError(
    'offset-out-of-range',
    `offset ${at.fetchOffset} of ${nameOf(at)} is not in the log: retention or DeleteRecords took it, or it was never there; seek to an offset that is there, or choose offsetReset 'earliest' or 'latest'`,
  )
}

export function cutBack(at: FetchPosition, endOffset: number): HeadwaterError {
  return new HeadwaterError(
    'data-corrupt',
    `${nameOf(at)} was cut back to offset ${endOffset} after offset ${at.fetchOffset - 1} had been read from it: the broker lost records; go on from offset ${endOffset}, and check what was made of those lost`,
  )
}

/** A position in a topic says nothing about another one of the same name (KIP-516). */
export function replaced(at: FetchPosition, topicId: string): HeadwaterError {
  return new HeadwaterError(
    'topic-replaced',
    `topic '${at.topic}' was deleted and made anew: offset ${at.fetchOffset} of ${nameOf(at)} belongs to the topic with id ${at.topicId}, and the one of this name now has id ${topicId}; to read the new topic, seek to its beginning or choose onTopicReplaced 'earliest', and decide what is to become of what was made of the old one`,
  )
}

function nameOf({ topic, partition }: FetchPosition): string {
  return partitionName(topic, partition)
}
