/**
 * What becomes of values that a task cannot or need not process: dropped by rule, skipped or put aside as
 * dead letters by the policy of their operator. All are counted, and the first of each kind is kept with
 * its place, to be told.
 *
 * A policy is of one operator: what throws there goes no further, and what the record does in other
 * branches stands. Dead letters leave with the transaction that holds everything else of the record, and
 * only when it is through, because a letter says whether the service did anything with the record.
 */
import type { HeadwaterError } from '../../base/errors.ts'
import type { DeadLetters } from '../../events/dead-letters.ts'
import type { Emit } from '../stores/emit.ts'
import type { OnError } from '../topology/topology.ts'
import { LetterWriter } from './dead-letter.ts'
import type { Failure, LetterStamp } from './dead-letter.ts'
import type { DiscardedRow, RecordAtHand } from './source-record.ts'
import type { DropReason, OperatorCounts } from './counts.ts'

/** Why something was discarded: by rule, or by `onError`. */
export type DiscardReason = DropReason | 'skipped' | 'deadLettered'

/** Values discarded by one operator for one reason since it was last told, and the first of them. */
export interface Discard {
  readonly reason: DiscardReason
  readonly operator: string
  readonly records: number
  readonly topic: string
  readonly partition: number
  /** Undefined for a row of a table. */
  readonly offset: number | undefined
  /** What was thrown, for what was skipped or put aside. */
  readonly error: HeadwaterError | undefined
}

/** Takes what failed. With policy `stop` it throws the error. */
export type Failed = (error: HeadwaterError, row?: DiscardedRow) => void

export interface DiscardsOptions {
  readonly partition: number
  readonly counts: OperatorCounts
  readonly emit: Emit
  readonly atHand: RecordAtHand
  /** Where dead letters go; undefined when no operator of the service has that policy. */
  readonly letters: DeadLetters | undefined
  /** Undefined where letters are not to be written, because they have been. */
  readonly stamp: LetterStamp | undefined
}

/** What one operator discarded for one reason since that was last taken. */
interface Entry {
  readonly reason: DiscardReason
  readonly operator: string
  records: number
  first: Place | undefined
  error: HeadwaterError | undefined
}

interface Place {
  readonly topic: string
  readonly partition: number
  readonly offset: number | undefined
}

export class Discards {
  /** Whether records have to be watched for what a letter says of them. */
  readonly writesLetters: boolean
  readonly #o: DiscardsOptions
  readonly #letters: LetterWriter | undefined
  readonly #entries: Entry[] = []
  /** Failures of the record at hand that become letters. */
  #pending: Failure[] = []
  #effects = 0

  constructor(options: DiscardsOptions) {
    const { letters, emit, stamp } = options
    this.#o = options
    this.#letters = letters && stamp && new LetterWriter(letters, emit, stamp)
    this.writesLetters = this.#letters !== undefined
  }

  /** Called for each value that an operator drops by rule. */
  drop(reason: DropReason, operator: string): () => void {
    const { drops } = this.#o.counts
    const entry = this.#entry(reason, operator)
    return () => {
      drops[reason]++
      if (entry.records++ === 0) entry.first = this.#o.atHand.current()
    }
  }

  /** What an operator calls when a function threw, or what it made cannot be written. */
  failing(policy: OnError, operator: string): Failed {
    if (policy === 'stop') return raise
    const { failures } = this.#o.counts
    const reason = policy === 'skip' ? 'skipped' : 'deadLettered'
    const entry = this.#entry(reason, operator)
    return (error, row) => {
      failures[reason]++
      if (entry.records++ === 0) {
        const { partition, atHand } = this.#o
        entry.first = row ? { ...row, partition, offset: undefined } : atHand.current()
        entry.error = error
      }
      if (row === undefined) this.#o.atHand.failed(error)
      if (policy === 'skip' || this.#letters === undefined) return
      if (row === undefined) this.#pending.push({ operator, error })
      else this.#letters.row(row, this.#o.partition, { operator, error })
    }
  }

  #entry(reason: DiscardReason, operator: string): Entry {
    const entry = { reason, operator, records: 0, first: undefined, error: undefined }
    this.#entries.push(entry)
    return entry
  }

  /** A record begins, or goes on: `failures` of it become letters at its end. */
  begin(failures: readonly Failure[] = []): void {
    this.#effects = this.#effectsNow()
    this.#pending.push(...failures)
  }

  /** Failures of a record that is not through: they are to be given to `begin` when it goes on. */
  interrupt(): readonly Failure[] {
    const failures = this.#pending
    this.#pending = []
    return failures
  }

  /** Whether letters are to be written of the record at hand. */
  get hasFailed(): boolean {
    return this.#pending.length > 0
  }

  /** The record is through: its letters are written. @param inPart whether more was made of it than is counted */
  end(inPart = false): void {
    if (this.#pending.length === 0) return
    const failed = this.#pending
    this.#pending = []
    const isInPart = inPart || this.#effectsNow() > this.#effects
    const { atHand } = this.#o
    const headers = atHand.contextHeaders()
    this.#letters!.record(atHand.current()!, failed, isInPart, headers)
  }

  #effectsNow(): number {
    const { emitted, folds } = this.#o.counts
    return emitted + folds
  }

  /** What was discarded since the last call. */
  take(): Discard[] {
    const discards: Discard[] = []
    for (const entry of this.#entries) {
      const { reason, operator, records, first, error } = entry
      if (records === 0) continue
      if (first !== undefined) {
        const { topic, partition, offset } = first
        discards.push({ reason, operator, records, topic, partition, offset, error })
      }
      entry.records = 0
      entry.first = undefined
      entry.error = undefined
    }
    return discards
  }
}

/** What `stop` does. */
export function raise(error: HeadwaterError): never {
  throw error
}
