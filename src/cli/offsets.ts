/** `headwater offsets`: how far a service has read its streams, and letting it go on somewhere else. */
import { HeadwaterError } from '../base/errors.ts'
import { alterGroupOffsets, describeGroup, groupOffsets } from '../client/admin.ts'
import type { Cluster } from '../client/cluster/cluster.ts'
import { earliestTimestamp, latestTimestamp, listOffsets } from '../client/consumer/list-offsets.ts'
import type { PlaceInLog } from './arguments.ts'
import { confirm } from './confirm.ts'
import { withCluster } from './connect.ts'
import { formatCount, formatTable, print, printJson } from './output.ts'
import type { Column } from './output.ts'

interface OffsetsOptions {
  readonly broker: string
  readonly yes?: boolean
  readonly json?: boolean
}

/** How far a group is in one partition. */
interface Standing {
  readonly topic: string
  readonly partition: number
  /** The offset of the next record to read. */
  readonly committed: number
  readonly beginning: number
  readonly end: number
}

export async function show(service: string, options: OffsetsOptions): Promise<void> {
  const standings = await withCluster(options.broker, async (cluster) => {
    const committed = await groupOffsets(cluster, service)
    return standingsOf(cluster, committed)
  })
  if (standings.length === 0) {
    throw new HeadwaterError(
      'not-found',
      `group '${service}' has committed nothing: has the service run on this broker?`,
    )
  }
  if (options.json) {
    for (const each of standings) printJson({ ...each, lag: each.end - each.committed })
  } else {
    print(formatTable(columns, standings).join('\n'))
  }
}

const columns: readonly Column<Standing>[] = [
  { title: 'topic', text: ({ topic }) => topic },
  { title: 'partition', align: 'right', text: ({ partition }) => String(partition) },
  { title: 'committed', align: 'right', text: ({ committed }) => formatCount(committed) },
  { title: 'beginning', align: 'right', text: ({ beginning }) => formatCount(beginning) },
  { title: 'end', align: 'right', text: ({ end }) => formatCount(end) },
  { title: 'lag', align: 'right', text: ({ end, committed }) => formatCount(end - committed) },
]

async function standingsOf(
  cluster: Cluster,
  committed: readonly {
    readonly topic: string
    readonly partition: number
    readonly offset: number
  }[],
): Promise<Standing[]> {
  const places = committed.filter(({ offset }) => offset >= 0)
  if (places.length === 0) return []
  const [begins, ends] = await Promise.all([
    listOffsets(cluster, places, earliestTimestamp, 'read_committed'),
    listOffsets(cluster, places, latestTimestamp, 'read_uncommitted'),
  ])
  return places
    .map(({ topic, partition, offset }, i) => {
      const [beginning, end] = [begins[i]!.offset, ends[i]!.offset]
      return { topic, partition, committed: offset, beginning, end }
    })
    .toSorted((a, b) =>
      a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
    )
}

interface Asked {
  readonly service: string
  readonly topic: string
}

/** A partition's offset before and after. */
interface Move extends Standing {
  readonly to: number
}

export async function set(
  asked: Asked,
  options: OffsetsOptions & { readonly to: PlaceInLog; readonly partition?: number },
): Promise<void> {
  await withCluster(options.broker, async (cluster) => {
    const standings = await wholeTopic(cluster, asked, options.partition)
    const times = typeof options.to === 'object' ? await atTime(cluster, standings, options.to) : []
    const moves = standings.map((each, i) => ({ ...each, to: target(each, options.to, times[i]) }))
    await move(cluster, asked, moves, options)
  })
}

export async function skip(
  asked: Asked,
  options: OffsetsOptions & {
    readonly partition: number
    readonly record?: number
    readonly records: number
  },
): Promise<void> {
  const { partition, record } = options
  await withCluster(options.broker, async (cluster) => {
    const [standing] = await wholeTopic(cluster, asked, partition, record !== undefined)
    const { committed, beginning, end } = standing!
    const from = Math.max(committed, beginning)
    if (record !== undefined && record !== from)
      throw standsElsewhere(asked, partition, record, from)
    const to = from + options.records
    if (to > end) {
      throw new HeadwaterError(
        'input-invalid',
        `${formatCount(end - from)} offsets are left behind ${formatCount(from)}, where the service stands ` +
          `in partition ${options.partition} of topic '${asked.topic}': skip no more than those`,
      )
    }
    await move(cluster, asked, [{ ...standing!, to }], options)
  })
}

function standsElsewhere(
  { service, topic }: Asked,
  partition: number,
  record: number,
  from: number,
): HeadwaterError {
  const why =
    record > from
      ? `records ${from} to ${record - 1} would be left out, too: it ended before they were committed. Start it ` +
        'once more: it commits what is before the record that stops it, and stops there'
      : 'it is behind that record already'
  return new HeadwaterError(
    'input-invalid',
    `service '${service}' has committed up to ${from} of partition ${partition} of topic '${topic}', and ${why}`,
  )
}

/**
 * The partitions of a topic as the group stands in them; at the beginning where it has read nothing.
 * @param mayBeNew whether that may be all of it
 */
async function wholeTopic(
  cluster: Cluster,
  { service, topic }: Asked,
  only: number | undefined,
  mayBeNew = false,
): Promise<Standing[]> {
  const count = await cluster.partitionCount(topic)
  if (only !== undefined && only >= count) {
    throw new HeadwaterError(
      'not-found',
      `topic '${topic}' has no partition ${only}: it has ${count}, from 0 on`,
    )
  }
  const known = new Map<number, number>()
  for (const each of await groupOffsets(cluster, service)) {
    if (each.topic === topic && each.offset >= 0) known.set(each.partition, each.offset)
  }
  if (known.size === 0 && !mayBeNew) {
    throw new HeadwaterError(
      'not-found',
      `group '${service}' has committed nothing of topic '${topic}': ` +
        `\`headwater offsets show ${service}\` says what it reads`,
    )
  }
  const partitions = Array.from({ length: count }, (_, partition) => partition)
  const wanted = partitions.filter((partition) => only === undefined || partition === only)
  return standingsOf(
    cluster,
    wanted.map((partition) => ({ topic, partition, offset: known.get(partition) ?? 0 })),
  )
}

async function atTime(
  cluster: Cluster,
  standings: readonly Standing[],
  { timeMs }: { readonly timeMs: number },
): Promise<readonly number[]> {
  const found = await listOffsets(cluster, standings, timeMs, 'read_uncommitted')
  return found.map(({ offset }, i) => (offset < 0 ? standings[i]!.end : offset))
}

function target({ beginning, end }: Standing, to: PlaceInLog, time: number | undefined): number {
  if (to === 'beginning') return beginning
  if (to === 'end') return end
  return Math.min(end, Math.max(beginning, typeof to === 'number' ? to : time!))
}

async function move(
  cluster: Cluster,
  { service, topic }: Asked,
  moves: readonly Move[],
  options: OffsetsOptions,
): Promise<void> {
  await assertNobodyRuns(cluster, service)
  const real = moves.filter(({ committed, to }) => committed !== to)
  const lines = [
    ...real.map((each) => moveText(topic, each)),
    'Stores keep what they hold: what is read again counts again, what is left out never counts.',
  ]
  if (real.length > 0) {
    await confirm(lines, options.yes)
    await alterGroupOffsets(
      cluster,
      service,
      real.map(({ partition, to }) => ({ topic, partition, offset: to })),
    )
  }
  const done = real.map(({ partition, committed, to }) => ({ partition, from: committed, to }))
  if (options.json) printJson({ service, topic, moved: done })
  else if (real.length === 0) print(`Service '${service}' stands there already.`)
  else print(lines.slice(0, -1).join('\n'))
}

function moveText(topic: string, { partition, committed, to }: Move): string {
  const offsets = formatCount(Math.abs(to - committed))
  const how =
    to > committed ? `${offsets} offsets are left out` : `${offsets} offsets are read again`
  return `Partition ${partition} of topic '${topic}': from ${committed} to ${to}, ${how}.`
}

async function assertNobodyRuns(cluster: Cluster, service: string): Promise<void> {
  const { members } = await describeGroup(cluster, service)
  if (members.length === 0) return
  const names = members
    .map(({ groupInstanceId, memberId }) => groupInstanceId ?? memberId)
    .join(', ')
  throw new HeadwaterError(
    'stale-member',
    `instances of service '${service}' run (${names}): stop them, or wait for the sessions of those that ` +
      'died to end',
  )
}
