/**
 * What sending events looks like from outside: by their owner, from code that is no topology.
 *
 * The types let through what the service owns, and messages that are whole; `send.ts` checks both again.
 */
import { HeadwaterError } from '../../base/errors.ts'
import type { AnyEvent, EventInit } from '../../events/event.ts'
import type { EventOptions } from './headers.ts'

/** Where an event is stored, for good. */
export interface Receipt {
  /** The stream's name. */
  readonly stream: string
  readonly partition: number
  /** -1 when the broker took the event so long ago that it has forgotten where. */
  readonly offset: number
  /** The time the event has, in milliseconds since 1970: its event time, or when it was sent. */
  readonly timestamp: number
}

/** Sends events of services named `N`. */
export interface Sends<N extends string> {
  /**
   * Sends one event; resolves when it is durable. Rejects when it is not, and `outcome` of the error says
   * whether it may be there nevertheless. Events of one key that are sent one after the other are stored in
   * that order, as long as none of them is rejected.
   */
  send<E extends AnyEvent>(
    event: Sendable<E, N>,
    message: EventInit<E>,
    options?: EventOptions,
  ): Promise<Receipt>
  /**
   * Sends events of one stream, waiting for room where they are many. Resolves with their receipts in order
   * when all are durable; rejects when all are settled and some are not, with a `SendAllError`.
   */
  sendAll<E extends AnyEvent>(
    event: Sendable<E, N>,
    messages: readonly EventInit<E>[],
    options?: EventOptions,
  ): Promise<readonly Receipt[]>
  /**
   * Sends everything that `write` sends, over all streams of one service, or nothing of it; resolves with the
   * receipts in order when it is committed. When `write` throws or rejects, the transaction is aborted
   * and that is thrown. One transaction at a time: others wait for their turn.
   */
  transaction(write: (tx: Transaction<N>) => void | Promise<void>): Promise<readonly Receipt[]>
}

export interface Transaction<N extends string> {
  /** Adds an event; throws when it cannot be sent. It counts when the transaction is committed. */
  send<E extends AnyEvent>(
    event: Sendable<E, N>,
    message: EventInit<E>,
    options?: EventOptions,
  ): void
}

/** A transaction as it is at run time, whatever the types let through. */
export interface OpenTransaction {
  send(event: AnyEvent, message: unknown, options?: EventOptions): void
}

/** The function of a transaction at run time. */
export type Write = (tx: OpenTransaction) => void | Promise<void>

/** The event, or a sentence when another service owns it. Commands anybody may send. */
type Sendable<E extends AnyEvent, N extends string> = E['owner'] extends N
  ? E
  : E['kind'] extends 'command'
    ? E
    : string extends E['name']
      ? 'give the event itself, as contracts declare it, and not its name'
      : `stream '${E['name']}' is owned by '${E['owner']}', so '${N}' may not send it`

/** What was sent since the start, by `send`, `sendAll` and committed transactions. */
export interface SendStats {
  /** Events that are durable. */
  readonly count: number
  /** Events nobody knows of yet. */
  readonly waiting: number
  /** Events that were refused or given up, whether they may be there or not. */
  readonly rejected: number
}

/** Some events of a `sendAll` could not be sent. */
export class SendAllError extends HeadwaterError {
  /** By their place in what was given. */
  readonly failures: ReadonlyMap<number, HeadwaterError>
  /** By their place; undefined for those that failed. */
  readonly receipts: readonly (Receipt | undefined)[]

  constructor(
    stream: string,
    receipts: readonly (Receipt | undefined)[],
    failures: ReadonlyMap<number, HeadwaterError>,
  ) {
    const [index, first] = [...failures][0]!
    const all = [...failures.values()]
    super(
      first.code,
      `${failures.size} of ${receipts.length} events of stream '${stream}' could not be sent, the first being the one at ${index}: ${first.message}`,
      {
        cause: first,
        retriable: all.every(({ retriable }) => retriable),
        outcome: all.some(({ outcome }) => outcome === 'unknown') ? 'unknown' : 'not-written',
      },
    )
    this.failures = failures
    this.receipts = receipts
  }
}
