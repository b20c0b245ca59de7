/**
 * A stream joined with a table: each value meets the row its key has at that moment.
 *
 * Only the stream side triggers; a change of the table joins nothing again. The result carries the
 * stream record's timestamp. A value without a key matches nothing: an inner join drops it, a left join
 * keeps it. An inner join drops what meets no row, and counts it. The row is frozen or a copy, so the
 * function cannot change the table.
 */
import type { Key } from '../stores/serde.ts'
import type { JoinNode } from '../topology/topology.ts'
import { operatorFailed } from './operator.ts'
import type { OperatorContext, Push } from './operator.ts'

/** What a join needs of a table: the row as it is now, committed or not; undefined where there is none. */
export interface JoinedTable {
  live(key: Key): unknown
}

export function joinTable(
  { id, f, left, onError }: JoinNode,
  table: JoinedTable,
  { discards }: OperatorContext,
  next: Push,
): Push {
  const name = `join ${id}`
  const failed = discards.failing(onError, name)
  const noKey = discards.drop('noKey', name)
  const unmatched = discards.drop('unmatched', name)
  const noValue = discards.drop('noValue', name)
  return (key, value, timestamp) => {
    const row = key === null ? undefined : table.live(key)
    if (row === undefined && !left) return key === null ? noKey() : unmatched()
    let joined: unknown
    try {
      joined = f(value, row, key)
    } catch (error) {
      return failed(operatorFailed(name, error))
    }
    if (joined === null || joined === undefined) noValue()
    else next(key, joined, timestamp)
  }
}
