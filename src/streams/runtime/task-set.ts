/**
 * The tasks and inputs an instance runs at the moment: opened for an ownership, kept while the group
 * rebalances, dropped when their state can no longer be trusted.
 *
 * What was kept is used again only if nobody else can have held the partitions in between (the same
 * member, in the generation directly after) and the group's committed offsets are those it left. All
 * else is restored.
 */
import { HeadwaterError } from '../../base/errors.ts'
import type { GroupMember, Ownership } from '../../client/group/group-member.ts'
import type { PartitionOffset } from '../../client/cluster/topic-partition.ts'
import type { Clock } from '../../io/ports.ts'
import type { InputReader } from '../task/inputs.ts'
import type { Delivery, Turn } from '../task/queue.ts'
import { Task } from '../task/task.ts'
import type { Kept } from './kept.ts'
import type { Opener } from './open.ts'

/** Records buffered for one input partition before its fetching pauses, and below which it goes on. */
const bufferedRecordsMax = 20_000
const bufferedRecordsLow = 5_000
/** The same in bytes, for one partition and for what all have together. */
const bufferedBytesMax = 8 * 1024 * 1024
const bufferedBytesOfAll = 64 * 1024 * 1024
const bufferedBytesMin = 256 * 1024
/** Records of one task before the next has its turn. */
const shareRecords = 512
/** How long a source may take to stop: one that waits for what may never come does not say so before. */
const inputCloseMs = 1_000

/** What pauses and resumes the fetching of a partition. */
export interface Throttle {
  pause(topic: string, partition: number): void
  resume(topic: string, partition: number): void
}

/** What tells where partitions end; undefined before the first answer. */
export interface KnownEnds {
  highWatermark(topic: string, partition: number): number | undefined
  lastStableOffset(topic: string, partition: number): number | undefined
}

/** What `open` did. */
export interface Opened {
  readonly kept: number
  readonly restored: number
}

export class TaskSet {
  readonly #clock: Clock
  readonly #opener: Opener
  #tasks = new Map<string, Task>()
  #inputs = new Map<string, InputReader>()
  #kept: Kept | undefined
  #byPlace = new Map<string, Task | InputReader>()
  #inTurn: readonly (Task | InputReader)[] = []
  /** Who of them is next. */
  #next = 0
  readonly #paused = new Set<string>()

  constructor(clock: Clock, opener: Opener) {
    this.#clock = clock
    this.#opener = opener
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

  /** Opens what the ownership is for; new tasks are restored before any runs. */
  async open(ownership: Ownership, member: GroupMember, assertWanted: () => void): Promise<Opened> {
    const kept = this.#kept ?? { tasks: new Map(), inputs: new Map(), under: undefined }
    const opening = { ownership, member, assertWanted, kept }
    const { tasks, inputs, keptCount } = await this.#opener.open(opening)
    const unused = [...kept.inputs.values()].filter((input) => inputs.get(input.id) !== input)
    this.#kept = undefined
    this.#tasks = tasks
    this.#inputs = inputs
    this.#index()
    this.holdCalls(false)
    await closeAll(this.#clock, unused)
    return { kept: keptCount, restored: tasks.size - keptCount }
  }

  #index(): void {
    this.#byPlace = new Map()
    this.#inTurn = [...this.#tasks.values(), ...this.#inputs.values()]
    this.#next = 0
    this.#paused.clear()
    for (const task of this.#tasks.values()) {
      for (const { source } of task.queues) {
        this.#byPlace.set(`${source.topic}/${task.partition}`, task)
      }
    }
    for (const input of this.#inputs.values()) {
      this.#byPlace.set(`${input.plan.positionTopic}/${input.split}`, input)
    }
  }

  /** Whether calls outside are out, or wait. */
  get hasCalls(): boolean {
    for (const task of this.#tasks.values()) if (task.hasCalls) return true
    return false
  }

  holdCalls(isHeld: boolean): void {
    for (const task of this.#tasks.values()) task.holdCalls(isHeld)
  }

  /**
   * Puts everything aside until the group has assigned partitions anew. Nothing may be uncommitted; tasks
   * whose calls have not ended are forgotten.
   */
  suspend(ownership: Ownership): void {
    const tasks = new Map(this.#tasks)
    for (const task of this.#tasks.values()) {
      if (!task.hasCalls) continue
      task.abandonCalls(callsGivenUp())
      tasks.delete(task.id)
    }
    this.#kept = { tasks, inputs: this.#inputs, under: ownership }
    this.#tasks = new Map()
    this.#inputs = new Map()
    this.#index()
  }

  /** Forgets everything, processed or not. */
  async drop(): Promise<void> {
    const inputs = [...this.#inputs.values(), ...(this.#kept?.inputs.values() ?? [])]
    for (const task of this.#tasks.values()) task.abandonCalls(callsGivenUp())
    this.#tasks = new Map()
    this.#inputs = new Map()
    this.#kept = undefined
    this.#index()
    await closeAll(this.#clock, inputs)
  }

  /** Where the consumer goes on in every partition. */
  positions(): PartitionOffset[] {
    const positions: PartitionOffset[] = []
    for (const { queues, partition } of this.#tasks.values()) {
      for (const { source, fetchedTo } of queues) {
        positions.push({ topic: source.topic, partition, offset: fetchedTo })
      }
    }
    for (const { place, topicPosition } of this.#inputs.values()) {
      positions.push({ ...place, offset: topicPosition })
    }
    return positions
  }

  deliver(delivery: Delivery): void {
    const taker = this.#byPlace.get(`${delivery.topic}/${delivery.partition}`)
    if (taker instanceof Task) taker.deliver(delivery)
    else taker?.consumed(delivery.nextOffset)
  }

  /** Notes where partitions end, which fetches that brought nothing tell, too. */
  noteEnds(ends: KnownEnds): void {
    for (const { queues, partition } of this.#tasks.values()) {
      for (const queue of queues) {
        const { topic } = queue.source
        const end = ends.highWatermark(topic, partition)
        const stableEnd = ends.lastStableOffset(topic, partition)
        if (end !== undefined && stableEnd !== undefined) queue.endsAt(end, stableEnd)
      }
    }
  }

  /** Pauses the fetching of what has much in store, and resumes what has used it up. */
  throttle(consumer: Throttle): void {
    const share = bufferedBytesOfAll / Math.max(1, this.#byPlace.size)
    const bytesMax = Math.max(bufferedBytesMin, Math.min(bufferedBytesMax, share))
    for (const { queues, partition } of this.#tasks.values()) {
      for (const { source, buffered, bufferedBytes } of queues) {
        const place = `${source.topic}/${partition}`
        const isPaused = this.#paused.has(place)
        if (!isPaused && (buffered > bufferedRecordsMax || bufferedBytes > bytesMax)) {
          this.#paused.add(place)
          consumer.pause(source.topic, partition)
        } else if (isPaused && buffered < bufferedRecordsLow && bufferedBytes < bytesMax / 4) {
          this.#paused.delete(place)
          consumer.resume(source.topic, partition)
        }
      }
    }
  }

  /**
   * Processes records for one turn, fairly among tasks and inputs: it begins where the last turn ended, but
   * for inputs in the middle of a batch, which every commit waits for. Returns how many; 0: all wait.
   */
  process(turn: Turn, now: number): number {
    let done = 0
    for (const input of this.#inputs.values()) {
      while (!turn.hasEnded && !input.isBetweenBatches) done += readSome(input, turn, now)
    }
    const all = this.#inTurn
    for (let waiting = 0; !turn.hasEnded && waiting < all.length; waiting++) {
      const each = all[this.#next % all.length]!
      this.#next = (this.#next + 1) % all.length
      const isTask = each instanceof Task
      const did = isTask ? each.process(shareRecords, turn) : readSome(each, turn, now)
      done += did
      if (did > 0) waiting = -1
    }
    return done
  }

  /** Whether every input can commit now. */
  get isBetweenBatches(): boolean {
    for (const input of this.#inputs.values()) if (!input.isBetweenBatches) return false
    return true
  }

  /** Whether outcomes of commands are to say where events are that are on their way. */
  get awaitsPlaces(): boolean {
    for (const task of this.#tasks.values()) if (task.pipeline.awaitsPlaces()) return true
    return false
  }

  /** Outcomes of commands that are remembered, and the memory they take. */
  get remembered(): { readonly commands: number; readonly bytes: number } {
    const stores = [...this.#tasks.values()].flatMap(({ pipeline }) => [
      ...pipeline.remembered.values(),
    ])
    const commands = stores.reduce((sum, { size }) => sum + size, 0)
    return { commands, bytes: stores.reduce((sum, { bytes }) => sum + bytes, 0) }
  }

  /** Whether rows wait to be written. */
  get hasRows(): boolean {
    for (const task of this.#tasks.values()) if (task.waiting() > 0) return true
    return false
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
        const offset = task.lastCommitted(source.topic) ?? 0
        positions.push({ topic: source.topic, partition: task.partition, offset })
      }
    }
    return positions
  }

  /** Records between what has been processed and the ends of the topics. */
  get lag(): number {
    let lag = 0
    for (const task of this.#tasks.values()) lag += task.lag
    return lag
  }
}

/** An input does not look at the clock itself. */
function readSome(input: InputReader, turn: Turn, now: number): number {
  const done = input.process(shareRecords, now)
  turn.look()
  return done
}

/** What a function hears by its signal when its call is given up. */
function callsGivenUp(): HeadwaterError {
  return new HeadwaterError(
    'stale-member',
    'the partition goes to another instance, or the service ends: whoever has the record next calls again',
  )
}

async function closeAll(clock: Clock, inputs: Iterable<InputReader>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = clock.after(inputCloseMs, resolve)
  await Promise.race([Promise.all([...inputs].map((input) => input.close())), late])
  timer.cancel()
}
