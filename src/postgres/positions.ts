/**
 * The positions of a sink, in the database that its rows are in.
 *
 * A position is moved in the transaction that writes the rows, from the offset it was at, by the epoch it was
 * claimed with: `UPDATE ... WHERE epoch = mine AND next_offset = where I began`. So of two who believe that
 * they own a partition one writes, and the other's transaction finds no row and is rolled back. The row is
 * locked until the transaction ends: whoever claims the partition meanwhile waits, and sees what came of it.
 *
 * The epoch is counted here and not by the group, whose generations begin anew when it was empty for a while.
 */
import { HeadwaterError } from '../base/errors.ts'
import type { Ownership } from '../client/group/ownership.ts'
import type { Move } from './chunk.ts'
import { placeOf } from './chunk.ts'
import type { Query } from './database.ts'
import { positionsTable } from './ddl.ts'

/** A partition as the cluster has it now. */
export interface PartitionNow {
  readonly topic: string
  readonly partition: number
  readonly topicId: string
  /** The first offset there is. */
  readonly beginning: number
  /** The end, open transactions included. */
  readonly end: number
}

/** A position that was claimed. */
interface Position {
  readonly topicId: string
  readonly nextOffset: number
  readonly epoch: string
}

/** Claimed positions by `topic/partition`. */
export type Positions = ReadonlyMap<string, Position>

const claim = `
INSERT INTO ${positionsTable} AS p (sink, topic, partition, topic_id, next_offset, epoch, owner)
SELECT $1, u.topic, u.partition, u.topic_id, u.beginning, 1, $2
FROM unnest($3::text[], $4::integer[], $5::text[], $6::bigint[]) AS u(topic, partition, topic_id, beginning)
ON CONFLICT (sink, topic, partition) DO UPDATE
SET epoch = p.epoch + 1, owner = excluded.owner, updated_at = now()
RETURNING topic, partition, topic_id, next_offset, epoch`

const startOver = `
UPDATE ${positionsTable} AS p SET topic_id = u.topic_id, next_offset = u.next
FROM unnest($2::text[], $3::integer[], $4::text[], $5::bigint[]) AS u(topic, partition, topic_id, next)
WHERE p.sink = $1 AND p.topic = u.topic AND p.partition = u.partition`

const move = `
UPDATE ${positionsTable} AS p SET next_offset = u.next, updated_at = now()
FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::bigint[])
  AS u(topic, partition, previous, next, epoch)
WHERE p.sink = $1 AND p.topic = u.topic AND p.partition = u.partition
  AND p.epoch = u.epoch AND p.next_offset = u.previous`

/** Takes partitions over; whoever had them cannot write from here on. One never read begins at its beginning. */
export async function claimPositions(
  query: Query,
  sink: string,
  { memberId, generation }: Ownership,
  partitions: readonly PartitionNow[],
): Promise<Positions> {
  // In one order, so that two who claim do not wait for each other.
  const ordered = partitions.toSorted((a, b) => (placeOf(a) < placeOf(b) ? -1 : 1))
  const { rows } = await query(claim, [
    sink,
    `${memberId} in generation ${generation}`,
    ordered.map(({ topic }) => topic),
    ordered.map(({ partition }) => partition),
    ordered.map(({ topicId }) => topicId),
    ordered.map(({ beginning }) => beginning),
  ])
  return new Map(
    rows.map((row) => {
      const place = { topic: String(row['topic']), partition: Number(row['partition']) }
      const position: Position = {
        topicId: String(row['topic_id']),
        nextOffset: Number(row['next_offset']),
        epoch: String(row['epoch']),
      }
      return [placeOf(place), position]
    }),
  )
}

/** Sets claimed positions, for topics that were made anew and offsets that are gone. */
export async function resetPositions(
  query: Query,
  sink: string,
  starts: readonly { topic: string; partition: number; topicId: string; offset: number }[],
): Promise<void> {
  if (starts.length === 0) return
  await query(startOver, [
    sink,
    starts.map(({ topic }) => topic),
    starts.map(({ partition }) => partition),
    starts.map(({ topicId }) => topicId),
    starts.map(({ offset }) => offset),
  ])
}

/** Moves claimed positions on. Throws `stale-member` when one of them is another's by now. */
export async function movePositions(
  query: Query,
  sink: string,
  moves: readonly Move[],
  positions: Positions,
): Promise<void> {
  const { count } = await query(move, [
    sink,
    moves.map(({ topic }) => topic),
    moves.map(({ partition }) => partition),
    moves.map(({ previous }) => previous),
    moves.map(({ next }) => next),
    moves.map((each) => positions.get(placeOf(each))!.epoch),
  ])
  if (count === moves.length) return
  throw new HeadwaterError(
    'stale-member',
    `sink '${sink}' has partitions that another instance has claimed: nothing of the transaction was written`,
    { retriable: true },
  )
}
