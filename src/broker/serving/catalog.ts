/**
 * The partitions this broker serves, by topic name and by topic id.
 *
 * What topics exist is decided by the topics machine; the catalog makes it so: it creates, configures and
 * deletes logs as that machine's effects ask. Partitions that are made together appear together, once all
 * of their logs are open: nobody may see a topic with fewer partitions than it has, and choose by that
 * where a key goes. An effect that ran before a crash runs again after it, so each is a no-op on what is
 * there already.
 */
import { assert } from '../../base/errors.ts'
import type { LogPlan, TopicsEffect } from '../../coordinator/commands.ts'
import type { LogConfig } from '../../log/identity.ts'
import type { LogStore } from '../../log/store/log-store.ts'
import { Partition } from './partition.ts'

export interface Topic {
  readonly name: string
  readonly topicId: string
  /** By partition index. */
  readonly partitions: Partition[]
}

export class Catalog {
  readonly #store: LogStore
  readonly #byName = new Map<string, Topic>()
  readonly #byId = new Map<string, Topic>()
  /** Effects change the store one after the other. */
  #work: Promise<void> = Promise.resolve()

  constructor(store: LogStore) {
    this.#store = store
  }

  topics(): Iterable<Topic> {
    return this.#byName.values()
  }

  byName(name: string): Topic | undefined {
    return this.#byName.get(name)
  }

  byId(topicId: string): Topic | undefined {
    return this.#byId.get(topicId)
  }

  partition(topic: string, index: number): Partition | undefined {
    return this.#byName.get(topic)?.partitions[index]
  }

  /** Runs one effect of the topics machine that is about logs; resolves when it is done. */
  run(effect: Exclude<TopicsEffect, { readonly type: 'configure-broker' }>): Promise<void> {
    const done = this.#work.then(() => this.#run(effect))
    this.#work = done.catch(() => {})
    return done
  }

  /** Resolves when every effect run so far is done. */
  settled(): Promise<void> {
    return this.#work
  }

  async #run(effect: Parameters<Catalog['run']>[0]): Promise<void> {
    switch (effect.type) {
      case 'create-logs':
        await Promise.all(effect.logs.map((plan) => this.#makeLog(plan)))
        for (const plan of effect.logs) this.#publish(plan)
        return
      case 'delete-logs':
        this.#forget(effect.topics, new Set(effect.logNames))
        await Promise.all(effect.logNames.map((logName) => this.#store.delete(logName)))
        return
      case 'configure-logs':
        for (const plan of effect.logs) this.#configure(plan)
    }
  }

  async #makeLog({ logName, configs }: LogPlan): Promise<void> {
    if (this.#store.get(logName) === undefined) {
      await this.#store.create(logName, logConfig(configs))
    }
  }

  #publish(plan: LogPlan): void {
    const log = this.#store.get(plan.logName)
    assert(log !== undefined, `the log ${plan.logName} was made and is not there`)
    this.#topic(plan).partitions[plan.partition] = new Partition(
      plan.topic,
      plan.topicId,
      plan.partition,
      log,
      plan.configs,
    )
  }

  #topic(plan: LogPlan): Topic {
    const known = this.#byId.get(plan.topicId)
    if (known !== undefined) return known
    const topic: Topic = { name: plan.topic, topicId: plan.topicId, partitions: [] }
    this.#byName.set(plan.topic, topic)
    this.#byId.set(plan.topicId, topic)
    return topic
  }

  #configure(plan: LogPlan): void {
    this.partition(plan.topic, plan.partition)?.configure(plan.configs)
  }

  /** A topic made again under the same name has another id, and must not be forgotten with the old one. */
  #forget(names: readonly string[], logNames: ReadonlySet<string>): void {
    for (const name of names) {
      const topic = this.#byName.get(name)
      if (topic === undefined || !topic.partitions.some(({ log }) => logNames.has(log.name)))
        continue
      this.#byName.delete(name)
      this.#byId.delete(topic.topicId)
    }
  }
}

/** What the log itself has to know; it keeps to it from its making on. */
function logConfig(configs: ReadonlyMap<string, string>): LogConfig {
  const segmentBytes = configs.get('segment.bytes')
  return segmentBytes === undefined ? {} : { segmentBytes: Number(segmentBytes) }
}
