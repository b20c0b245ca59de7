/**
 * What an operator is at run time: a synchronous function of key, value and timestamp that calls the
 * next one. A sub-topology becomes one nest of such closures per partition, so a record passes through
 * all of it without an allocation, a promise or a look-up of where to go.
 *
 * An operator catches what a user's function throws, and what cannot be written of its result, to name
 * itself; never what comes out of `emit`, which is the world's failure and not the user's. Its policy decides
 * what becomes of the value (`discards.ts`): unless told otherwise the task adds the record's place and the
 * runtime stops the service. Other values are dropped only by rule, and counted by reason.
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Emit } from '../stores/emit.ts'
import type { Key, KeyCodecs } from '../stores/serde.ts'
import type { OperatorCounts } from './counts.ts'
import type { Discards } from './discards.ts'
import type { RecordAtHand } from './source-record.ts'

/** Takes one record. `value` is never null but for the deletions that leave a table. */
export type Push = (key: Key | null, value: unknown, timestamp: number) => void

/** What writes messages to streams. */
export interface WriterContext {
  readonly partition: number
  readonly keys: KeyCodecs
  readonly emit: Emit
  readonly counts: OperatorCounts
}

/** What the operators of one task share. */
export interface OperatorContext extends WriterContext {
  readonly discards: Discards
  readonly atHand: RecordAtHand
  /** Milliseconds since 1970; undefined where nobody hears of what is done. */
  readonly now: (() => number) | undefined
}

/** Calls every one of `nexts` in turn. */
export function fanOut(nexts: readonly Push[]): Push {
  const [first, second] = nexts
  if (first === undefined) return () => undefined
  if (second === undefined) return first
  if (nexts.length === 2) {
    return (key, value, timestamp) => {
      first(key, value, timestamp)
      second(key, value, timestamp)
    }
  }
  return (key, value, timestamp) => {
    for (const next of nexts) next(key, value, timestamp)
  }
}

/** What a user's function threw, with the operator's name before it. */
export function operatorFailed(operator: string, cause: unknown): HeadwaterError {
  return failed(`${operator} threw`, cause)
}

/** Why what a user's function returned cannot be written, with the operator's name before it. */
export function notWritable(operator: string, cause: unknown): HeadwaterError {
  return failed(`${operator} cannot write its value`, cause)
}

function failed(what: string, cause: unknown): HeadwaterError {
  const reason = reasonOf(cause)
  const code = isHeadwaterError(cause) ? ` (${cause.code})` : ''
  return new HeadwaterError('operator-failed', `${what}: ${reason}${code}`, { cause })
}

/** What was thrown, in words: a program may throw anything, also what has none. */
function reasonOf(cause: unknown): string {
  try {
    return cause instanceof Error ? cause.message : String(cause)
  } catch {
    return 'a value that cannot be printed'
  }
}
