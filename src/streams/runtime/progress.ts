/** How far the group of a service is, for questions that wait for it: however many they are, they ask as one. */
import { sleep } from '../../client/cluster/backoff.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import type { PartitionOffset, TopicPartition } from '../../client/cluster/topic-partition.ts'
import { latestTimestamp, listOffsets } from '../../client/consumer/list-offsets.ts'
import type { GroupMember } from '../../client/group/group-member.ts'
import type { Plan } from '../plan/plan.ts'
import type { Offsets, Progress } from '../views/freshness.ts'
import { quietly } from './failures.ts'
import type { Waiters } from './waiters.ts'

/** How long the coordinator has peace between two questions about the same. */
const pauseMs = 20

export interface ProgressOptions {
  readonly cluster: Cluster
  readonly member: GroupMember
  readonly plan: Plan
  readonly waiters: Waiters
  /** Ends the loop's sleep: what has been processed is committed at once when someone waits for it. */
  readonly wake: () => void
}

export function progressOf(o: ProgressOptions): Progress {
  const { cluster, member, plan, waiters } = o
  const { clock } = cluster
  const places = placesOf(plan)
  const committed = new Rounds(
    async () => offsetsIn(await member.committed(places, { requireStable: false })),
    () => sleep(clock, pauseMs),
  )
  const ends = new Rounds(
    async () => offsetsIn(await listOffsets(cluster, places, latestTimestamp, 'read_uncommitted')),
    async () => {},
  )
  const inTime = async (round: Promise<Offsets>, waitMs: number): Promise<Offsets | undefined> => {
    const late = Promise.withResolvers<undefined>()
    const timer = clock.after(waitMs, () => late.resolve(undefined))
    // That a broker could not say is as good as silence.
    const found = await Promise.race([round.catch(() => undefined), late.promise])
    timer.cancel()
    return found
  }
  return {
    now: () => clock.monotonic(),
    until: (isDue, waitMs) => {
      o.wake()
      return waiters.within(clock, waitMs, isDue)
    },
    committed: (waitMs) => inTime(committed.next(), waitMs),
    ends: (waitMs) => inTime(ends.next(), waitMs),
  }
}

/** One question at a time. Who comes while one is under way is answered by the next, which began after it came. */
class Rounds {
  readonly #ask: () => Promise<Offsets>
  readonly #pause: () => Promise<void>
  /** Ends when the next may begin. */
  #running: Promise<void> | undefined
  #next: Promise<Offsets> | undefined

  /** @param pause what comes between two questions */
  constructor(ask: () => Promise<Offsets>, pause: () => Promise<void>) {
    this.#ask = ask
    this.#pause = pause
  }

  next(): Promise<Offsets> {
    if (this.#running === undefined) return this.#begin()
    return (this.#next ??= this.#running.then(() => {
      this.#next = undefined
      return this.#begin()
    }))
  }

  #begin(): Promise<Offsets> {
    const round = this.#ask()
    const running = quietly(round)
      .then(this.#pause)
      .then(() => {
        if (this.#running === running) this.#running = undefined
      })
    this.#running = running
    return round
  }
}

function placesOf({ subTopologies }: Plan): TopicPartition[] {
  return subTopologies.flatMap(({ sources }) => {
    return sources.flatMap(({ topic, partitions }) => {
      return Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
    })
  })
}

function offsetsIn(found: readonly PartitionOffset[]): Offsets {
  const byPlace = new Map(found.map((each) => [`${each.topic}/${each.partition}`, each.offset]))
  return (topic, partition) => {
    const offset = byPlace.get(`${topic}/${partition}`)
    return offset === undefined || offset < 0 ? undefined : offset
  }
}
