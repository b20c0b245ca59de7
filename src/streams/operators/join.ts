/**
 * A stream joined with a table: each value meets the row its key has at that moment.
 *
 * Only the stream side triggers; a change of the table joins nothing again. The result carries the
 * stream record's timestamp. A value without a key matches nothing: an inner join drops it, a left join
 * keeps it. The row is frozen or a copy, so the function cannot change the table.
 */
import type { Key } from '../stores/serde.ts'
import type { JoinNode } from '../topology/topology.ts'
import { operatorFailed } from './operator.ts'
import type { OperatorCounts, Push } from './operator.ts'

/** What a join needs of a table: the row as it is now, committed or not; undefined where there is none. */
export interface JoinedTable {
  live(key: Key): unknown
}

export function joinTable(
  { id, f, left }: JoinNode,
  table: JoinedTable,
  counts: OperatorCounts,
  next: Push,
): Push {
  return (key, value, timestamp) => {
    const row = key === null ? undefined : table.live(key)
    if (row === undefined && !left) {
      if (key === null) counts.drops.noKey++
      return
    }
    let joined: unknown
    try {
      joined = f(value, row, key)
    } catch (error) {
      throw operatorFailed(`join ${id}`, error)
    }
    if (joined === null || joined === undefined) counts.drops.noValue++
    else next(key, joined, timestamp)
  }
}
