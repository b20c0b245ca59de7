/**
 * The tasks and inputs an instance runs at the moment: opened when the group assigns partitions, kept
 * while it rebalances, dropped when their state can no longer be trusted.
 *
 * A task that comes back to the same member in the next generation keeps its state: nobody else can have
 * run it in between. One that went elsewhere is dropped, and restored if it returns later.
 */
import type { Cluster } from '../../client/cluster/cluster.ts'
import {
  earliestTimestamp,
  latestTimestamp,
  listOffsets,
} from '../../client/consumer/list-offsets.ts'
import type { GroupMember } from '../../client/group/group-member.ts'
import type { PartitionOffset, TopicPartition } from '../../client/cluster/topic-partition.ts'
import type { Clock } from '../../io/ports.ts'
import { assignTasks } from '../plan/assignment.ts'
import type { TaskAssignment } from '../plan/assignment.ts'
import { InputReader } from '../task/inputs.ts'
import type { OperatorContext } from '../operators/operator.ts'
import type { InputPlan, Plan } from '../plan/plan.ts'
import type { Delivery } from '../task/queue.ts'
import { readPosition, restoreTasks } from './restore.ts'
import type { Restoration } from './restore.ts'
import { Task } from '../task/task.ts'
import type { TaskStart } from '../task/task.ts'

/** Records buffered for one input partition before its fetching pauses, and below which it goes on. */
const bufferedRecordsMax = 20_000
const bufferedRecordsLow = 5_000
/** How long a source may take to stop: one that waits for what may never come does not say so before. */
const inputCloseMs = 1_000

/** What pauses and resumes the fetching of a partition. */
export interface Throttle {
  pause(topic: string, partition: number): void
  resume(topic: string, partition: number): void
}

export class TaskSet {
  readonly #cluster: Cluster
  readonly #plan: Plan
  readonly #context: OperatorContext
  readonly #onReady: () => void
  #tasks = new Map<string, Task>()
  #inputs = new Map<string, InputReader>()
  #keptTasks = new Map<string, Task>()
  #keptInputs = new Map<string, InputReader>()
  #byPlace = new Map<string, Task | InputReader>()
  readonly #paused = new Set<string>()

  /** @param onReady called when an input has something to process */
  constructor(cluster: Cluster, plan: Plan, context: OperatorContext, onReady: () => void) {
    this.#cluster = cluster
    this.#plan = plan
    this.#context = context
    this.#onReady = onReady
  }

  get tasks(): Iterable<Task> {
    return this.#tasks.values()
  }

  get inputs(): Iterable<InputReader> {
    return this.#inputs.values()
  }

  get isEmpty(): boolean {
    return this.#byPlace.size === 0
  }

  /** Opens what the partitions are for; new tasks are restored before any runs. */
  async open(partitions: readonly TopicPartition[], member: GroupMember): Promise<void> {
    const { tasks, inputs } = assignTasks(this.#plan, partitions)
    const opened = new Map<string, Task>()
    const missing: TaskAssignment[] = []
    for (const assigned of tasks) {
      const kept = this.#keptTasks.get(assigned.id)
      if (kept === undefined) missing.push(assigned)
      else opened.set(assigned.id, kept)
    }
    for (const task of await this.#openTasks(missing, member)) opened.set(task.id, task)
    const readers = new Map<string, InputReader>()
    for (const plan of inputs) {
      const { name } = plan.node
      const reader = this.#keptInputs.get(name) ?? (await this.#openInput(plan, member))
      this.#keptInputs.delete(name)
      readers.set(name, reader)
    }
    await closeAll(this.#cluster.clock, this.#keptInputs.values())
    this.#keptTasks = new Map()
    this.#keptInputs = new Map()
    this.#tasks = opened
    this.#inputs = readers
    this.#index()
  }

  #index(): void {
    this.#byPlace = new Map()
    this.#paused.clear()
    for (const task of this.#tasks.values()) {
      for (const { source } of task.queues) {
        this.#byPlace.set(`${source.topic}/${task.partition}`, task)
      }
    }
    for (const input of this.#inputs.values()) {
      this.#byPlace.set(`${input.plan.positionTopic}/0`, input)
    }
  }

  async #openTasks(
    assigned: readonly TaskAssignment[],
    member: GroupMember,
  ): Promise<readonly Task[]> {
    if (assigned.length === 0) return []
    const places = assigned.flatMap(({ topics, partition }) =>
      topics.map((topic) => ({ topic, partition })),
    )
    const [committed, starts, ends] = await Promise.all([
      committedOf(member, places),
      listOffsets(this.#cluster, places, earliestTimestamp, 'read_committed'),
      listOffsets(this.#cluster, places, latestTimestamp, 'read_committed'),
    ])
    const known = new Map<string, TaskStart>()
    for (const [i, { topic, partition }] of places.entries()) {
      const { offset = 0, metadata } = committed[i]!
      const position = Math.max(offset, starts[i]!.offset)
      known.set(`${topic}/${partition}`, { topic, position, endOffset: ends[i]!.offset, metadata })
    }
    const restorations: Restoration[] = []
    const tasks = assigned.map(({ subTopology, partition, topics }) => {
      const task = new Task({ ...this.#context, plan: this.#plan }, subTopology, partition)
      for (const topic of task.pipeline.restored.keys()) {
        const until = topics.includes(topic)
          ? known.get(`${topic}/${partition}`)!.position
          : undefined
        restorations.push({ task, topic, until })
      }
      return { task, starts: topics.map((topic) => known.get(`${topic}/${partition}`)!) }
    })
    await restoreTasks(this.#cluster, restorations)
    for (const { task, starts: of } of tasks) task.start(of)
    return tasks.map(({ task }) => task)
  }

  async #openInput(plan: InputPlan, member: GroupMember): Promise<InputReader> {
    const topic = plan.positionTopic
    const [committed] = await committedOf(member, [{ topic, partition: 0 }])
    const { offset, metadata } = committed!
    const last = offset === undefined ? undefined : { offset, metadata }
    const saved = await readPosition(this.#cluster, topic, last)
    const { service } = this.#plan.topology
    const reader = new InputReader(plan, service, this.#context, this.#onReady)
    reader.start(saved, offset ?? 0)
    return reader
  }

  /** Puts everything aside until the group has assigned partitions anew. Nothing may be uncommitted. */
  suspend(): void {
    this.#keptTasks = this.#tasks
    this.#keptInputs = this.#inputs
    this.#tasks = new Map()
    this.#inputs = new Map()
    this.#index()
  }

  /** Forgets everything, processed or not. */
  async drop(): Promise<void> {
    const inputs = [...this.#inputs.values(), ...this.#keptInputs.values()]
    this.#tasks = new Map()
    this.#inputs = new Map()
    this.#keptTasks = new Map()
    this.#keptInputs = new Map()
    this.#index()
    await closeAll(this.#cluster.clock, inputs)
  }

  /** Where the consumer goes on in every partition. */
  positions(): PartitionOffset[] {
    const positions: PartitionOffset[] = []
    for (const { queues, partition } of this.#tasks.values()) {
      for (const { source, fetchedTo } of queues) {
        positions.push({ topic: source.topic, partition, offset: fetchedTo })
      }
    }
    for (const { plan, topicPosition } of this.#inputs.values()) {
      positions.push({ topic: plan.positionTopic, partition: 0, offset: topicPosition })
    }
    return positions
  }

  deliver(delivery: Delivery): void {
    const taker = this.#byPlace.get(`${delivery.topic}/${delivery.partition}`)
    if (taker instanceof Task) taker.deliver(delivery)
    else taker?.consumed(delivery.nextOffset)
  }

  /** Pauses the fetching of what has much in store, and resumes what has used it up. */
  throttle(consumer: Throttle): void {
    for (const { queues, partition } of this.#tasks.values()) {
      for (const { source, buffered } of queues) {
        const place = `${source.topic}/${partition}`
        const isPaused = this.#paused.has(place)
        if (!isPaused && buffered > bufferedRecordsMax) {
          this.#paused.add(place)
          consumer.pause(source.topic, partition)
        } else if (isPaused && buffered < bufferedRecordsLow) {
          this.#paused.delete(place)
          consumer.resume(source.topic, partition)
        }
      }
    }
  }

  /** Processes about `limit` records, fairly among tasks and inputs. Returns how many; 0: all wait. */
  process(limit: number, now: number): number {
    const share = Math.ceil(limit / Math.max(1, this.#tasks.size + this.#inputs.size))
    let done = 0
    while (done < limit) {
      const before = done
      for (const task of this.#tasks.values()) done += task.process(share)
      for (const input of this.#inputs.values()) done += input.process(share, now)
      if (done === before) break
    }
    return done
  }

  /** Whether every input can commit now. */
  get isBetweenBatches(): boolean {
    for (const input of this.#inputs.values()) if (!input.isBetweenBatches) return false
    return true
  }

  /** Whether any position is ahead of its commit. */
  get hasMoved(): boolean {
    for (const task of this.#tasks.values()) if (task.hasMoved) return true
    return false
  }

  /** What is committed of the input partitions of the tasks. */
  committedPositions(o: { innerOnly: boolean }): PartitionOffset[] {
    const positions: PartitionOffset[] = []
    for (const task of this.#tasks.values()) {
      for (const { source } of task.queues) {
        if (o.innerOnly && !source.inner) continue
        const offset = task.committedPosition(source.topic)
        positions.push({ topic: source.topic, partition: task.partition, offset })
      }
    }
    return positions
  }

  /** Records between what has been processed and the ends of the topics. */
  get lag(): number {
    let lag = 0
    for (const task of this.#tasks.values()) for (const queue of task.queues) lag += queue.lag
    return lag
  }
}

/** The group's committed offsets, in the order of `places`; undefined where there is none. */
async function committedOf(
  member: GroupMember,
  places: readonly TopicPartition[],
): Promise<readonly { offset: number | undefined; metadata: string }[]> {
  const byPlace = new Map<string, { offset: number; metadata: string }>()
  for (const committed of await member.committed(places, { requireStable: true })) {
    byPlace.set(`${committed.topic}/${committed.partition}`, committed)
  }
  return places.map(({ topic, partition }) => {
    const { offset = -1, metadata = '' } = byPlace.get(`${topic}/${partition}`) ?? {}
    return { offset: offset < 0 ? undefined : offset, metadata }
  })
}

async function closeAll(clock: Clock, inputs: Iterable<InputReader>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = clock.after(inputCloseMs, resolve)
  await Promise.race([Promise.all([...inputs].map((input) => input.close())), late])
  timer.cancel()
}
