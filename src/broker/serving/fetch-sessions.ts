/**
 * Fetch sessions (KIP-227): what a consumer fetches is remembered, so that it sends and gets only changes.
 *
 * A session belongs to whoever knows its id. Its epoch goes up by one with each request, which shows a
 * lost or repeated one. The session unused longest makes room for a new one; a client whose session is
 * gone opens another. Partitions keep the order in which they are served: one that gave records goes to
 * the end, so that a busy partition cannot starve the others.
 */
import type { Random } from '../../io/ports.ts'
import { ErrorCode } from '../../protocol/errors.ts'

/** What a client asks of one partition. */
export interface FetchTarget {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly fetchOffset: number
  readonly partitionMaxBytes: number
  readonly currentLeaderEpoch: number
  readonly lastFetchedEpoch: number
}

interface SessionTarget {
  target: FetchTarget
  /** What the client was last told, -1 before it was told anything. */
  highWatermark: number
  logStartOffset: number
}

/** Asks for a session to be opened. */
const openingEpoch = 0
/** Asks for none, and closes the one named. */
const finalEpoch = -1
const epochMax = 0x7fff_ffff

export class FetchSession {
  readonly id: number
  /** Whether it names topics by id (KIP-516). */
  readonly usesIds: boolean
  readonly targets = new Map<string, SessionTarget>()
  nextEpoch = 1

  constructor(id: number, usesIds: boolean) {
    this.id = id
    this.usesIds = usesIds
  }

  /** Takes in what a request adds, changes and forgets. */
  update(targets: readonly FetchTarget[], forgotten: readonly FetchTarget[]): void {
    for (const target of forgotten) this.targets.delete(keyOf(target))
    for (const target of targets) {
      const known = this.targets.get(keyOf(target))
      if (known !== undefined) known.target = target
      else this.targets.set(keyOf(target), { target, highWatermark: -1, logStartOffset: -1 })
    }
  }

  /** Whether the client must hear of a partition again; remembers that it does. */
  hasNews(
    target: FetchTarget,
    seen: {
      readonly errorCode: number
      readonly highWatermark: number
      readonly logStartOffset: number
    },
    bytes: number,
  ): boolean {
    const key = keyOf(target)
    const known = this.targets.get(key)
    if (known === undefined) return true
    const news =
      bytes > 0 ||
      seen.errorCode !== ErrorCode.NONE ||
      seen.highWatermark !== known.highWatermark ||
      seen.logStartOffset !== known.logStartOffset
    // After an error the client is told again, whatever follows.
    known.highWatermark = seen.errorCode === ErrorCode.NONE ? seen.highWatermark : -1
    known.logStartOffset = seen.logStartOffset
    if (bytes > 0) {
      this.targets.delete(key)
      this.targets.set(key, known)
    }
    return news
  }
}

/** Which session a request runs in; `refused` carries the code that ends it. */
export type SessionChoice =
  | { readonly kind: 'none' }
  | { readonly kind: 'full' | 'incremental'; readonly session: FetchSession }
  | { readonly kind: 'refused'; readonly errorCode: number }

export class FetchSessions {
  readonly #random: Random
  readonly #sessionsMax: number
  readonly #partitionsMax: number
  /** In the order of their last use. */
  readonly #sessions = new Map<number, FetchSession>()

  constructor(random: Random, sessionsMax: number, partitionsMax: number) {
    this.#random = random
    this.#sessionsMax = sessionsMax
    this.#partitionsMax = partitionsMax
  }

  get size(): number {
    return this.#sessions.size
  }

  choose(sessionId: number, epoch: number, targetCount: number, usesIds = false): SessionChoice {
    if (epoch === finalEpoch || epoch === openingEpoch) {
      this.#sessions.delete(sessionId)
      if (epoch === finalEpoch || !this.#makeRoom(targetCount)) return { kind: 'none' }
      const session = new FetchSession(this.#freshId(), usesIds)
      this.#sessions.set(session.id, session)
      return { kind: 'full', session }
    }
    const session = this.#sessions.get(sessionId)
    if (session === undefined || session.targets.size + targetCount > this.#partitionsMax) {
      return { kind: 'refused', errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND }
    }
    if (usesIds !== session.usesIds) {
      return { kind: 'refused', errorCode: ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR }
    }
    if (epoch !== session.nextEpoch) {
      return { kind: 'refused', errorCode: ErrorCode.INVALID_FETCH_SESSION_EPOCH }
    }
    session.nextEpoch = epoch === epochMax ? 1 : epoch + 1
    this.#sessions.delete(sessionId)
    this.#sessions.set(sessionId, session)
    return { kind: 'incremental', session }
  }

  /** Evicts the sessions unused longest; false when the request alone is too large for a session. */
  #makeRoom(targetCount: number): boolean {
    if (targetCount > this.#partitionsMax) return false
    let remembered = targetCount
    for (const session of this.#sessions.values()) remembered += session.targets.size
    for (const [id, session] of this.#sessions) {
      if (this.#sessions.size < this.#sessionsMax && remembered <= this.#partitionsMax) break
      remembered -= session.targets.size
      this.#sessions.delete(id)
    }
    return true
  }

  #freshId(): number {
    for (;;) {
      const [a, b, c, d] = this.#random.bytes(4) as unknown as [number, number, number, number]
      const id = ((a & 0x7f) << 24) | (b << 16) | (c << 8) | d
      if (id !== 0 && !this.#sessions.has(id)) return id
    }
  }
}

export function keyOf({ topic, topicId, partition }: FetchTarget): string {
  return `${topicId}/${topic}/${partition}`
}
