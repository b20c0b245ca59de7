/** `headwater topics`: what topics a broker has, and making and removing them. */
import { HeadwaterError } from '../base/errors.ts'
import {
  createTopics,
  deleteTopics,
  describeConfigs,
  describeTopics,
  listTopics as listNames,
} from '../client/admin.ts'
import type { Cluster } from '../client/cluster/cluster.ts'
import { earliestTimestamp, latestTimestamp, listOffsets } from '../client/consumer/list-offsets.ts'
import { withCluster } from './connect.ts'
import { formatCount, formatTable, print, printJson } from './output.ts'
import type { Column } from './output.ts'

interface TopicsOptions {
  readonly broker: string
  readonly json?: boolean
}

interface CreateOptions extends TopicsOptions {
  readonly partitions: number
  readonly config?: Readonly<Record<string, string>>
}

/** A topic's partitions with their offsets; control records have offsets, too. */
interface TopicOffsets {
  readonly name: string
  readonly partitions: readonly {
    readonly partition: number
    readonly leader: number
    readonly start: number
    readonly end: number
  }[]
}

export async function listTopics(options: TopicsOptions): Promise<void> {
  const topics = await withCluster(options.broker, async (cluster) =>
    offsetsOf(cluster, await listNames(cluster)),
  )
  const rows = topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.length,
    offsets: partitions.reduce((sum, { start, end }) => sum + end - start, 0),
  }))
  if (options.json) printJson(rows)
  else if (rows.length === 0) print('This broker has no topics yet.')
  else print(formatTable(listColumns, rows).join('\n'))
}

const listColumns: readonly Column<{ name: string; partitions: number; offsets: number }>[] = [
  { title: 'topic', text: ({ name }) => name },
  { title: 'partitions', align: 'right', text: ({ partitions }) => String(partitions) },
  { title: 'offsets', align: 'right', text: ({ offsets }) => formatCount(offsets) },
]

export async function describeTopic(name: string, options: TopicsOptions): Promise<void> {
  const { topicId, partitions, configs } = await withCluster(options.broker, async (cluster) => {
    const [topic] = await offsetsOf(cluster, [name])
    if (topic === undefined) throw await noSuchTopic(cluster, name)
    const [described] = await describeTopics(cluster, [name])
    return {
      topicId: described?.topicId,
      partitions: topic.partitions,
      configs: [...(await describeConfigs(cluster, name))].sort(([a], [b]) => (a < b ? -1 : 1)),
    }
  })
  if (options.json) {
    const values = Object.fromEntries(configs.map(([config, { value }]) => [config, value]))
    return printJson({ name, topicId, partitions, configs: values })
  }
  const set = configs.filter(([, { isSet }]) => isSet)
  print(`${name} (id ${topicId})`)
  print(
    `set for it: ${set.map(([config, { value }]) => `${config}=${value}`).join(', ') || 'nothing'}\n`,
  )
  print(formatTable(partitionColumns, partitions).join('\n'))
}

const partitionColumns: readonly Column<TopicOffsets['partitions'][number]>[] = [
  { title: 'partition', align: 'right', text: ({ partition }) => String(partition) },
  { title: 'leader', align: 'right', text: ({ leader }) => String(leader) },
  { title: 'start', align: 'right', text: ({ start }) => formatCount(start) },
  { title: 'end', align: 'right', text: ({ end }) => formatCount(end) },
]

export async function createTopic(name: string, options: CreateOptions): Promise<void> {
  const { partitions, config: configs = {} } = options
  const outcome = await withCluster(options.broker, (cluster) =>
    createTopics(cluster, [{ name, partitions, configs }]),
  )
  if (outcome.get(name) === 'exists') {
    throw new HeadwaterError(
      'config-invalid',
      `topic '${name}' exists already: choose another name, or delete it first with \`headwater topics delete ${name}\``,
    )
  }
  if (options.json) printJson({ name, partitions, configs })
  else print(`created ${name} with ${partitions} partition${partitions === 1 ? '' : 's'}`)
}

export async function deleteTopic(name: string, options: TopicsOptions): Promise<void> {
  await withCluster(options.broker, async (cluster) => {
    if ((await describeTopics(cluster, [name])).length === 0) throw await noSuchTopic(cluster, name)
    await deleteTopics(cluster, [name])
  })
  if (options.json) printJson({ deleted: name })
  else print(`deleted ${name}`)
}

async function noSuchTopic(cluster: Cluster, name: string): Promise<HeadwaterError> {
  const names = (await listNames(cluster)).join(', ')
  const there = names === '' ? 'there are none' : `the topics are ${names}`
  return new HeadwaterError('not-found', `there is no topic '${name}': ${there}`)
}

async function offsetsOf(cluster: Cluster, names: readonly string[]): Promise<TopicOffsets[]> {
  const topics = names.length === 0 ? [] : await describeTopics(cluster, names)
  const places = topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partition }) => ({ topic: name, partition })),
  )
  const [starts, ends] = await Promise.all(
    [earliestTimestamp, latestTimestamp].map((at) =>
      listOffsets(cluster, places, at, 'read_uncommitted'),
    ),
  )
  const at = (offsets: typeof starts, topic: string, partition: number) =>
    offsets!.find((place) => place.topic === topic && place.partition === partition)!.offset
  return topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partition, leaderId }) => ({
      partition,
      leader: leaderId,
      start: at(starts, name, partition),
      end: at(ends, name, partition),
    })),
  }))
}
