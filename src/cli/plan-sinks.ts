/** The part of `headwater plan` that is of sinks: their tables, what these are made of, and how far they are. */
import type { Cluster } from '../client/cluster/cluster.ts'
import type { KnownPositions, SinkPartition } from '../postgres/look.ts'
import type { PostgresSink, SinkTable } from '../postgres/sink.ts'
import { formatCount, formatTable, print, printJson } from './output.ts'
import type { Column } from './output.ts'

export interface PlannedSink {
  readonly sink: PostgresSink
  readonly known: KnownPositions
  readonly partitions: readonly SinkPartition[]
}

/** @param database as `--database` said it */
export async function planSinks(
  cluster: Cluster,
  sinks: readonly PostgresSink[],
  database: string | undefined,
): Promise<readonly PlannedSink[]> {
  if (sinks.length === 0) return []
  const { lookAtPartitions, lookAtPositions } = await import('../postgres/look.ts')
  const all: PlannedSink[] = []
  for (const sink of sinks) {
    const known = await lookAtPositions(sink, database ?? {})
    all.push({ sink, known, partitions: await lookAtPartitions(cluster, sink, known) })
  }
  return all
}

export function printSink({ sink, known, partitions }: PlannedSink, isJson: boolean): void {
  const why = known instanceof Error ? known.message : undefined
  if (isJson) {
    const tables = sink.tables.map(({ name, event, mode }) => ({
      table: name,
      stream: event.name,
      mode,
    }))
    return printJson({ sink: sink.name, tables, partitions, ...(why !== undefined && { why }) })
  }
  print(`sink ${sink.name}`)
  const rows = sink.tables.map((table) => ({ table, ...sumsOf(partitions, table.event.name) }))
  print(formatTable(columns, rows).join('\n'))
  if (why !== undefined) print(`\nhow far it is, is not known: ${why}`)
  print('')
}

interface Sums {
  /** Null when it is not known. */
  readonly left: number | null
  readonly position: string
}

/** Of the partitions of a stream together. */
function sumsOf(partitions: readonly SinkPartition[], topic: string): Sums {
  const own = partitions.filter((each) => each.topic === topic)
  if (own.some(({ position }) => position === null)) return { left: null, position: 'not known' }
  const left = own.reduce((sum, { position, end }) => sum + Math.max(0, end - position!), 0)
  return {
    left,
    position: own.map(({ position }) => position).join(' ') || 'none: no such topic yet',
  }
}

const columns: readonly Column<Sums & { readonly table: SinkTable }>[] = [
  { title: 'table', text: ({ table }) => table.name },
  { title: 'of stream', text: ({ table }) => table.event.name },
  { title: 'rows', text: ({ table }) => (table.mode === 'upsert' ? 'one a key' : 'one a fact') },
  {
    title: 'records to read',
    text: ({ left }) => (left === null ? 'not known' : formatCount(left)),
  },
  { title: 'position by partition', text: ({ position }) => position },
]
