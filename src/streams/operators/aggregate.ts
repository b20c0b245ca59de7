/**
 * A fold per key: `count` and `reduce` without windows.
 *
 * Values without a key are dropped and counted. The result carries the greatest timestamp that went into
 * it. Nothing is emitted here: changed rows leave when the task commits, the last state of each once, so
 * no result may depend on the states in between.
 */
import type { AggregateStore, Cell } from '../stores/memory.ts'
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
    if (key === null || value === null || value === undefined) {
      counts.dropped++
      return
    }
    if (timestamp > store.streamTime) store.streamTime = timestamp
    fold(store.cell(key, 0), key, value, timestamp)
  }
}

/** Folds a value into a row. A fold to null or undefined deletes the row; the next value begins anew. */
export function folder(
  { name, init, f }: AggregateNode,
  store: AggregateStore,
): (cell: Cell, key: Key, value: unknown, timestamp: number) => void {
  return (cell, key, value, timestamp) => {
    try {
      const state = cell.value === undefined ? init(key) : cell.value
      cell.value = f(state, value, key) ?? undefined
    } catch (error) {
      throw operatorFailed(`aggregate '${name}'`, error)
    }
    if (timestamp > cell.timestamp) cell.timestamp = timestamp
    store.changed(cell)
  }
}
