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
import type { OperatorCounts, Push } from './operator.ts'

export function aggregate(
  node: AggregateNode,
  store: AggregateStore,
  counts: OperatorCounts,
): Push {
  const fold = folder(node, store)
  return (key, value, timestamp) => {
    if (key === null) counts.drops.noKey++
    else fold(key, 0, value, timestamp)
  }
}

/** Folds a value into a row. A fold to null or undefined deletes the row; the next value begins anew. */
export function folder(
  { name, init, f }: AggregateNode,
  store: AggregateStore,
): (key: Key, start: number, value: unknown, timestamp: number) => void {
  return (key, start, value, timestamp) => {
    // Before the function runs, because it may change the state it is given.
    const row = store.touch(key, start)
    const old = store.valueOf(row)
    let state: unknown
    try {
      state = f(old === undefined ? init(key) : old, value, key)
    } catch (error) {
      throw operatorFailed(`aggregate '${name}'`, error)
    }
    store.set(row, state ?? undefined, timestamp)
  }
}
