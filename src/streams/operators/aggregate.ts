/**
 * A fold per key: `count` and `reduce` without windows.
 *
 * Values without a key are dropped and counted. The result carries the greatest timestamp that went into
 * it. Nothing is emitted here: changed rows leave when the task commits, the last state of each once, so
 * no result may depend on the states in between.
 */
import type { AggregateStore } from '../stores/aggregate-store.ts'
import type { Key } from '../stores/serde.ts'
import type { AggregateNode } from '../topology/topology.ts'
import { operatorFailed } from './operator.ts'
import type { OperatorContext, Push } from './operator.ts'

export function aggregate(
  node: AggregateNode,
  store: AggregateStore,
  context: OperatorContext,
): Push {
  const fold = folder(node, store, context)
  const noKey = context.discards.drop('noKey', nameOf(node))
  return (key, value, timestamp) => {
    if (key === null) noKey()
    else fold(key, 0, value, timestamp)
  }
}

/**
 * Folds a value into a row. A fold to null or undefined deletes the row; the next value begins anew. A
 * function that throws may have changed the state that it was given: where that is not to stop the
 * service, each fold works on a row of which there is a copy.
 */
export function folder(
  node: AggregateNode,
  store: AggregateStore,
  { counts, discards }: OperatorContext,
): (key: Key, start: number, value: unknown, timestamp: number) => void {
  const { f, onError } = node
  const copyOf = (made: unknown): unknown => copied(store, made)
  const name = nameOf(node)
  const failed = discards.failing(onError, name)
  const isKept = onError !== 'stop'
  return (key, start, value, timestamp) => {
    // Before the function runs, because it may change the state it is given.
    const row = store.touch(key, start)
    const old = store.valueOf(row)
    const before = isKept ? copied(store, old) : undefined
    let state: unknown
    try {
      state = f(old ?? initialState(node, key, copyOf), value, key)
    } catch (error) {
      if (isKept) store.putBack(row, before)
      return failed(operatorFailed(name, error))
    }
    store.set(row, state ?? undefined, timestamp)
    counts.folds++
  }
}

/**
 * What a key begins from. It is a copy, wherever something is folded: a function that gives the same object each
 * time would else let the folds of one key change what the next one begins from.
 */
export function initialState(
  { init }: AggregateNode,
  key: Key,
  copyOf: (state: unknown) => unknown,
): unknown {
  return copyOf(init(key))
}

/** State that cannot be stored stops the service where it is written, which says whose it is. */
function copied(store: AggregateStore, state: unknown): unknown {
  try {
    return store.copyOf(state)
  } catch {
    return state
  }
}

export function nameOf({ name }: AggregateNode): string {
  return `aggregate '${name}'`
}
