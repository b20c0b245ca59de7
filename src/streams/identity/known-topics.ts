/**
 * The topics of a running instance as they were when it started. What is read of another topic under the
 * same name, or beside partitions that were added since, is never committed: the service stops and says so.
 */
import { HeadwaterError } from '../../base/errors.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import type { TopicPartition } from '../../client/cluster/topic-partition.ts'
import type { Plan } from '../plan/plan.ts'
import { partitionsProblem, readTopics } from './read-topics.ts'
import type { ReadTopic } from './read-topics.ts'
import type { Situation } from './situation.ts'

export class KnownTopics {
  readonly #service: string
  readonly #ids = new Map<string, string>()
  readonly #counts = new Map<ReadTopic, number>()

  constructor(plan: Plan, { topics }: Situation) {
    this.#service = plan.topology.service
    const read = readTopics(plan)
    const stores = plan.subTopologies.flatMap((part) => part.stores.map(({ topic }) => topic))
    for (const topic of [...read.map((each) => each.topic), ...stores]) {
      const id = topics.get(topic)?.id
      if (id !== undefined) this.#ids.set(topic, id)
    }
    for (const each of read) {
      const count = topics.get(each.topic)?.partitions.length
      if (count !== undefined) this.#counts.set(each, count)
    }
  }

  /**
   * Throws `state-mismatch` when the cluster shows another topic under a known name, or partitions that
   * were added. Asks nobody, so it is called before every commit.
   */
  check({ metadata }: Cluster): void {
    for (const [topic, id] of this.#ids) {
      const now = metadata.topic(topic)?.topicId
      if (now !== undefined && now !== id) throw this.#replaced(topic, id, now)
    }
    for (const [read, count] of this.#counts) {
      const now = metadata.topic(read.topic)?.partitions.length
      if (now !== undefined && now > count) throw this.#grown(read, count, now)
    }
  }

  /**
   * As `check`, of what the cluster has now, and of what the group gives to this instance: its leader may
   * have seen more. `not-found` when a topic is gone.
   */
  async checkAssigned(cluster: Cluster, assigned: readonly TopicPartition[]): Promise<void> {
    await Promise.all([...this.#counts.keys()].map(({ topic }) => cluster.partitionCount(topic)))
    this.check(cluster)
    for (const [read, count] of this.#counts) {
      const there = assigned.filter(({ topic }) => topic === read.topic)
      const now = Math.max(0, ...there.map(({ partition }) => partition + 1))
      if (now > count) throw this.#grown(read, count, now)
    }
  }

  #replaced(topic: string, id: string, now: string): HeadwaterError {
    return new HeadwaterError(
      'state-mismatch',
      `service '${this.#service}': topic '${topic}' was deleted and made anew while it was read: its ` +
        `id was ${id} and is ${now}. Nothing of the new one is committed: start the service again, ` +
        'which says what can be done',
    )
  }

  #grown(read: ReadTopic, had: number, now: number): HeadwaterError {
    const { why, fixes } = partitionsProblem(this.#service, read, had, now)!
    return new HeadwaterError(
      'state-mismatch',
      `service '${this.#service}': partitions were added to topic '${read.topic}' while it was read. ` +
        `It ${why}: ${fixes.join(', ')}. Nothing of the new ones was read`,
    )
  }
}
