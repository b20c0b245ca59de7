/**
 * The ways out of a refusal: take a store as it is, fold it anew, or forget the whole service.
 *
 * All of them change what a running service relies on, so none begins while the group has members. Each
 * leaves, wherever it is cut off, a service that refuses to start until it is done again.
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import { zeroUuid } from '../../base/units.ts'
import {
  alterGroupOffsets,
  createTopics,
  deleteGroup,
  deleteTopics,
  describeTopics,
} from '../../client/admin.ts'
import { backoffMs, sleep } from '../../client/cluster/backoff.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import { Producer } from '../../client/producer/producer.ts'
import { planTopology } from '../plan/plan.ts'
import type { Plan, StorePlan } from '../plan/plan.ts'
import { EmitFailure } from '../stores/emit.ts'
import { decide } from './decide.ts'
import { isForgettable, isReplaced, listed } from './decide-store.ts'
import { aggregatesOf, identityOf, identityTopic } from './identity.ts'
import type { StoreIdentity } from './identity.ts'
import { writeIdentities } from './identity-topic.ts'
import { leadingTo } from './prune.ts'
import type { Range } from '../reading.ts'
import { replay } from './replay.ts'
import { lookAround } from './situation.ts'
import type { Situation } from './situation.ts'
import { policiesDefault } from './verdict.ts'
import { ensureTopics } from '../plan/topics.ts'
import type { Verdicts } from './verdict.ts'

const stable = { requireStable: true }

/** How long a topic may take to go, and to come. */
const topicTimeoutMs = 30_000

/** What would become of a service if it started now. Changes nothing. */
export async function planService(
  cluster: Cluster,
  plan: Plan,
): Promise<{ readonly verdicts: Verdicts; readonly situation: Situation }> {
  const situation = await lookAround(cluster, plan)
  return { verdicts: decide(plan, situation, policiesDefault), situation }
}

/**
 * Lets the service go on with a store that it refuses, as far as its rows can be read; outcomes of commands that cannot
 * be read are forgotten.
 */
export async function acceptStore(cluster: Cluster, plan: Plan, name: string): Promise<void> {
  const store = aggregateOf(plan, name)
  const { service } = plan.topology
  const { verdicts, situation } = await planService(cluster, plan)
  refuseMembers(service, situation)
  const verdict = verdicts.stores.find((each) => each.store === name)!
  if (verdict.outcome !== 'refused') {
    throw wrong(`store '${name}' of service '${service}' is not refused: start the service`)
  }
  if (!verdict.isAcceptable) {
    const fixes = verdict.fixes.join(', ')
    throw wrong(`store '${name}' cannot be taken as it is: it ${verdict.why}: ${fixes}`)
  }
  await ensureTopics(cluster, plan.topics)
  if (isForgettable(store, situation.stores.get(name))) await makeAnew(cluster, plan, store.topic)
  const now = await lookAround(cluster, plan, stable)
  const identity = identityOf(plan, store, now.topics.get(store.topic)?.id ?? '')
  await beginWhatIsNew(cluster, service, identity, now)
  await mark(cluster, plan, name, situation, identity)
}

/** What a rebuild reads, and what of it is gone already. */
export interface RebuildPlan {
  readonly ranges: readonly Range[]
  /** Streams whose first records are deleted, or that keep only the last of each key. */
  readonly incomplete: readonly string[]
}

export interface Rebuilt {
  /** Records read from streams. */
  readonly records: number
  /** Rows written to the changelog. */
  readonly rows: number
}

/** What `rebuildStore` would do; throws when it cannot be done. */
export async function planRebuild(
  cluster: Cluster,
  plan: Plan,
  name: string,
): Promise<RebuildPlan> {
  const store = aggregateOf(plan, name)
  const situation = await lookAround(cluster, plan, stable)
  refuseMembers(plan.topology.service, situation)
  return rebuildOf(plan, store, name, situation)
}

/**
 * Folds a store anew from its streams, up to where the group has processed them, into a new changelog.
 * Beside it only how far in event time that came is written: no stream, and no other store.
 */
export async function rebuildStore(cluster: Cluster, plan: Plan, name: string): Promise<Rebuilt> {
  const store = aggregateOf(plan, name)
  const { service } = plan.topology
  const before = await lookAround(cluster, plan, stable)
  refuseMembers(service, before)
  const { ranges } = rebuildOf(plan, store, name, before)
  await ensureTopics(cluster, plan.topics)
  const begun = { ...identityOf(plan, store, ''), state: 'rebuilding' } as const
  await mark(cluster, plan, name, before, begun)
  const changelogId = await makeAnew(cluster, plan, store.topic)
  const part = planTopology(leadingTo(plan.topology, store.node))
  const producer = new Producer(cluster)
  let rows = 0
  let records = 0
  try {
    await producer.init()
    records = await replay(cluster, part, ranges, {
      ready: () => producer.ready(),
      emit: {
        append: (topic, partition, timestamp, key, value) => {
          if (topic === store.topic) rows++
          else if (topic !== plan.progressTopic) return
          try {
            producer.append(topic, partition, timestamp, key, value)
          } catch (cause) {
            throw new EmitFailure(cause)
          }
        },
      },
    })
    await producer.flush()
  } catch (error) {
    throw error instanceof EmitFailure ? error.cause : error
  } finally {
    await producer.close()
  }
  const after = await lookAround(cluster, plan, stable)
  refuseMembers(service, after)
  if (after.stores.get(name)?.state !== 'rebuilding') {
    throw wrong(
      `an instance of '${service}' was started during the rebuild: stop it and do it again`,
    )
  }
  const identity = identityOf(plan, store, changelogId)
  await beginWhatIsNew(cluster, service, identity, after)
  await mark(cluster, plan, name, after, identity)
  return { records, rows }
}

/** Gives the group an offset wherever the store now has rows, or they would look as if they had none. */
async function beginWhatIsNew(
  cluster: Cluster,
  service: string,
  { reads }: StoreIdentity,
  { topics, offsets }: Situation,
): Promise<void> {
  const places = reads.flatMap((topic) =>
    (topics.get(topic)?.partitions ?? []).flatMap((_, partition) =>
      offsets.has(`${topic}/${partition}`) ? [] : [{ topic, partition, offset: 0 }],
    ),
  )
  await alterGroupOffsets(cluster, service, places)
}

function rebuildOf(plan: Plan, store: StorePlan, name: string, situation: Situation): RebuildPlan {
  const { service } = plan.topology
  const reset = `use \`headwater reset FILE ${service}\`, which begins anew`
  const part = planTopology(leadingTo(plan.topology, store.node))
  const outside = part.topology.nodes.find((node) => node.kind === 'async')
  if (outside !== undefined) {
    throw wrong(
      `store '${name}' cannot be rebuilt: it lies behind mapAsync '${outside.name}', which would reach outside ` +
        `once more for each record: ${reset}`,
    )
  }
  const decider = part.topology.nodes.find((node) => node.kind === 'decide')
  if (decider !== undefined) {
    throw wrong(
      `store '${name}' cannot be rebuilt: it comes of what '${decider.name}' has decided, which would be decided ` +
        `anew, and perhaps otherwise: give it another name, or ${reset}`,
    )
  }
  const sources = part.subTopologies.flatMap((each) => each.sources)
  const ranges: Range[] = []
  const incomplete = new Set<string>()
  for (const { topic, inner, partitions } of sources) {
    if (isReplaced(situation, topic)) {
      throw wrong(
        `store '${name}' cannot be rebuilt: '${topic}' was deleted and made anew: ${reset}`,
      )
    }
    const there = situation.topics.get(topic)?.partitions ?? []
    if (!inner && there.length !== partitions) {
      throw wrong(
        `store '${name}' cannot be rebuilt: '${topic}' has ${there.length} partitions, declared are ` +
          `${partitions}: see \`headwater plan FILE\``,
      )
    }
    for (const [partition, { start }] of there.entries()) {
      if (inner) {
        if (!situation.unread.has(`${topic}/${partition}`)) continue
        throw wrong(
          `store '${name}' cannot be rebuilt while '${topic}' holds records that are not processed: ` +
            `let the version that wrote them run until it has caught up, or ${reset}`,
        )
      }
      const until = situation.offsets.get(`${topic}/${partition}`) ?? 0
      if (until <= start) continue
      ranges.push({ topic, partition, offset: start, until })
      const isEntity = plan.topics.find((each) => each.name === topic)?.configs['cleanup.policy']
      if (start > 0 || isEntity === 'compact') incomplete.add(topic)
    }
  }
  return { ranges, incomplete: [...incomplete] }
}

/** What a reset takes away, and what is written a second time after it. */
export interface ResetPlan {
  readonly topics: readonly string[]
  readonly writtenAgain: readonly string[]
  readonly inputs: readonly string[]
}

export async function planReset(cluster: Cluster, plan: Plan): Promise<ResetPlan> {
  const situation = await lookAround(cluster, plan, stable)
  refuseMembers(plan.topology.service, situation)
  return resetOf(plan, situation)
}

/** Forgets everything of the service: the group with its offsets, and every topic it made for itself. */
export async function resetService(cluster: Cluster, plan: Plan): Promise<ResetPlan> {
  const { service } = plan.topology
  const situation = await lookAround(cluster, plan, stable)
  refuseMembers(service, situation)
  const reset = resetOf(plan, situation)
  // State without offsets is refused, offsets without state might not be: so the offsets go first, and
  // the identities, which name the rest, at last.
  await deleteGroup(cluster, service).catch((error: unknown) => {
    if (!isHeadwaterError(error, 'not-found')) throw error
  })
  for (const topic of reset.topics) await deleteTopics(cluster, [topic])
  for (const topic of reset.topics) await untilGone(cluster, topic)
  return reset
}

function resetOf(plan: Plan, { topics, stores, sources }: Situation): ResetPlan {
  const { service, nodes } = plan.topology
  const own = new Set(plan.topics.flatMap(({ name, own: isOwn }) => (isOwn ? [name] : [])))
  for (const { changelog } of stores.values()) own.add(changelog)
  for (const [name, { role }] of sources) if (role !== 'stream') own.add(name)
  own.delete(identityTopic(service))
  const there = [...own].filter((name) => topics.has(name)).toSorted()
  const identities = topics.has(identityTopic(service)) ? [identityTopic(service)] : []
  const written = nodes.flatMap((node) => {
    if (node.kind === 'decide') return [node.events.name]
    return node.kind === 'to' || node.kind === 'input' ? [node.event.name] : []
  })
  return {
    topics: [...there, ...identities],
    writtenAgain: [...new Set(written)].toSorted(),
    inputs: plan.inputs.map(({ node }) => node.name),
  }
}

function aggregateOf(plan: Plan, name: string): StorePlan {
  const aggregates = aggregatesOf(plan)
  const store = aggregates.get(name)
  if (store !== undefined) return store
  const { service } = plan.topology
  const isTable = plan.subTopologies.some((part) => part.stores.some(({ topic }) => topic === name))
  const names = aggregates.size === 0 ? 'it has none' : `they are ${listed([...aggregates.keys()])}`
  const what = isTable
    ? `'${name}' of service '${service}' is a table, read from its own stream at every start`
    : `service '${service}' has no store '${name}'`
  throw new HeadwaterError('not-found', `${what}: name a count or reduce; ${names}`)
}

function refuseMembers(service: string, { members }: Situation): void {
  if (members.length === 0) return
  throw wrong(
    `service '${service}' is running (${members.join(', ')}): stop every instance first, and after a ` +
      'crash wait until its session is over',
  )
}

async function mark(
  cluster: Cluster,
  plan: Plan,
  name: string,
  before: Situation,
  identity: StoreIdentity,
): Promise<void> {
  const { service } = plan.topology
  // The first identity written ends the time in which what is there is taken as it is.
  const isFirst = before.stores.size === 0 && before.sources.size === 0
  const others = isFirst ? decide(plan, before, policiesDefault).changes : []
  const changes = [...others.filter(({ key }) => key !== name), { key: name, identity }]
  const after = await writeIdentities(cluster, service, before, changes)
  if (JSON.stringify(after.stores.get(name)) === JSON.stringify(identity)) return
  throw wrong(`somebody else changed store '${name}' of '${service}' meanwhile: do it again`)
}

/** Deletes a topic and creates it, and waits until the cluster shows the new one. */
async function makeAnew(cluster: Cluster, plan: Plan, topic: string): Promise<string> {
  const before = (await cluster.topic(topic)).topicId
  await deleteTopics(cluster, [topic])
  const wanted = plan.topics.find(({ name }) => name === topic)!
  const deadline = cluster.clock.monotonic() + topicTimeoutMs
  let isCreated = false
  for (let attempt = 1; ; attempt++) {
    // A broker may still be busy with the deletion, and may show the old topic after it.
    isCreated ||= (await createTopics(cluster, [wanted])).get(topic) === 'created'
    cluster.markStale()
    const now = isCreated ? (await cluster.topic(topic)).topicId : before
    if (now !== before) return now
    if (isCreated && before === zeroUuid) return ''
    await pause(cluster, attempt, deadline, topic)
  }
}

async function untilGone(cluster: Cluster, topic: string): Promise<void> {
  const deadline = cluster.clock.monotonic() + topicTimeoutMs
  for (let attempt = 1; (await describeTopics(cluster, [topic])).length > 0; attempt++) {
    await pause(cluster, attempt, deadline, topic)
  }
}

async function pause(
  cluster: Cluster,
  attempt: number,
  deadline: number,
  topic: string,
): Promise<void> {
  if (cluster.clock.monotonic() > deadline) {
    throw new HeadwaterError(
      'timeout',
      `topic '${topic}' was deleted, and is still there after ${topicTimeoutMs} ms: do it again`,
    )
  }
  await sleep(cluster.clock, backoffMs(attempt, cluster.random))
}

function wrong(message: string): HeadwaterError {
  return new HeadwaterError('state-mismatch', message)
}
