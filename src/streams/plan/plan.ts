/**
 * From a frozen topology to what runs: sub-topologies, their topics, and the topics the service makes.
 *
 * A sub-topology is a part of the graph that no inner topic cuts: it reads partition `n` of each of its
 * topics and nothing else, so its task for partition `n` can run anywhere. Only `rekey` cuts. A topic
 * belongs to one sub-topology, since a consumer group commits one offset per partition.
 *
 * Ids are made of topic names, not of positions: two builds of a service with the same streams agree on
 * which task is which. The plan is plain data and depends on the topology alone.
 */
import { HeadwaterError } from '../../base/errors.ts'
import { deadLettersOf } from '../../events/dead-letters.ts'
import type { DeadLetters } from '../../events/dead-letters.ts'
import { outcomePartitions, outcomesTopic, rememberedOutcomes } from '../../events/commands.ts'
import type { AnyEvent } from '../../events/event.ts'
import { compileCodec } from '../../schema/codec.ts'
import { upstreamOf } from '../topology/graph.ts'
import { outcomeStoreName } from '../topology/build-decide.ts'
import { timedNodes } from './times.ts'
import { plainCodec, plainFormat } from '../stores/plain.ts'
import type { KeyKind, ValueCodec } from '../stores/serde.ts'
import type { WindowLife } from '../stores/aggregate-store.ts'
import type {
  DecideNode,
  InputNode,
  OnError,
  RekeyNode,
  SourceNode,
  TableNode,
  Topology,
  TopologyNode,
} from '../topology/topology.ts'

export interface Plan {
  readonly topology: Topology
  readonly subTopologies: readonly SubTopology[]
  readonly inputs: readonly InputPlan[]
  /** Every topic the service reads or writes. */
  readonly topics: readonly TopicPlan[]
  /** Where tasks keep how far in event time they are; undefined when the service counts no windows. */
  readonly progressTopic: string | undefined
  /** Where dead letters go; undefined when no operator writes any. */
  readonly letters: DeadLetters | undefined
}

export interface SubTopology {
  readonly id: string
  /** The most partitions any of its topics has: the number of its tasks. */
  readonly partitions: number
  readonly sources: readonly SourcePlan[]
  readonly stores: readonly StorePlan[]
}

/** A topic a sub-topology reads. */
export interface SourcePlan {
  readonly topic: string
  readonly partitions: number
  /** Null: the topic's records have no keys. */
  readonly keys: KeyKind | null
  readonly values: ValueCodec
  /** Table nodes the records update; they come before any stream node sees the record. */
  readonly tables: readonly number[]
  /** Nodes whose followers take the records. */
  readonly streams: readonly number[]
  /** Whether the rest of the task waits until this topic is read to its end. */
  readonly bootstrap: boolean
  /** Whether the topic is one of the service's own, between two sub-topologies. */
  readonly inner: boolean
  /** How many tasks write to it; undefined when it is not inner. */
  readonly writers: number | undefined
  /** For records that do not decode. */
  readonly onError: OnError
}

/** State a task keeps, and the topic it is rebuilt from. */
export interface StorePlan {
  readonly node: number
  readonly kind: 'table' | 'aggregate' | 'outcomes'
  readonly name: string
  readonly topic: string
  readonly keys: KeyKind
  /** What values are stored as, with its version: `plain/1` or `protobuf/<message>`. */
  readonly format: string
  readonly values: ValueCodec
  readonly window: WindowLife | undefined
  /** Whether records of the topic that do not decode are passed over: what follows them keeps the row. */
  readonly isTolerant: boolean
}

export interface InputPlan {
  readonly node: InputNode
  /** The topic with the input's positions: a partition for each split, whose owner in the group reads it. */
  readonly positionTopic: string
}

export interface TopicPlan {
  readonly name: string
  readonly partitions: number
  readonly configs: Readonly<Record<string, string>>
  /** Whether the service makes it for itself; its records are nobody else's. */
  readonly own: boolean
  /** What is in it is told and forgotten: it may have more partitions, and be made anew at any time. */
  readonly isPassing?: true
}

export function planTopology(topology: Topology): Plan {
  const regions = findRegions(topology)
  const subTopologies = [...regions.values()]
    .map((nodes) => planSubTopology(topology, nodes))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const inputs = topology.nodes
    .filter((node) => node.kind === 'input')
    .map((node) => ({ node, positionTopic: `${topology.service}-${node.name}-position` }))
  const topics = planTopics(topology, inputs)
  const progressTopic = progressTopicOf(topology)
  return { topology, subTopologies, inputs, topics, progressTopic, letters: lettersOf(topology) }
}

function lettersOf({ service, nodes }: Topology): DeadLetters | undefined {
  const isWritten = nodes.some((node) => 'onError' in node && node.onError === 'deadLetter')
  return isWritten ? deadLettersOf(service) : undefined
}

export function repartitionTopic(service: string, node: RekeyNode): string {
  return `${service}-${node.name}-repartition`
}

/** Nodes by region: those joined by any path that no inner topic cuts, or by a topic they share. */
function findRegions({ nodes }: Topology): Map<number, TopologyNode[]> {
  const parents = nodes.map((node) => node.id)
  const find = (id: number): number => {
    while (parents[id] !== id) id = parents[id]!
    return id
  }
  const firstReader = new Map<string, number>()
  for (const node of nodes) {
    for (const before of readFrom(node)) parents[find(before)] = find(node.id)
    if (node.kind !== 'source' && node.kind !== 'table') continue
    const reader = firstReader.get(node.event.name)
    if (reader === undefined) firstReader.set(node.event.name, node.id)
    else parents[find(node.id)] = find(reader)
  }
  const regions = new Map<number, TopologyNode[]>()
  for (const node of nodes) {
    if (node.kind === 'input') continue
    const root = find(node.id)
    regions.set(root, [...(regions.get(root) ?? []), node])
  }
  return regions
}

/** The nodes a node shares a task with because it reads from them. */
function readFrom(node: TopologyNode): readonly number[] {
  return node.kind === 'rekey' ? [] : upstreamOf(node)
}

function planSubTopology(topology: Topology, nodes: readonly TopologyNode[]): SubTopology {
  const sources = new Map<string, SourcePlan>()
  const add = (source: SourcePlan): void => {
    const known = sources.get(source.topic)
    if (known === undefined) sources.set(source.topic, source)
    else {
      sources.set(source.topic, {
        ...known,
        tables: [...known.tables, ...source.tables],
        streams: [...known.streams, ...source.streams],
        bootstrap: known.bootstrap || source.bootstrap,
      })
    }
  }
  for (const node of nodes) {
    if (node.kind === 'source') add({ ...eventSource(node), streams: [node.id] })
    if (node.kind === 'rekey') add(innerSource(topology, node))
    if (node.kind === 'table') {
      const bootstrap = node.startup === 'bootstrap'
      add({ ...eventSource(node), tables: [node.id], streams: [node.id], bootstrap })
    }
  }
  const list = [...sources.values()].toSorted((a, b) => (a.topic < b.topic ? -1 : 1))
  checkCoPartitioned(topology.service, nodes, list)
  return {
    id: list.map((source) => source.topic).join('+'),
    partitions: Math.max(...list.map((source) => source.partitions)),
    sources: list,
    stores: nodes.flatMap((node) => planStore(topology, node)),
  }
}

function eventSource({ event, onError }: SourceNode | TableNode): SourcePlan {
  return {
    topic: event.name,
    partitions: event.partitions,
    keys: event.key === null ? null : event.key.type,
    values: event.codec,
    tables: [],
    streams: [],
    bootstrap: false,
    inner: false,
    writers: undefined,
    onError,
  }
}

function innerSource(topology: Topology, node: RekeyNode): SourcePlan {
  return {
    topic: repartitionTopic(topology.service, node),
    partitions: node.keyspace.partitions,
    keys: node.keyspace.type,
    values: rekeyCodec(node),
    tables: [],
    streams: [node.id],
    bootstrap: false,
    inner: true,
    writers: partitionCounts(topology)(node.from),
    onError: node.onError,
  }
}

/** What values of a rekeyed stream are encoded with. */
export function rekeyCodec({ schema }: RekeyNode): ValueCodec {
  return schema === undefined ? plainCodec : compileCodec(schema)
}

/** State is only right when every record of a key comes to the task that holds the key. */
function checkCoPartitioned(
  service: string,
  nodes: readonly TopologyNode[],
  sources: readonly SourcePlan[],
): void {
  const isKeyed = ({ kind }: TopologyNode): boolean =>
    kind === 'join' || kind === 'aggregate' || kind === 'decide'
  if (!nodes.some(isKeyed)) return
  const [first] = sources
  const other = sources.find((source) => source.partitions !== first!.partitions)
  if (other === undefined) return
  throw new HeadwaterError(
    'topology-invalid',
    `service '${service}' joins or groups '${first!.topic}' with ${first!.partitions} partitions and ` +
      `'${other.topic}' with ${other.partitions}: give them one keyspace, or rekey one of them`,
  )
}

function planStore({ service, views }: Topology, node: TopologyNode): StorePlan[] {
  if (node.kind === 'table') {
    const { event, store: name } = node
    return [
      {
        node: node.id,
        kind: 'table',
        name,
        topic: event.name,
        keys: event.key!.type,
        format: protobufFormat(event.schema),
        values: event.codec,
        window: undefined,
        isTolerant: node.onError !== 'stop',
      },
    ]
  }
  if (node.kind === 'decide') return [outcomeStore(service, node)]
  if (node.kind !== 'aggregate') return []
  const { window, keyspace, name, state } = node
  // Nobody can ask for the closed windows of a table that is no view, so they go at once.
  const isView = Object.values(views).includes(node.id)
  return [
    {
      node: node.id,
      kind: 'aggregate',
      name,
      topic: changelogTopic(service, name),
      keys: keyspace.type,
      format: state === undefined ? plainFormat : protobufFormat(state),
      values: state === undefined ? plainCodec : compileCodec(state),
      window: window && {
        sizeMs: window.sizeMs,
        graceMs: window.graceMs,
        retentionMs: isView ? window.retentionMs : 0,
      },
      isTolerant: false,
    },
  ]
}

/** What came of commands. */
function outcomeStore(service: string, { id, name, commands }: DecideNode): StorePlan {
  const store = outcomeStoreName(name)
  return {
    node: id,
    kind: 'outcomes',
    name: store,
    topic: changelogTopic(service, store),
    keys: commands.key.type,
    format: protobufFormat({ typeName: rememberedOutcomes.message }),
    values: rememberedOutcomes,
    window: undefined,
    isTolerant: false,
  }
}

function changelogTopic(service: string, store: string): string {
  return `${service}-${store}-changelog`
}

function protobufFormat({ typeName }: { readonly typeName: string }): string {
  return `protobuf/${typeName}`
}

/** Facts are kept for ever; entities and state by key; what only passes between tasks until it is read. */
const keepAll = { 'cleanup.policy': 'delete', 'retention.ms': '-1' }
const keepLast = { 'cleanup.policy': 'compact' }
/**
 * A service's own topics take any time that an event may have, as in a timetable or by mistake: what came
 * in must not stop the service within. The names are Kafka's since 3.6.
 */
const anyTime = {
  'message.timestamp.after.max.ms': '9223372036854775807',
  'message.timestamp.before.max.ms': '9223372036854775807',
}
/** A command that nobody has decided for so long is gone; so is, soon, what was told of one. */
const commandRetentionMs = 7 * 86_400_000
const outcomeRetentionMs = 3_600_000
const keepCommands = { 'cleanup.policy': 'delete', 'retention.ms': String(commandRetentionMs) }
/** Callers read it, so it is not the service's alone. */
const outcomesPlan = {
  partitions: outcomePartitions,
  configs: { 'cleanup.policy': 'delete', 'retention.ms': String(outcomeRetentionMs) },
  own: false,
  isPassing: true,
} as const
const innerStream = { ...keepAll, ...anyTime }
const innerState = { ...keepLast, ...anyTime }

/** The topic of a shared stream, as its contract says. */
export function eventTopic({ name, kind, partitions }: AnyEvent): TopicPlan {
  const configs = { entity: keepLast, command: keepCommands, keyed: keepAll, unkeyed: keepAll }
  return { name, partitions, configs: configs[kind], own: false }
}

function planTopics(topology: Topology, inputs: readonly InputPlan[]): TopicPlan[] {
  const topics = new Map<string, TopicPlan>()
  const add = (name: string, partitions: number, configs: Record<string, string>): void => {
    topics.set(name, { name, partitions, configs, own: true })
  }
  const partitionsOf = partitionCounts(topology)
  for (const node of topology.nodes) {
    if ('event' in node) {
      topics.set(node.event.name, eventTopic(node.event))
    }
    if (node.kind === 'rekey') {
      add(repartitionTopic(topology.service, node), node.keyspace.partitions, innerStream)
    }
    if (node.kind === 'aggregate') {
      add(changelogTopic(topology.service, node.name), partitionsOf(node.id), innerState)
    }
    if (node.kind === 'decide') {
      const store = changelogTopic(topology.service, outcomeStoreName(node.name))
      add(store, partitionsOf(node.id), innerState)
      topics.set(node.events.name, eventTopic(node.events))
      const outcomes = outcomesTopic(topology.service)
      topics.set(outcomes, { ...outcomesPlan, name: outcomes })
    }
  }
  for (const input of inputs) add(input.positionTopic, input.node.splits, innerState)
  const letters = lettersOf(topology)
  if (letters !== undefined) topics.set(letters.name, eventTopic(letters))
  add(`${topology.service}-stores`, 1, innerState)
  const progress = progressTopicOf(topology)
  if (progress !== undefined) {
    // A rekey's progress is of the task before it, which has the partitions of what it reads.
    const partitions = timedNodes(topology).map((node) => {
      return partitionsOf(node.kind === 'rekey' ? node.from : node.id)
    })
    add(progress, Math.max(...partitions), innerState)
  }
  return [...topics.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function progressTopicOf(topology: Topology): string | undefined {
  const isTimed = timedNodes(topology).length > 0
  return isTimed ? `${topology.service}-progress-changelog` : undefined
}

/** The number of partitions in which a node runs. */
function partitionCounts({ nodes }: Topology): (id: number) => number {
  const count = (id: number): number => {
    const node = nodes[id]!
    if (node.kind === 'rekey') return node.keyspace.partitions
    if ('event' in node && node.kind !== 'to') return node.event.partitions
    return Math.max(...readFrom(node).map(count))
  }
  return count
}
