/**
 * What a service's decisions are made from: its identities, the topics as they are, and the group's
 * offsets. Asking for it changes nothing.
 */
import { isHeadwaterError } from '../../base/errors.ts'
import { zeroUuid } from '../../base/units.ts'
import { describeGroup, describeTopics } from '../../client/admin.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import {
  earliestTimestamp,
  latestTimestamp,
  listOffsets,
} from '../../client/consumer/list-offsets.ts'
import { fetchOffsets } from '../../client/group/group-offsets.ts'
import type { Plan } from '../plan/plan.ts'
import { aggregatesOf, identityTopic } from './identity.ts'
import type { Identities } from './identity.ts'
import { loadIdentities } from './identity-topic.ts'
import { firstRecords } from '../reading.ts'
import type { Range } from '../reading.ts'

export interface TopicState {
  /** Undefined when the broker is too old to know. */
  readonly id: string | undefined
  /** By partition: where it begins and ends, the end being what the question asked for. */
  readonly partitions: readonly { readonly start: number; readonly end: number }[]
}

export interface Situation extends Identities {
  /** Topics that exist, of the plan and of the identities. */
  readonly topics: ReadonlyMap<string, TopicState>
  /** The group's committed offsets, by `topic/partition`. What others wrote beside them is ignored. */
  readonly offsets: ReadonlyMap<string, number>
  /** Partitions of changelogs that hold rows although nothing was committed there, as `topic/partition`. */
  readonly rows: ReadonlySet<string>
  /** Records of inner topics that nobody has processed: `topic/partition`. */
  readonly unread: ReadonlySet<string>
  /** Members of the group at the moment. */
  readonly members: readonly string[]
}

const nothing: Identities = { stores: new Map(), sources: new Map(), seen: 0 }

/** A running instance deletes what it has processed, also while another looks at it. */
const looksMax = 8

/**
 * What is there now. The identities of a service that never ran are empty. With `requireStable` offsets
 * that a transaction is about to change are waited for, which may take as long as transactions may.
 */
export async function lookAround(
  cluster: Cluster,
  plan: Plan,
  { requireStable = false } = {},
): Promise<Situation> {
  for (let look = 1; ; look++) {
    try {
      return await lookOnce(cluster, plan, requireStable)
    } catch (error) {
      if (!isHeadwaterError(error, 'offset-out-of-range') || look === looksMax) throw error
    }
  }
}

async function lookOnce(cluster: Cluster, plan: Plan, requireStable: boolean): Promise<Situation> {
  const { service } = plan.topology
  const isKept = (await describeTopics(cluster, [identityTopic(service)])).length > 0
  const identities = isKept ? await loadIdentities(cluster, service) : nothing
  const [topics, { members }, offsets] = await Promise.all([
    topicsNow(cluster, topicNames(plan, identities), requireStable),
    describeGroup(cluster, service),
    offsetsNow(cluster, service, requireStable),
  ])
  const [rows, unread] = await Promise.all([
    firstRecords(cluster, doubtful(plan, identities, topics, offsets)),
    firstRecords(cluster, behindEnds(identities, plan, topics, offsets)),
  ])
  return {
    ...identities,
    topics,
    // Rows were found that no offset explains: a commit may have been on its way.
    offsets: rows.size === 0 ? offsets : await offsetsNow(cluster, service, true),
    rows,
    unread,
    members: members.map(({ memberId, groupInstanceId }) => groupInstanceId ?? memberId),
  }
}

function topicNames(plan: Plan, { stores, sources }: Identities): string[] {
  const names = new Set(plan.topics.map(({ name }) => name))
  for (const { changelog } of stores.values()) names.add(changelog)
  for (const name of sources.keys()) names.add(name)
  return [...names]
}

async function topicsNow(
  cluster: Cluster,
  names: readonly string[],
  toTheEnd: boolean,
): Promise<Map<string, TopicState>> {
  const described = await describeTopics(cluster, names)
  const places = described.flatMap(({ name, partitions }) =>
    partitions.map(({ partition }) => ({ topic: name, partition })),
  )
  const [starts, ends] = await Promise.all([
    listOffsets(cluster, places, earliestTimestamp, 'read_committed'),
    listOffsets(cluster, places, latestTimestamp, toTheEnd ? 'read_uncommitted' : 'read_committed'),
  ])
  const states = new Map<string, { id: string | undefined; partitions: TopicState['partitions'] }>()
  for (const { name, topicId } of described) {
    const partitions = places.flatMap(({ topic }, i) =>
      topic === name ? [{ start: starts[i]!.offset, end: ends[i]!.offset }] : [],
    )
    states.set(name, { id: topicId === zeroUuid ? undefined : topicId, partitions })
  }
  return states
}

async function offsetsNow(
  cluster: Cluster,
  service: string,
  requireStable: boolean,
): Promise<Map<string, number>> {
  const committed = await fetchOffsets(cluster, service, undefined, requireStable)
  const known = committed.filter(({ offset }) => offset >= 0)
  return new Map(known.map(({ topic, partition, offset }) => [`${topic}/${partition}`, offset]))
}

/** Partitions of changelogs of which it matters whether they hold a row. */
function doubtful(
  plan: Plan,
  { stores, sources }: Identities,
  topics: ReadonlyMap<string, TopicState>,
  offsets: ReadonlyMap<string, number>,
): Range[] {
  const isUnknown = stores.size === 0 && sources.size === 0
  const places: Range[] = []
  for (const { topic, node } of aggregatesOf(plan).values()) {
    const part = plan.subTopologies.find((each) =>
      each.stores.some((store) => store.node === node),
    )!
    for (const [partition, { start, end }] of (topics.get(topic)?.partitions ?? []).entries()) {
      const isRead = part.sources.some((source) => offsets.has(`${source.topic}/${partition}`))
      if (end > start && (isUnknown || !isRead))
        places.push({ topic, partition, offset: start, until: end })
    }
  }
  return places
}

/** Inner topics of the service from where they are processed, if their end lies further. */
function behindEnds(
  { sources }: Identities,
  plan: Plan,
  topics: ReadonlyMap<string, TopicState>,
  offsets: ReadonlyMap<string, number>,
): Range[] {
  const inner = new Set(
    plan.subTopologies.flatMap((part) => part.sources.filter((source) => source.inner)),
  )
  const names = new Set([...inner].map(({ topic }) => topic))
  for (const [name, { role }] of sources) if (role === 'inner') names.add(name)
  const places: Range[] = []
  for (const topic of names) {
    for (const [partition, { start, end }] of (topics.get(topic)?.partitions ?? []).entries()) {
      const offset = Math.max(start, offsets.get(`${topic}/${partition}`) ?? 0)
      if (end > offset) places.push({ topic, partition, offset, until: end })
    }
  }
  return places
}
