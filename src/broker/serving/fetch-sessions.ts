/**
 * Fetch sessions (KIP-227): what a consumer fetches is remembered, so that it sends and gets only changes.
 *
 * A session belongs to whoever knows its id. Its epoch goes up by one with each request, which shows a
 * lost or repeated one. While one request waits for records and the next one comes, nobody is interested in
 * the first any more: it is over at once, whoever sent it. The sessions unused longest make room for a new
 * one and for one that grows; a client whose session is gone opens another. Partitions keep the order in which they are served: one that gave records goes to
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
  readonly #onGrown: (session: FetchSession, count: number) => void
  #superseded: (() => void) | undefined

  /** @param onGrown hears by how many targets it has grown, or shrunk */
  constructor(
    id: number,
    usesIds: boolean,
    onGrown: (session: FetchSession, count: number) => void,
  ) {
    this.id = id
    this.usesIds = usesIds
    this.#onGrown = onGrown
  }

  /** The request under way has this called when another one comes, until it takes that back. */
  onSuperseded(callback: () => void): () => void {
    this.#superseded = callback
    return () => {
      if (this.#superseded === callback) this.#superseded = undefined
    }
  }

  /** Another request has come, or the client has closed it. */
  moveOn(nextEpoch: number): void {
    this.nextEpoch = nextEpoch
    this.#superseded?.()
    this.#superseded = undefined
  }

  /** Takes in what a request adds, changes and forgets. */
  update(targets: readonly FetchTarget[], forgotten: readonly FetchTarget[]): void {
    for (const target of forgotten) if (this.targets.delete(keyOf(target))) this.#onGrown(this, -1)
    for (const target of targets) {
      const key = keyOf(target)
      const known = this.targets.get(key)
      if (known !== undefined) known.target = target
      else {
        this.targets.set(key, { target, highWatermark: -1, logStartOffset: -1 })
        this.#onGrown(this, 1)
      }
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
  | {
      readonly kind: 'full' | 'incremental'
      readonly session: FetchSession
      /** The epoch of the request that supersedes this one. */
      readonly nextEpoch: number
    }
  | { readonly kind: 'refused'; readonly errorCode: number }

export class FetchSessions {
  readonly #random: Random
  readonly #sessionsMax: number
  readonly #partitionsMax: number
  /** In the order of their last use. */
  readonly #sessions = new Map<number, FetchSession>()
  #remembered = 0

  constructor(random: Random, sessionsMax: number, partitionsMax: number) {
    this.#random = random
    this.#sessionsMax = sessionsMax
    this.#partitionsMax = partitionsMax
  }

  get size(): number {
    return this.#sessions.size
  }

  /** Partitions that all of them remember together. */
  get remembered(): number {
    return this.#remembered
  }

  choose(sessionId: number, epoch: number, targetCount: number, usesIds = false): SessionChoice {
    if (epoch === finalEpoch || epoch === openingEpoch) {
      const closed = this.#sessions.get(sessionId)
      if (closed !== undefined) {
        this.#forget(closed)
        closed.moveOn(finalEpoch)
      }
      if (epoch === finalEpoch || !this.#makeRoom(targetCount)) return { kind: 'none' }
      const session = new FetchSession(this.#freshId(), usesIds, (...grown) => this.#grow(...grown))
      this.#sessions.set(session.id, session)
      return { kind: 'full', session, nextEpoch: session.nextEpoch }
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
    const nextEpoch = epoch === epochMax ? 1 : epoch + 1
    session.moveOn(nextEpoch)
    this.#sessions.delete(sessionId)
    this.#sessions.set(sessionId, session)
    return { kind: 'incremental', session, nextEpoch }
  }

  /** Evicts the sessions unused longest; false when the request alone is too large for a session. */
  #makeRoom(targetCount: number): boolean {
    if (targetCount > this.#partitionsMax) return false
    this.#evict(this.#sessionsMax - 1, this.#partitionsMax - targetCount)
    return true
  }

  /** A session that alone outgrows the bound is the last one evicted; who is served by it still is. */
  #grow(session: FetchSession, count: number): void {
    if (this.#sessions.get(session.id) !== session) return
    this.#remembered += count
    this.#evict(Infinity, this.#partitionsMax)
  }

  #evict(sessionsMax: number, partitionsMax: number): void {
    if (this.#sessions.size <= sessionsMax && this.#remembered <= partitionsMax) return
    for (const session of this.#sessions.values()) {
      // One that remembers nothing makes no room for what another remembers.
      if (this.#sessions.size <= sessionsMax && session.targets.size === 0) continue
      this.#forget(session)
      if (this.#sessions.size <= sessionsMax && this.#remembered <= partitionsMax) return
    }
  }

  #forget(session: FetchSession): void {
    this.#sessions.delete(session.id)
    this.#remembered -= session.targets.size
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
