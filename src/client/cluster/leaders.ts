/** Finding the leaders of partitions: for those who keep reading or writing, and for one question to all. */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { backoffMs, sleep } from './backoff.ts'
import type { Cluster } from './cluster.ts'
import type { PartitionPlace, TopicPlace } from './metadata.ts'
import { leaderCodes } from './response-codes.ts'
import type { TopicPartition } from './topic-partition.ts'
import { byTopic, partitionName } from './topic-partition.ts'
import { throwOnError, wireError } from './wire-error.ts'

/** A partition somebody goes on reading or writing. */
export interface LedPartition extends TopicPartition {
  /** What the cluster said about the leader turned out wrong, or is not to be trusted. */
  isPlaceStale: boolean
}

export interface LeaderLookupOptions<P> {
  readonly cluster: Cluster
  /** What is done with the partition, as in `read`. */
  readonly doing: string
  /** Lookups are over, whatever they found. */
  readonly onLookedUp: () => void
  /** There is no such partition (`not-found`), no leader, or nobody to ask. */
  readonly onFailure: (partition: P, error: HeadwaterError) => void
}

/** Says where partitions are led, and looks for the leaders of a topic once for all who ask. */
export class LeaderLookup<P extends LedPartition> {
  readonly #o: LeaderLookupOptions<P>
  readonly #asking = new Map<string, Set<P>>()
  #isTellingDue = false

  constructor(options: LeaderLookupOptions<P>) {
    this.#o = options
  }

  /** The leader's place; undefined while it is looked for, which this begins. */
  find(partition: P): PartitionPlace | undefined {
    const { cluster } = this.#o
    const { topic, partition: index, isPlaceStale } = partition
    const place = isPlaceStale ? undefined : cluster.leader(topic, index)
    if (place === undefined) this.#lookUp(partition)
    return place
  }

  #lookUp(partition: P): void {
    const { cluster } = this.#o
    const { topic } = partition
    const asking = this.#asking.get(topic)
    if (asking !== undefined) {
      asking.add(partition)
      return
    }
    this.#asking.set(topic, new Set([partition]))
    if (cluster.metadata.topic(topic) !== undefined) cluster.markStale()
    cluster
      .topic(topic)
      .then((place) => this.#settle(topic, (each) => this.#check(each, place)))
      .catch((error: unknown) => {
        if (!isHeadwaterError(error)) throw error
        this.#settle(topic, (each) => this.#o.onFailure(each, error))
      })
      .finally(() => this.#tellSoon())
  }

  /** Topics that were looked up together are gone on with together. */
  #tellSoon(): void {
    if (this.#isTellingDue) return
    this.#isTellingDue = true
    queueMicrotask(() => {
      this.#isTellingDue = false
      this.#o.onLookedUp()
    })
  }

  #settle(topic: string, tell: (partition: P) => void): void {
    const asking = this.#asking.get(topic)
    this.#asking.delete(topic)
    for (const each of asking ?? []) tell(each)
  }

  #check(partition: P, { partitions }: TopicPlace): void {
    partition.isPlaceStale = false
    const place = partitions[partition.partition]
    const doing = `${this.#o.doing} ${partitionName(partition.topic, partition.partition)}`
    if (place === undefined) {
      this.#o.onFailure(partition, missingPartition(partition, partitions.length))
    } else if (place.leaderId < 0) {
      this.#o.onFailure(partition, wireError(ErrorCode.LEADER_NOT_AVAILABLE, doing))
    }
  }
}

/** What a leader says of one of its partitions. */
export interface PartitionAnswer<A extends TopicPartition> {
  readonly errorCode: number
  readonly answer: A
}

const askTimeoutMs = 60_000

/**
 * Asks the leaders of partitions, each once for all it leads, and again where a leader has moved or is
 * away, until every partition is answered. The answers come in the order of the partitions. Throws the
 * operating error for any other code, `not-found` for a partition that does not exist, and `timeout`.
 * @param doing what is asked, as in `list offsets of`
 */
export async function askLeaders<P extends TopicPartition, A extends TopicPartition>(
  cluster: Cluster,
  partitions: readonly P[],
  doing: string,
  ask: (nodeId: number, partitions: readonly P[]) => Promise<readonly PartitionAnswer<A>[]>,
): Promise<readonly A[]> {
  const found = new Map<string, A>()
  const deadline = cluster.clock.monotonic() + askTimeoutMs
  let left = partitions
  let failure: HeadwaterError | undefined
  const onAway = (error: HeadwaterError): void => void (failure = error)
  for (let attempt = 1; left.length > 0; attempt++) {
    const byLeader = await answerOrNothing(groupByLeader(cluster, left), onAway)
    const answers = [...(byLeader ?? [])].map(([nodeId, led]) =>
      answerOrNothing(ask(nodeId, led), onAway),
    )
    for (const { errorCode, answer } of (await Promise.all(answers)).flatMap((all) => all ?? [])) {
      const name = partitionName(answer.topic, answer.partition)
      if (leaderCodes.includes(errorCode)) continue
      throwOnError(errorCode, `${doing} ${name}`)
      found.set(name, answer)
    }
    left = left.filter(({ topic, partition }) => !found.has(partitionName(topic, partition)))
    if (left.length === 0) break
    if (cluster.clock.monotonic() > deadline) throw lateError(doing, left[0]!, failure)
    cluster.markStale()
    await sleep(cluster.clock, backoffMs(attempt, cluster.random))
  }
  return partitions.map(({ topic, partition }) => found.get(partitionName(topic, partition))!)
}

async function groupByLeader<P extends TopicPartition>(
  cluster: Cluster,
  partitions: readonly P[],
): Promise<ReadonlyMap<number, readonly P[]>> {
  const led: { readonly leaderId: number; readonly place: P }[] = []
  for (const [name, ofTopic] of byTopic(partitions)) {
    const topic = await cluster.topic(name)
    for (const place of ofTopic) {
      const leader = topic.partitions[place.partition]
      if (leader === undefined) throw missingPartition(place, topic.partitions.length)
      if (leader.leaderId >= 0) led.push({ leaderId: leader.leaderId, place })
    }
  }
  const byLeader = Map.groupBy(led, ({ leaderId }) => leaderId)
  return new Map([...byLeader].map(([id, items]) => [id, items.map(({ place }) => place)]))
}

/** A broker that is away is asked again; anything else is the caller's to know. */
async function answerOrNothing<T>(
  answer: Promise<T>,
  onAway: (error: HeadwaterError) => void,
): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (!isHeadwaterError(error) || !error.retriable) throw error
    onAway(error)
    return undefined
  }
}

function missingPartition({ topic, partition }: TopicPartition, count: number): HeadwaterError {
  return new HeadwaterError(
    'not-found',
    `topic '${topic}' has ${count} partitions, so there is no partition ${partition}: choose one from 0 to ${count - 1}`,
  )
}

function lateError(
  doing: string,
  { topic, partition }: TopicPartition,
  cause: HeadwaterError | undefined,
): HeadwaterError {
  const why = cause?.message ?? 'check that the broker that leads it is running'
  return new HeadwaterError(
    'timeout',
    `could not ${doing} ${partitionName(topic, partition)} within ${askTimeoutMs} ms: ${why}`,
    { retriable: true, cause },
  )
}
