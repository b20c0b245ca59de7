/** Waiting until what is in the streams now has gone through a service. */
import type { Cluster } from '../../client/cluster/cluster.ts'
import { latestTimestamp, listOffsets } from '../../client/consumer/list-offsets.ts'
import type { TaskSet } from './task-set.ts'
import type { Waiters } from './waiters.ts'

export interface CaughtUpOptions {
  readonly cluster: Cluster
  readonly set: TaskSet
  readonly waiters: Waiters
  readonly failed: Promise<never>
  readonly isRunning: () => boolean
  /** Inner topics that records may have to pass one after another. */
  readonly innerTopics: number
}

/** As `RunningTopology.caughtUp` says. */
export async function caughtUp(o: CaughtUpOptions): Promise<void> {
  const { cluster, set, waiters, failed, isRunning } = o
  await waiters.until(isRunning)
  await waiters.until(() => [...set.inputs].every(({ isDone }) => isDone))
  // Each pass follows records through one more inner topic.
  for (let pass = 0; pass <= o.innerTopics; pass++) {
    const places = set.committedPositions({ innerOnly: false })
    const asked = listOffsets(cluster, places, latestTimestamp, 'read_uncommitted')
    const ends = await Promise.race([asked, failed])
    await waiters.until(() => {
      if (!isRunning()) return false
      const positions = set.committedPositions({ innerOnly: false })
      const at = new Map(positions.map((each) => [`${each.topic}/${each.partition}`, each.offset]))
      return ends.every(({ topic, partition, offset }) => {
        return (at.get(`${topic}/${partition}`) ?? Infinity) >= offset
      })
    })
  }
}
