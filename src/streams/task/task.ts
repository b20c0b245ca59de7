/**
 * A task: one sub-topology in one partition. It takes fetched batches, processes their records one by one
 * through the compiled pipeline, and knows what to commit. It is synchronous and touches nothing but its
 * own state and the `emit` it was given; moving the bytes is the runtime's business.
 *
 * Which record comes next: the one at the head of the input partition with the lowest timestamp; offset
 * order within a partition is never broken. While an input that is known to hold more is empty, the task
 * waits for the fetch, but not for what an open transaction holds back. A table read with `bootstrap` is not
 * aligned in time: it is read to the end it had when the task started before anything else, and its later
 * changes come first whenever they arrive.
 */
import { planted } from '../../base/planted.ts'
import { compilePipeline } from './pipeline.ts'
import type { Pipeline } from './pipeline.ts'
import { taskId } from '../plan/assignment.ts'
import type { Plan, SubTopology } from '../plan/plan.ts'
import type { Emit } from '../stores/emit.ts'
import type { LetterStamp } from '../operators/dead-letter.ts'
import { Discards } from '../operators/discards.ts'
import type { Discard } from '../operators/discards.ts'
import { RecordAtHand } from '../operators/source-record.ts'
import type { OperatorCounts } from '../operators/counts.ts'
import type { CallsContext } from './calls/call-stage.ts'
import { InputQueue } from './queue.ts'
import type { Delivery, Turn } from './queue.ts'
import type { KeyCodecs } from '../stores/serde.ts'
import type { StoredRow } from '../stores/store.ts'

/** Records that enter in a row before it is asked whether there is room: large ones may go beyond it by these. */
const enterRecords = 32

/** What tasks of one service share. */
export interface TaskContext {
  readonly plan: Plan
  readonly keys: KeyCodecs
  readonly emit: Emit
  readonly counts: OperatorCounts
  /** What dead letters say of their writer; undefined where none are written. */
  readonly stamp?: LetterStamp
  /** Undefined where nothing may reach outside. */
  readonly calls?: CallsContext
  /** The offset that a partition is not to be processed to; undefined: none, also of all. */
  readonly stopBefore?: (topic: string, partition: number) => number | undefined
}

/** A position to commit. */
export interface TaskOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** Where an input of a task begins. */
export interface TaskStart {
  readonly topic: string
  /** The committed position, or the beginning of the partition. */
  readonly position: number
  /** What the group has committed; undefined: nothing. */
  readonly committed: number | undefined
  /** The end of the partition now: its high watermark. */
  readonly endOffset: number
}

export class Task {
  readonly id: string
  readonly partition: number
  readonly subTopology: SubTopology
  readonly pipeline: Pipeline
  readonly #discards: Discards
  readonly #atHand: RecordAtHand
  readonly #context: TaskContext
  #queues: InputQueue[] = []
  /** What the group has committed, as this task knows it; undefined: nothing. */
  readonly #committed = new Map<string, number | undefined>()
  /** Topics of commands whose state was folded: rows without an offset would be nobody's. */
  readonly #folded = new Set<string>()

  constructor(context: TaskContext, subTopology: SubTopology, partition: number) {
    this.id = taskId(subTopology, partition)
    this.partition = partition
    this.subTopology = subTopology
    this.#context = context
    const { plan, keys, emit, counts, stamp, calls } = context
    const { letters } = plan
    const atHand = new RecordAtHand()
    const discards = new Discards({ partition, counts, emit, atHand, letters, stamp })
    this.#atHand = atHand
    this.#discards = discards
    const now = stamp && ((): number => stamp.now())
    const own = { partition, keys, emit, counts, discards, atHand, now }
    this.pipeline = compilePipeline(plan, subTopology, own, calls)
  }

  /** Topics that state comes back from. @param isCommitted whether the group has committed of a topic */
  restoredFrom(isCommitted: (topic: string) => boolean): string[] {
    const { restored, ownEvents } = this.pipeline
    // What was never committed of a decider is folded from its events, and would be there twice.
    const folded = ownEvents.filter(({ commands }) => !isCommitted(commands))
    const left = new Set(folded.map(({ changelog }) => changelog))
    return [...restored.keys()].filter((topic) => !left.has(topic))
  }

  /** Topics of events that deciders have to fold, when all else has come back. */
  foldedFrom(): string[] {
    const blank = this.pipeline.ownEvents.filter(({ isBlank }) => isBlank)
    return [...new Set(blank.map(({ topic }) => topic))]
  }

  /** Takes the records of a topic that state is rebuilt from. All of them come before `start`. */
  restorer(topic: string): (record: StoredRow) => void {
    const deciders = this.pipeline.ownEvents.filter((own) => own.topic === topic && own.isBlank)
    if (deciders.length > 0) {
      return (record) => {
        for (const own of deciders) {
          own.fold(record)
          this.#folded.add(own.commands)
        }
      }
    }
    const stores = this.pipeline.restored.get(topic) ?? []
    return (record) => {
      for (const store of stores) store.restore(record)
    }
  }

  /** Sets where the inputs begin. */
  start(starts: readonly TaskStart[]): void {
    const { plan, keys, counts } = this.#context
    this.#queues = []
    for (const { topic, position, committed, endOffset } of starts) {
      const source = this.subTopology.sources.find((candidate) => candidate.topic === topic)!
      const push = this.pipeline.enter.get(topic)!
      const service = plan.topology.service
      const { partition } = this
      const { times } = this.pipeline
      const isBegun = committed !== undefined
      const stopBefore = this.#context.stopBefore?.(topic, partition)
      const at = { partition, position, endOffset, isBegun, stopBefore }
      const shared = { keys, times, counts, discards: this.#discards, atHand: this.#atHand }
      const stage = this.pipeline.stages.get(topic)
      const refuse = this.pipeline.refusers.get(topic)
      const queue = new InputQueue({ service, source, push, stage, refuse, ...at, ...shared })
      this.#queues.push(queue)
      this.#committed.set(topic, committed)
    }
  }

  get queues(): readonly InputQueue[] {
    return this.#queues
  }

  deliver(delivery: Delivery): void {
    this.#queues.find((queue) => queue.source.topic === delivery.topic)?.deliver(delivery)
  }

  /** Processes up to `limit` records of a turn and returns how many; 0 when it must wait for more. */
  process(limit: number, turn: Turn): number {
    const queues = this.#queues
    const only = queues.length === 1 ? queues[0] : undefined
    let done = this.#applyCalls(limit, turn)
    while (done < limit && !turn.hasEnded) {
      const left = limit - done
      const ran =
        only === undefined ? this.#step(left, turn) : this.#run(only, Infinity, left, turn)
      done += ran
      if (ran === 0 || turn.hasEnded) break
    }
    return done
  }

  /** Applies what has come of calls outside. */
  #applyCalls(limit: number, turn: Turn): number {
    const { stages } = this.pipeline
    if (stages.size === 0) return 0
    let done = 0
    for (const queue of this.#queues) {
      const stage = stages.get(queue.source.topic)
      if (stage === undefined || !stage.isBusy || turn.hasEnded) continue
      done += stage.apply(limit - done, (offset) => turn.isOver(queue, offset))
    }
    return done
  }

  /** Processes records of a queue, as many as may enter where they lead to calls. */
  #run(queue: InputQueue, until: number, limit: number, turn: Turn): number {
    const stage = this.pipeline.stages.get(queue.source.topic)
    if (stage === undefined) return queue.run(until, limit, turn)
    const room = Math.min(limit, stage.room, enterRecords)
    return room <= 0 ? 0 : queue.run(until, room, turn)
  }

  #isFull({ source }: InputQueue): boolean {
    const stage = this.pipeline.stages.get(source.topic)
    return stage !== undefined && stage.room <= 0
  }

  #step(limit: number, turn: Turn): number {
    let next: InputQueue | undefined
    let lowest = Infinity
    let second = Infinity
    let mustWait = false
    for (const queue of this.#queues) {
      if (this.#isFull(queue)) continue
      const head = queue.headTimestamp
      if (queue.source.bootstrap) {
        if (head !== undefined) return this.#run(queue, Infinity, limit, turn)
        if (queue.isBootstrapping) return 0
      } else if (head === undefined) {
        mustWait ||= queue.awaitsFetch
      } else if (next === undefined || head < lowest) {
        second = lowest
        lowest = head
        next = queue
      } else if (head < second) {
        second = head
      }
    }
    if (next === undefined || mustWait) return 0
    // A record later than another input's head must wait for that one, which `run` cannot see.
    return this.#run(next, second, limit, turn)
  }

  /** Rows of state that have changed since they last left. */
  waiting(): number {
    return this.pipeline.waiting()
  }

  /** What operators discarded since the last call. */
  discarded(): Discard[] {
    return this.#discards.take()
  }

  /** Sends about `limit` changed rows out; true when none is left and offsets may be committed. */
  flush(limit: number): boolean {
    this.#atHand.from(undefined)
    const unread = this.#queues.filter((queue) => !queue.source.inner && this.#lagOf(queue) > 0)
    return this.pipeline.flush(limit, new Set(unread.map(({ source }) => source.topic)))
  }

  /** Whether a position has moved since the last commit. */
  get hasMoved(): boolean {
    return this.#queues.some((queue) => this.#isAhead(queue))
  }

  #isAhead(queue: InputQueue): boolean {
    const { topic } = queue.source
    const committed = this.#committed.get(topic)
    if (committed === undefined && this.#folded.has(topic)) return true
    return this.#positionOf(queue) !== (committed ?? 0)
  }

  /** Up to where everything has been done: records whose calls have not ended are still to be done. */
  #positionOf({ source, position }: InputQueue): number {
    if (planted.has('commit-before-calls')) return position
    return this.pipeline.stages.get(source.topic)?.pendingFrom ?? position
  }

  /** Whether all of an input has been done up to the record that it is to stop before. */
  isAtStop(topic: string): boolean {
    const queue = this.#queues.find(({ source }) => source.topic === topic)
    return queue !== undefined && queue.isAtStop && this.#positionOf(queue) >= queue.position
  }

  /** Offsets between what has been done and the ends of the partitions. */
  get lag(): number {
    let lag = 0
    for (const queue of this.#queues) lag += this.#lagOf(queue)
    return lag
  }

  #lagOf(queue: InputQueue): number {
    return queue.lag + queue.position - this.#positionOf(queue)
  }

  /** Whether calls outside are out, or wait. */
  get hasCalls(): boolean {
    return [...this.pipeline.stages.values()].some(({ isBusy }) => isBusy)
  }

  /** Lets no more records lead to calls, or again. */
  holdCalls(isHeld: boolean): void {
    for (const stage of this.pipeline.stages.values()) {
      if (isHeld) stage.hold()
      else stage.goOn()
    }
  }

  /** Gives up the calls that have not ended: whoever has the partition next calls again. */
  abandonCalls(reason: Error): void {
    for (const stage of this.pipeline.stages.values()) stage.abandon(reason)
  }

  /** Positions that moved since the last commit. */
  offsets(): TaskOffset[] {
    const moved = this.#queues.filter((queue) => this.#isAhead(queue))
    return moved.map((queue) => {
      const { topic } = queue.source
      return { topic, partition: this.partition, offset: this.#positionOf(queue) }
    })
  }

  /** Notes that what `offsets` returned has been committed. */
  committed(offsets: readonly TaskOffset[]): void {
    for (const { topic, offset } of offsets) this.#committed.set(topic, offset)
    this.pipeline.committed()
  }

  /** What the group has committed of an input; undefined: nothing yet. */
  lastCommitted(topic: string): number | undefined {
    return this.#committed.get(topic)
  }
}
