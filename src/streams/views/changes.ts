/**
 * What a feed of a view's changes tells, and how it names the place where it goes on.
 *
 * A place is the next offset in each partition of the topic that the view is rebuilt from: it is of no instance,
 * and good after any of them is gone. It also says of which view it is, and is refused for another one; and of
 * which topic, as one that was made anew under the same name has the same offsets for other records.
 */
import { utf8Bytes } from '../../base/bytes.ts'
import { crc32c } from '../../base/checksum.ts'
import { HeadwaterError } from '../../base/errors.ts'
import type { Key } from '../stores/serde.ts'

/** Which changes are wanted. */
export interface FeedWish {
  readonly key?: Key
  /** Only keys whose text begins so. */
  readonly prefix?: string
  /** The `id` of what was got last; without it, from now on. */
  readonly from?: string | undefined
  /** Ends the feed at once, without an error, also while nothing comes. */
  readonly signal?: AbortSignal
}

/** The feed is open: it tells what comes behind this place. */
interface Begin {
  readonly type: 'begin'
  readonly id: string
}

/** A row is another one since. */
export interface RowChange {
  readonly type: 'change'
  readonly id: string
  readonly key: Key
  /** Milliseconds since 1970 at which the row's window begins; absent without windows. */
  readonly windowStart?: number
  /** Undefined: the row is gone. */
  readonly value: unknown
  /** What it was; undefined when there was none, or when that is not known. */
  readonly old: unknown
  readonly isOldKnown: boolean
}

/**
 * Changes since the place that the feed was to go on from are gone, or may be: the topic was compacted, deleted
 * from, or made anew. What a row is now, the view says.
 */
export interface ResumedLate {
  readonly type: 'resumed-late'
  readonly id: string
  readonly partition: number
}

export type FeedItem = Begin | RowChange | ResumedLate

/** A view, as far as places in its changes are of no other. */
export interface FeedOf {
  readonly service: string
  readonly view: string
  readonly signature: string
  readonly partitions: number
}

/** A place in a topic. */
export interface FeedPlace {
  /** Which of those topics it is that have had this name; as `topicMark` gives it. */
  readonly topic: string
  /** By partition; undefined for one that the feed does not read. */
  readonly offsets: readonly (number | undefined)[]
}

/** What tells a topic from others of its name. @param topicId as the cluster has it */
export function topicMark(topicId: string): string {
  return crc32c(utf8Bytes(topicId)).toString(36)
}

export function writeFeedId(of: FeedOf, { topic, offsets }: FeedPlace): string {
  return [sumOf(of), topic, ...offsets.map((offset) => offset?.toString(36) ?? '')].join('.')
}

/** Throws `input-invalid`. */
export function readFeedId(of: FeedOf, id: string): FeedPlace {
  const [sum, topic = '', ...texts] = id.split('.')
  const isForm =
    texts.length === of.partitions && texts.every((text) => /^[\da-z]{0,10}$/.test(text))
  if (sum === sumOf(of) && isForm) {
    const offsets = texts.map((text) => (text === '' ? undefined : Number.parseInt(text, 36)))
    return { topic, offsets }
  }
  throw notHere(`'${id.slice(0, 40)}' is no place in the changes of view '${of.view}' as it is now`)
}

export function notHere(what: string): HeadwaterError {
  return new HeadwaterError(
    'input-invalid',
    `${what}: give the id of what was got last from the same feed, or begin without one and read the view`,
  )
}

function sumOf({ service, view, signature }: FeedOf): string {
  return crc32c(utf8Bytes(JSON.stringify([service, view, signature]))).toString(36)
}
