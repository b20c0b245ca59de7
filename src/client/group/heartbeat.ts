/**
 * The heartbeat of a group member: asks again and again whether it still holds what it thinks it does.
 *
 * It runs on a timer of its own. A heartbeat that gets no answer is no news: the next one asks again, and
 * each is given up early enough for another to arrive within the session.
 */
import { isHeadwaterError } from '../../base/errors.ts'
import type { Timer } from '../../io/ports.ts'
import { ErrorCode, isRetriable } from '../../protocol/errors.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { wireError } from '../cluster/wire-error.ts'
import type { Ownership } from './ownership.ts'

const intervalMsMax = 3_000
/** Heartbeats in a session: a rebalance is noticed, and a lost one made good, well within it. */
const heartbeatsPerSession = 12
/** Attempts of one heartbeat that fit into a session, and how long one waits however long that is. */
const attemptsPerSession = 3
const attemptMsMax = 10_000
/** Someone may wait for a heartbeat's answer: it is given up in time for others. */
const askMsMax = 30_000

/** How often a member with such a session beats, in milliseconds, when it is not told. */
export function heartbeatIntervalMsOf(sessionTimeoutMs: number): number {
  return Math.min(intervalMsMax, Math.ceil(sessionTimeoutMs / heartbeatsPerSession))
}

export interface HeartbeatOptions {
  readonly sessionTimeoutMs: number
  /** A twelfth of the session, at most 3 s, when left out. */
  readonly intervalMs?: number | undefined
  readonly lane: string
  readonly onNews: (news: HeartbeatNews) => void
}

export type HeartbeatNews =
  | { readonly kind: 'alive'; readonly ownership: Ownership }
  /** The group forms anew: rejoin; until then the ownership still commits. */
  | { readonly kind: 'rebalance'; readonly ownership: Ownership }
  /** The partitions may be another's. */
  | { readonly kind: 'lost'; readonly ownership: Ownership; readonly isUnknown: boolean }
  /** For good. */
  | { readonly kind: 'refused'; readonly ownership: Ownership; readonly error: unknown }

export class Heartbeat {
  readonly #cluster: Cluster
  readonly #o: HeartbeatOptions
  readonly #intervalMs: number
  #ownership: Ownership | undefined
  #timer: Timer | undefined
  /** When what the coordinator has answered last was asked. */
  #heardMs = 0
  /** The same, of the last answer that knew of no rebalance: one has begun since, if at all. */
  #calmMs = 0

  constructor(cluster: Cluster, options: HeartbeatOptions) {
    this.#cluster = cluster
    this.#o = options
    this.#intervalMs = options.intervalMs ?? heartbeatIntervalMsOf(options.sessionTimeoutMs)
  }

  /** Beats for this ownership, until `stop` or until it starts for another. */
  start(ownership: Ownership): void {
    this.stop()
    this.#ownership = ownership
    this.#heardMs = this.#calmMs = this.#cluster.clock.monotonic()
    this.#later()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#ownership = undefined
  }

  /**
   * Whether the coordinator cannot have let the member go yet: a session runs since it heard from it last, and
   * however many heartbeats it answers, a rebalance waits for it no longer than `rebalanceTimeoutMs`.
   */
  isWithin(o: { readonly sessionTimeoutMs: number; readonly rebalanceTimeoutMs: number }): boolean {
    const now = this.#cluster.clock.monotonic()
    return now - this.#heardMs < o.sessionTimeoutMs && now - this.#calmMs < o.rebalanceTimeoutMs
  }

  #later(): void {
    this.#timer?.cancel()
    this.#timer = this.#cluster.clock.after(this.#intervalMs, () => void this.#beatOn())
  }

  async #beatOn(): Promise<void> {
    const ownership = this.#ownership
    if (ownership === undefined) return
    await this.ask(ownership)
    if (this.#ownership === ownership) this.#later()
  }

  /** One heartbeat now, and its news, if an answer came; returns whether one did. */
  async ask(ownership: Ownership): Promise<boolean> {
    const { sessionTimeoutMs, lane, onNews } = this.#o
    const { groupId, memberId, generation, instanceId } = ownership
    const isWanted = (): boolean => this.#ownership === ownership
    const askedMs = this.#cluster.clock.monotonic()
    try {
      const { errorCode } = await this.#cluster.request(
        'Heartbeat',
        { groupId, generationId: generation, memberId, groupInstanceId: instanceId },
        { coordinator: 'group', id: groupId },
        {
          lane,
          timeoutMs: Math.min(attemptMsMax, sessionTimeoutMs / attemptsPerSession),
          retryTimeoutMs: Math.min(askMsMax, sessionTimeoutMs),
          isWanted,
        },
      )
      // A broker that fails in some way of its own says nothing of the member: its session will.
      const isNoAnswer = isRetriable(errorCode) || errorCode === ErrorCode.UNKNOWN_SERVER_ERROR
      if (isNoAnswer && errorCode !== ErrorCode.REBALANCE_IN_PROGRESS) return false
      if (!isWanted()) return true
      this.#heardMs = askedMs
      if (errorCode === ErrorCode.NONE) this.#calmMs = askedMs
      onNews(newsOf(ownership, errorCode))
      return true
    } catch (error) {
      const isForGood = !isHeadwaterError(error) || !error.retriable
      if (isForGood && isWanted()) onNews({ kind: 'refused', ownership, error })
      return isForGood
    }
  }
}

function newsOf(ownership: Ownership, code: number): HeartbeatNews {
  if (code === ErrorCode.REBALANCE_IN_PROGRESS) return { kind: 'rebalance', ownership }
  if (code === ErrorCode.UNKNOWN_MEMBER_ID) return { kind: 'lost', ownership, isUnknown: true }
  if (code === ErrorCode.ILLEGAL_GENERATION) return { kind: 'lost', ownership, isUnknown: false }
  if (code === ErrorCode.NONE) return { kind: 'alive', ownership }
  const error = wireError(code, `stay in group '${ownership.groupId}'`)
  return { kind: 'refused', ownership, error }
}
