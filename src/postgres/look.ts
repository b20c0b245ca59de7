/** Where a sink would go on, were it started now. Looks at its topics and its positions, and changes nothing. */
import { isHeadwaterError } from '../base/errors.ts'
import type { HeadwaterError } from '../base/errors.ts'
import type { Cluster } from '../client/cluster/cluster.ts'
import { earliestTimestamp, latestTimestamp, listOffsets } from '../client/consumer/list-offsets.ts'
import { placeOf } from './chunk.ts'
import { Database } from './database.ts'
import type { DatabaseAddress } from './database.ts'
import { positionsTable } from './ddl.ts'
import { sinkSettings } from './settings.ts'
import type { PostgresSink } from './sink.ts'
import { isSqlFailure } from './sql-failure.ts'

/** Next offsets by `topic/partition`, of those that were claimed ever; or why they are not known. */
export type KnownPositions = ReadonlyMap<string, number> | HeadwaterError

/** A partition that a sink reads. */
export interface SinkPartition {
  readonly topic: string
  readonly partition: number
  /** The next offset to be read; null when its rows are not known. */
  readonly position: number | null
  readonly end: number
}

/** The positions of a sink in its database. */
export async function lookAtPositions(
  sink: PostgresSink,
  address: DatabaseAddress,
): Promise<KnownPositions> {
  const settings = sinkSettings({})
  const applicationName = `headwater plan ${sink.name}`
  const database = new Database({ address, applicationName, ...settings })
  try {
    await database.connect()
    return await database.transaction(async (query) => {
      const { rows: found } = await query('SELECT to_regclass($1) IS NOT NULL AS there', [
        positionsTable,
      ])
      if (found[0]!['there'] !== true) return new Map()
      const text = `SELECT topic, partition, next_offset FROM ${positionsTable} WHERE sink = $1`
      const { rows } = await query(text, [sink.name])
      return new Map(
        rows.map((row) => {
          const place = { topic: String(row['topic']), partition: Number(row['partition']) }
          return [placeOf(place), Number(row['next_offset'])]
        }),
      )
    })
  } catch (error) {
    if (isSqlFailure(error)) return error.error
    if (isHeadwaterError(error)) return error
    throw error
  } finally {
    await database.close()
  }
}

/** The partitions of what a sink reads; none of a topic that is not there yet. */
export async function lookAtPartitions(
  cluster: Cluster,
  sink: PostgresSink,
  known: KnownPositions,
): Promise<readonly SinkPartition[]> {
  const all: SinkPartition[] = []
  for (const { name: topic } of sink.reads) {
    const places = Array.from({ length: await countOf(cluster, topic) }, (_, partition) => {
      return { topic, partition }
    })
    const beginnings = await listOffsets(cluster, places, earliestTimestamp, 'read_committed')
    const ends = await listOffsets(cluster, places, latestTimestamp, 'read_uncommitted')
    for (const [i, place] of places.entries()) {
      const position =
        known instanceof Map ? (known.get(placeOf(place)) ?? beginnings[i]!.offset) : null
      all.push({ ...place, position, end: ends[i]!.offset })
    }
  }
  return all
}

async function countOf(cluster: Cluster, topic: string): Promise<number> {
  try {
    return await cluster.partitionCount(topic)
  } catch (error) {
    if (isHeadwaterError(error, 'not-found')) return 0
    throw error
  }
}
