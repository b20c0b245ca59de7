/** Fetches ahead for a set of tasks, one fetch at a time, and hands what comes to its task. */
import type { Cluster } from '../../client/cluster/cluster.ts'
import { Consumer } from '../../client/consumer/consumer.ts'
import { quietly } from './failures.ts'
import type { Stalls } from './stalls.ts'
import type { TaskSet } from './task-set.ts'

/** How long a fetch waits for records, and the loop for news. */
export const pollWaitMs = 100
const fetchBytesMax = 4 * 1024 * 1024
/** How long a broker that has nothing keeps a fetch, at most: well within what a request may take. */
const maxWaitMs = 500
const waitsPerRequest = 2

export class Fetching {
  readonly #consumer: Consumer
  readonly #set: TaskSet
  readonly #stalls: Stalls
  readonly #onNews: () => void
  #polling: Promise<void> | undefined
  #failure: unknown

  /** @param onNews called when a fetch has ended */
  constructor(
    cluster: Cluster,
    set: TaskSet,
    requestTimeoutMs: number,
    stalls: Stalls,
    onNews: () => void,
  ) {
    this.#consumer = new Consumer(cluster, {
      isolation: 'read_committed',
      fetchBytesMax,
      maxWaitMs: Math.min(maxWaitMs, Math.floor(requestTimeoutMs / waitsPerRequest)),
    })
    this.#set = set
    this.#stalls = stalls
    this.#onNews = onNews
  }

  /** Starts a fetch when none is on its way. Throws what the last one failed with. */
  goOn(): void {
    if (this.#failure !== undefined) {
      const failure = this.#failure
      this.#failure = undefined
      throw failure
    }
    if (this.#set.isEmpty) return
    this.#set.throttle(this.#consumer)
    this.#polling ??= this.#fetch().finally(() => {
      this.#polling = undefined
      this.#onNews()
    })
  }

  async #fetch(): Promise<void> {
    try {
      for (const delivery of await this.#consumer.poll(pollWaitMs)) this.#set.deliver(delivery)
      this.#set.noteEnds(this.#consumer)
      this.#stalls.look(this.#consumer.hindrance)
    } catch (error) {
      this.#failure = error
    }
  }

  /** Reads on where the tasks are. */
  start(): void {
    this.#consumer.assign(this.#set.positions())
  }

  /** Reads nothing until `start`; how the fetch on its way ends does not matter. */
  async stop(): Promise<void> {
    await this.#polling
    this.#failure = undefined
    this.#consumer.assign([])
  }

  /** Waits for the fetch on its way. */
  async settled(): Promise<void> {
    await this.#polling
  }

  async close(): Promise<void> {
    await quietly(this.#consumer.close())
  }
}
