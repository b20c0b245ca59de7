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
import type { Steps } from '../../base/steps.ts'
import type { LogPlan, TopicsEffect } from '../../coordinator/commands.ts'
import type { LogConfig } from '../../log/identity.ts'
import type { LogStore } from '../../log/store/log-store.ts'
import type { Turns } from '../turns.ts'
import { Partition } from './partition.ts'

export interface Topic {
  readonly name: string
  readonly topicId: string
  /** By partition index. */
  readonly partitions: Partition[]
}

/** What a log costs that is made, deleted or configured, beside items that are only looked up. */
const logItems = 2

export class Catalog {
  readonly #store: LogStore
  readonly #turns: Turns
  readonly #byName = new Map<string, Topic>()
  readonly #byId = new Map<string, Topic>()
  /** Effects change the store one after the other. */
  #work: Promise<void> = Promise.resolve()

  constructor(store: LogStore, turns: Turns) {
    this.#store = store
    this.#turns = turns
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

  /** Runs one effect of the topics machine that is about logs, and what belongs to it; resolves when it is done. */
  run(
    effect: Exclude<TopicsEffect, { readonly type: 'configure-broker' }>,
    after = (): Promise<void> => Promise.resolve(),
  ): Promise<void> {
    const done = this.#work.then(() => this.#run(effect)).then(after)
    this.#work = done.catch(() => {})
    return done
  }

  /** Resolves when every effect run so far is done. */
  settled(): Promise<void> {
    return this.#work
  }

  async #run(effect: Parameters<Catalog['run']>[0]): Promise<void> {
    switch (effect.type) {
      case 'create-logs': {
        await this.#forEach(effect.logs, (plan) => this.#makeLog(plan))
        const made: Partition[] = []
        await this.#forEach(effect.logs, (plan) => {
          made.push(this.#partition(plan))
          return undefined
        })
        // In one turn, so that they appear together.
        for (const partition of made) this.#publish(partition)
        return
      }
      case 'delete-logs':
        this.#forget(effect.topics, new Set(effect.logNames))
        return this.#forEach(effect.logNames, (logName) => this.#store.delete(logName))
      case 'configure-logs':
        return this.#forEach(effect.logs, (plan) => {
          this.#configure(plan)
          return undefined
        })
    }
  }

  /** Begins `work` on each of `items`, in turns, and waits until all is done. */
  async #forEach<T>(
    items: readonly T[],
    work: (item: T) => Promise<void> | undefined,
  ): Promise<void> {
    const begun: Promise<void>[] = []
    const steps = function* (): Steps<void> {
      for (const item of items) {
        const done = work(item)
        // It may fail while those after it still wait for their turn.
        done?.catch(() => {})
        if (done !== undefined) begun.push(done)
        yield logItems
      }
    }
    await this.#turns.run(steps())
    await Promise.all(begun)
  }

  async #makeLog({ logName, configs }: LogPlan): Promise<void> {
    if (this.#store.get(logName) === undefined) {
      await this.#store.create(logName, logConfig(configs))
    }
  }

  #partition({ topic, topicId, partition, logName, configs }: LogPlan): Partition {
    const log = this.#store.get(logName)
    assert(log !== undefined, `the log ${logName} was made and is not there`)
    return new Partition(topic, topicId, partition, log, configs)
  }

  #publish(partition: Partition): void {
    this.#topic(partition).partitions[partition.index] = partition
  }

  #topic({ topic: name, topicId }: Partition): Topic {
    const known = this.#byId.get(topicId)
    if (known !== undefined) return known
    const topic: Topic = { name, topicId, partitions: [] }
    this.#byName.set(name, topic)
    this.#byId.set(topicId, topic)
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
