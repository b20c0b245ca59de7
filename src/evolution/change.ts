/** What changed between two versions of a contract, and what that means for whoever writes or reads it. */
import type { Place } from '../schema/place.ts'

/**
 * Who reads whose events: `backward` the new version what the old one wrote, as services that are replaced
 * first and everything that is replayed do; `forward` the old version what the new one writes.
 */
export type Direction = 'backward' | 'forward'

export const directions: readonly Direction[] = ['backward', 'forward']

/**
 * - `safe`: every value that can be written is read as what it is.
 * - `depends`: what is written is read, and whether a reader misses something depends on what it does with it.
 * - `breaks`: some value is lost, read as another, or makes the whole event unreadable.
 */
export type Verdict = 'safe' | 'depends' | 'breaks'

export type Verdicts = Readonly<Record<Direction, Verdict>>

/** A value that one version writes and the other takes for something else. */
export interface Evidence {
  readonly direction: Direction
  /** As in `quantity: -5`. */
  readonly written: string
  /** As in `quantity: 4294967291`. */
  readonly read: string
}

/** In alphabetical order. */
export type ChangeKind =
  | 'cardinality-changed'
  | 'context-changed'
  | 'default-changed'
  | 'encoding-changed'
  | 'enum-closed'
  | 'event-time-changed'
  | 'field-added'
  | 'field-added-over-reservation'
  | 'field-removed'
  | 'field-renamed'
  | 'field-renumbered'
  | 'field-reused'
  | 'json-name-changed'
  | 'key-changed'
  | 'keyspace-changed'
  | 'kind-changed'
  | 'oneof-joined'
  | 'oneof-left'
  | 'oneof-member-added'
  | 'oneof-member-removed'
  | 'owner-changed'
  | 'partitions-changed'
  | 'presence-changed'
  | 'promise-lowered'
  | 'reason-added'
  | 'reason-removed'
  | 'required-changed'
  | 'reservation-removed'
  | 'stream-added'
  | 'stream-removed'
  | 'type-changed'
  | 'type-renamed'
  | 'type-replaced'
  | 'value-added'
  | 'value-added-over-reservation'
  | 'value-removed'
  | 'value-renamed'
  | 'value-renumbered'
  | 'value-reused'

export interface Change {
  readonly kind: ChangeKind
  /** What changed, by its full name: `shop.v1.Order.lines`. */
  readonly subject: string
  /** From the stream's message to the subject, as in `lines.price_cents`; empty for the stream itself. */
  readonly path: string
  /** Where it stands in the old version, where it is in it; and in the new one. */
  readonly before: Place | undefined
  readonly after: Place | undefined
  /** Of the bytes in the stream. */
  readonly wire: Verdicts
  /** Of the same events as JSON, as HTTP shows them: there names count and numbers do not. */
  readonly json: Verdicts
  /** Of programs that use the generated types: `breaks` where they no longer compile. */
  readonly source: Verdict
  /** One sentence: what is different. */
  readonly what: string
  readonly evidence: readonly Evidence[]
  /** The smallest thing that mends it; empty where nothing is to be mended. */
  readonly fix: string
}

export const safe: Verdicts = { backward: 'safe', forward: 'safe' }
export const depends: Verdicts = { backward: 'depends', forward: 'depends' }
export const breaks: Verdicts = { backward: 'breaks', forward: 'breaks' }

/** One direction, the other being safe. */
export function only(direction: Direction, verdict: Verdict): Verdicts {
  return { ...safe, [direction]: verdict }
}

export function isSafe({ backward, forward }: Verdicts): boolean {
  return backward === 'safe' && forward === 'safe'
}
