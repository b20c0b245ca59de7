/**
 * What the leader of a group has shared out: how many partitions each topic had, and whether it still has
 * them. Partitions that are added, and topics that are made or deleted, ask for another round; it is the
 * leader that a coordinator lets begin one.
 */
import { isHeadwaterError } from '../../base/errors.ts'
import type { Cluster } from '../cluster/cluster.ts'

export class CountedTopics {
  readonly #cluster: Cluster
  readonly #onOutdated: () => void
  #stopWatching: (() => void) | undefined

  /** @param onOutdated called once for each count that no longer holds */
  constructor(cluster: Cluster, onOutdated: () => void) {
    this.#cluster = cluster
    this.#onOutdated = onOutdated
  }

  /** The partitions each topic has now, watched until the next count or `stop`. None: it does not exist. */
  async count(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    this.stop()
    const counts = new Map<string, number>()
    let isCounted = false
    const look = (): void => {
      if (!isCounted || this.#stopWatching !== stop) return
      if (topics.every((topic) => this.#known(topic) === counts.get(topic))) return
      this.stop()
      this.#onOutdated()
    }
    const stop = this.#cluster.watchTopics(topics, look)
    this.#stopWatching = stop
    this.#cluster.markStale()
    // Side by side: each that does not exist is waited for, and the session of the leader goes on.
    const counted = await Promise.all(topics.map((topic) => this.#partitionCount(topic)))
    for (const [i, count] of counted.entries())
      if (count !== undefined) counts.set(topics[i]!, count)
    isCounted = true
    // Some may have changed while others were counted.
    look()
    return counts
  }

  stop(): void {
    this.#stopWatching?.()
    this.#stopWatching = undefined
  }

  #known(topic: string): number | undefined {
    return this.#cluster.metadata.topic(topic)?.partitions.length
  }

  /** A topic that does not exist is nobody's: its members read the others. */
  async #partitionCount(topic: string): Promise<number | undefined> {
    try {
      return await this.#cluster.partitionCount(topic)
    } catch (error) {
      if (isHeadwaterError(error, 'not-found')) return undefined
      throw error
    }
  }
}
