/**
 * What an operator is at run time: a synchronous function of key, value and timestamp that calls the
 * next one. A sub-topology becomes one nest of such closures per partition, so a record passes through
 * all of it without an allocation, a promise or a look-up of where to go.
 *
 * An operator never catches what a user's function throws except to name itself: the task adds the
 * record's place and the runtime stops the service. Records are dropped only by rule, and counted.
 */
import { HeadwaterError } from '../../base/errors.ts'
import { planted } from '../../base/planted.ts'
import { EmitFailure } from '../stores/emit.ts'
import type { Emit } from '../stores/emit.ts'
import type { Key, KeyCodecs } from '../stores/serde.ts'

/** Takes one record. `value` null is a deletion, where the operator before can make one. */
export type Push = (key: Key | null, value: unknown, timestamp: number) => void

/** What the operators of one task share. */
export interface OperatorContext {
  readonly partition: number
  readonly keys: KeyCodecs
  readonly emit: Emit
  readonly counts: OperatorCounts
}

export interface OperatorCounts {
  /** Records without a key or value where an operator needs one. */
  dropped: number
  /** Records whose window was closed. */
  late: number
  /** Records written to streams and inner topics, changelogs not counted. */
  emitted: number
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

/** What a user's function threw, with the operator's name before it; what was thrown behind it as it is. */
export function operatorFailed(operator: string, cause: unknown): Error {
  if (cause instanceof EmitFailure && !planted.has('producer-error-as-operator-failed'))
    return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new HeadwaterError('operator-failed', `${operator} threw: ${reason}`, { cause })
}
