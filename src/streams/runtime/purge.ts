/**
 * Deletes from the service's inner topics what has been processed for good.
 *
 * Inner topics keep everything until then, whatever its age: a service that is down for a week loses
 * nothing. Only records before the committed position go, now and then, and it does not matter when: a
 * failure is left to the next time.
 */
import { deleteRecords } from '../../client/admin.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import type { PartitionOffset } from '../../client/cluster/topic-partition.ts'
import { quietly } from './failures.ts'

export class Purge {
  readonly #cluster: Cluster
  readonly #intervalMs: number
  readonly #deleted = new Map<string, number>()
  #next: number
  #running: Promise<void> | undefined

  constructor(cluster: Cluster, intervalMs: number) {
    this.#cluster = cluster
    this.#intervalMs = intervalMs
    this.#next = cluster.clock.monotonic() + intervalMs
  }

  /** Starts to delete what lies before the committed positions, when it is time again. */
  consider(committed: () => readonly PartitionOffset[]): void {
    const now = this.#cluster.clock.monotonic()
    if (now < this.#next || this.#running !== undefined) return
    this.#next = now + this.#intervalMs
    const due = committed().filter(({ topic, partition, offset }) => {
      return offset > (this.#deleted.get(`${topic}/${partition}`) ?? 0)
    })
    if (due.length === 0) return
    this.#running = quietly(this.#delete(due)).finally(() => {
      this.#running = undefined
    })
  }

  async #delete(due: readonly PartitionOffset[]): Promise<void> {
    await deleteRecords(this.#cluster, due)
    for (const place of due) this.#deleted.set(`${place.topic}/${place.partition}`, place.offset)
  }
}
