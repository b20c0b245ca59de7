/**
 * Runs one service's topology without a broker: same plan, same tasks, same operators, with topics as
 * arrays. Everything happens inside the call, so a test needs no waiting.
 *
 * Topics have their real partitions. `settle` processes what was sent until nothing moves, and commits:
 * tables are written out then, the last value of each changed key once; `settled` waits for calls outside,
 * too, whose times and pauses are real. `restart` forgets all state and
 * rebuilds it from the topics as a new process would. Rebalances and crashes between two writes are left
 * to tests with a broker.
 */
import { HeadwaterError } from '../base/errors.ts'
import { nodeClock } from '../io/node-clock.ts'
import { CallLimits } from '../streams/task/calls/call-limits.ts'
import { commandHeaders, outcomeCodec, outcomesTopic } from '../events/commands.ts'
import type { AnyCommand, AnyEvent, EventInit, KeyOf, ValueOf } from '../events/event.ts'
import { answerOf } from '../streams/commands/answer.ts'
import type { CommandAnswer } from '../streams/commands/answer.ts'
import { stampBatch } from '../records/batch.ts'
import { BatchBuilder, decodeRecords, forEachRecord } from '../records/record.ts'
import type { StoredRecord } from '../records/record.ts'
import type { Service } from '../service/service.ts'
import { droppedOf, operatorCounts } from '../streams/operators/counts.ts'
import type { DropReason } from '../streams/operators/counts.ts'
import type { WriterContext } from '../streams/operators/operator.ts'
import { deletionWriter, messageEncoder, messageWriter } from '../streams/operators/sink.ts'
import type { Emit, EmitHeader } from '../streams/stores/emit.ts'
import { planTopology } from '../streams/plan/plan.ts'
import type { Plan } from '../streams/plan/plan.ts'
import { keyCodecs } from '../streams/stores/serde.ts'
import type { Key } from '../streams/stores/serde.ts'
import type { ReadableStore } from '../streams/stores/store.ts'
import type { Queries, Table, WindowTable } from '../streams/topology/builder.ts'
import type { Turn } from '../streams/task/queue.ts'
import { Task } from '../streams/task/task.ts'
import type { TaskStart } from '../streams/task/task.ts'

/** Records a task takes, or rows it writes, before the driver looks again. */
const stepRecords = 1024

/** A turn that nothing waits for. */
const endlessTurn: Turn = { hasEnded: false, isOver: () => false, look: () => undefined }

/** `Q` are the tables that the topology returns, by name. */
export class TopologyDriver<const Q extends Queries = Queries> {
  readonly #plan: Plan
  readonly #context: WriterContext
  readonly #topics = new Map<string, Partition[]>()
  readonly #positions = new Map<string, number>()
  readonly #calls = {
    clock: nodeClock,
    limits: new CallLimits(),
    onReady: () => this.#wake?.(),
  }
  #tasks: Task[] = []
  #wake: (() => void) | undefined
  #now = 0
  #asked = 0

  constructor(service: Service<string, Q>) {
    this.#plan = planTopology(service.build())
    for (const { name, partitions } of this.#plan.topics) {
      this.#topics.set(
        name,
        Array.from({ length: partitions }, () => new Partition()),
      )
    }
    const emit: Emit = {
      append: (topic, partition, timestamp, key, value, headers, delivery) => {
        const log = this.#topics.get(topic)![partition]!
        delivery?.delivered(partition, log.end)
        log.append(timestamp, key, value, headers)
      },
    }
    this.#context = { partition: 0, keys: keyCodecs(), emit, counts: operatorCounts() }
    this.restart()
  }

  /**
   * Values discarded so far. By rule: `dropped` lacked something, `late` came after their window, `drops` has
   * all by reason. By `onError`: `failures`; dead letters can be read with `deadLettersOf`.
   */
  get counts(): {
    readonly dropped: number
    readonly late: number
    readonly drops: Readonly<Record<DropReason, number>>
    readonly failures: { readonly skipped: number; readonly deadLettered: number }
  } {
    const { counts } = this.#context
    const { drops, failures } = counts
    const dropped = droppedOf(counts)
    return { dropped, late: drops.late, drops: { ...drops }, failures: { ...failures } }
  }

  /**
   * Writes an event to its topic.
   * @param at milliseconds since 1970, for a contract without a time of its own; else one more than before
   */
  send<E extends AnyEvent>(event: E, message: EventInit<E>, at?: number): void {
    messageWriter(event, this.#context, `send '${event.name}'`)(null, message, this.#at(event, at))
  }

  /** Writes a record as another program may: bytes that need not be what the contract says. */
  sendRecord(
    event: AnyEvent,
    record: {
      readonly key: Uint8Array | null
      readonly value: Uint8Array | null
      readonly partition?: number
      readonly headers?: readonly EmitHeader[]
    },
    at?: number,
  ): void {
    const { key, value, partition = 0, headers } = record
    const time = this.#at(event, at)
    this.#context.emit.append(event.name, partition, time, key, value, headers)
  }

  /**
   * Asks for a command, processes all that was sent, and gives what came of it; throws when it could not be decided.
   * @param options `id` is made up when left out
   */
  ask<C extends AnyCommand>(
    commands: C,
    message: EventInit<C>,
    options: { readonly id?: string; readonly at?: number } = {},
  ): CommandAnswer<C> {
    const { id = `driver-${++this.#asked}`, at } = options
    const outcomes = this.#topics.get(outcomesTopic(this.#plan.topology.service))
    if (outcomes === undefined) throw this.#unknown(`decider of '${commands.name}'`)
    const from = outcomes[0]!.end
    const record = messageEncoder(commands, this.#context.keys, 0)(message, this.#at(commands, at))
    const { partition, timestamp, key, value } = record
    const headers = commandHeaders(id, 0)
    this.#context.emit.append(commands.name, partition, timestamp, key, value, headers)
    this.settle()
    const told = outcomes[0]!.from(from).flatMap(decodeRecords)
    const outcome = told
      .map((each) => outcomeCodec.decode(each.value!))
      .find((each) => each.id === id)
    if (outcome === undefined) throw this.#unknown(`outcome of command '${id}'`)
    return answerOf(outcome)
  }

  /** Writes a deletion to an entity stream. */
  delete<E extends AnyEvent>(event: E, key: KeyOf<E['key']>, at?: number): void {
    deletionWriter(event, this.#context)(key, this.#at(event, at))
  }

  /** The time of the next record of a stream. */
  #at(event: AnyEvent, at: number | undefined): number {
    if (!this.#topics.has(event.name)) throw this.#unknown(`stream '${event.name}'`)
    this.#now = at ?? this.#now + 1
    return this.#now
  }

  /** Processes everything that was sent and everything that follows from it, and commits. */
  settle(): void {
    let moved = true
    while (moved) {
      moved = false
      for (const task of this.#tasks) {
        this.#deliver(task)
        if (task.process(stepRecords, endlessTurn) > 0) moved = true
        while (task.waiting() > 0) {
          moved = true
          task.flush(stepRecords)
        }
      }
    }
    for (const task of this.#tasks) {
      task.flush(stepRecords)
      const offsets = task.offsets()
      for (const { topic, partition, offset } of offsets) {
        this.#positions.set(`${topic}/${partition}`, offset)
      }
      task.committed(offsets)
    }
  }

  /** As `settle`, and waits for every call outside (`mapAsync`, `forEach`) and what follows from it. */
  async settled(): Promise<void> {
    this.settle()
    while (this.#tasks.some(({ hasCalls }) => hasCalls)) {
      await new Promise<void>((resolve) => (this.#wake = resolve))
      this.settle()
    }
  }

  /** Starts the service anew on the same topics. Calls that are out are given up, and called again. */
  restart(): void {
    for (const task of this.#tasks) task.abandonCalls(new Error('the service was started anew'))
    this.#tasks = []
    const { keys, emit, counts } = this.#context
    for (const subTopology of this.#plan.subTopologies) {
      for (let partition = 0; partition < subTopology.partitions; partition++) {
        const stamp = { instanceId: 'driver', now: () => this.#now }
        const context = { plan: this.#plan, keys, emit, counts, stamp, calls: this.#calls }
        const task = new Task(context, subTopology, partition)
        const isCommitted = (topic: string): boolean => this.#positions.has(`${topic}/${partition}`)
        for (const topic of task.restoredFrom(isCommitted)) {
          const until = this.#positions.get(`${topic}/${partition}`)
          const isSource = subTopology.sources.some((source) => source.topic === topic)
          this.#restore(task, topic, isSource ? (until ?? 0) : Infinity)
        }
        for (const topic of task.foldedFrom()) this.#restore(task, topic, Infinity)
        task.start(this.#starts(task))
        this.#tasks.push(task)
      }
    }
  }

  #starts(task: Task): TaskStart[] {
    return task.subTopology.sources.flatMap(({ topic }) => {
      const log = this.#topics.get(topic)![task.partition]
      const committed = this.#positions.get(`${topic}/${task.partition}`)
      if (log === undefined) return []
      return [{ topic, position: committed ?? 0, committed, endOffset: log.end }]
    })
  }

  #restore(task: Task, topic: string, until: number): void {
    const log = this.#topics.get(topic)![task.partition]!
    const restore = task.restorer(topic)
    for (const batch of log.from(0)) {
      forEachRecord(batch, (offset, timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd) => {
        if (offset >= until) return
        restore({ bytes, keyStart, keyEnd, valueStart, valueEnd, timestamp })
      })
    }
  }

  #deliver(task: Task): void {
    for (const { source, fetchedTo } of task.queues) {
      const log = this.#topics.get(source.topic)![task.partition]!
      const batches = log.from(fetchedTo)
      if (batches.length === 0) continue
      task.deliver({
        topic: source.topic,
        partition: task.partition,
        batches,
        nextOffset: log.end,
        lastStableOffset: log.end,
        highWatermark: log.end,
      })
    }
  }

  /** Every event of a stream the service reads or writes, partition by partition. */
  read<E extends AnyEvent>(event: E): ValueOf<E>[] {
    const partitions = this.#topics.get(event.name)
    if (partitions === undefined) throw this.#unknown(`stream '${event.name}'`)
    const values: ValueOf<E>[] = []
    for (const partition of partitions) {
      for (const batch of partition.from(0)) {
        forEachRecord(batch, (_offset, _timestamp, bytes, _key, _keyEnd, start, end) => {
          if (end >= 0) values.push(event.codec.decode(bytes, start, end) as ValueOf<E>)
        })
      }
    }
    return values
  }

  /** Every record of a stream the service reads or writes as it is stored, partition by partition. */
  readRecords(event: AnyEvent): readonly StoredRecord[] {
    const partitions = this.#topics.get(event.name)
    if (partitions === undefined) throw this.#unknown(`stream '${event.name}'`)
    return partitions.flatMap((partition) => partition.from(0).flatMap(decodeRecords))
  }

  /**
   * The committed row of a table the topology returned, as a copy; `start` names the window of a windowed one.
   */
  get<P extends keyof Q & string>(view: P, ...at: PlaceOf<Q[P]>): RowOf<Q[P]> | undefined {
    const [key, start] = at as [key: Key, start?: Date]
    for (const store of this.#stores(view)) {
      const value = start ? store.getWindow(key, start.getTime()) : store.get(key)
      if (value !== undefined) return value as RowOf<Q[P]>
    }
    return undefined
  }

  /** All committed rows of a table the topology returned, as copies. */
  rows<P extends keyof Q & string>(view: P): DriverRow<Q[P]>[] {
    return this.#stores(view).flatMap((store) =>
      Array.from(store.keys(), ({ key, start }) => {
        const value = start === undefined ? store.get(key) : store.getWindow(key, start)
        return { key, start, value } as DriverRow<Q[P]>
      }),
    )
  }

  #stores(view: string): ReadableStore[] {
    const node = this.#plan.topology.views[view]
    if (node === undefined) throw this.#unknown(`table '${view}'`)
    return this.#tasks.flatMap(({ pipeline }) => {
      const store = pipeline.tables.get(node) ?? pipeline.aggregates.get(node)
      return store === undefined ? [] : [store]
    })
  }

  #unknown(what: string): HeadwaterError {
    const { service } = this.#plan.topology
    return new HeadwaterError('not-found', `service '${service}' has no ${what}`)
  }
}

/** What names a row: its key, and where the table has windows the start of one. */
type PlaceOf<T> =
  T extends WindowTable<infer K, infer _>
    ? [key: KeyOf<K>, start: Date]
    : T extends Table<infer K, infer _>
      ? [key: KeyOf<K>]
      : never

type RowOf<T> = T extends WindowTable<infer _, infer V> | Table<infer _, infer V> ? V : never

/** A row of a table; `start` of its window in milliseconds since 1970, undefined where there are no windows. */
export interface DriverRow<T> {
  readonly key: PlaceOf<T>[0]
  readonly start: T extends WindowTable<infer _, infer _> ? number : undefined
  readonly value: RowOf<T>
}

/** One partition of a topic: batches that are complete, and records that will be the next one. */
class Partition {
  readonly #batches: { base: number; batch: Uint8Array }[] = []
  #open = new BatchBuilder()
  #openedAt = 0

  get end(): number {
    return this.#openedAt + this.#open.count
  }

  append(
    timestamp: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly EmitHeader[] | undefined,
  ): void {
    this.#open.append(timestamp, key, value, headers)
  }

  /** The batches that begin at `offset` or later, or hold it. */
  from(offset: number): Uint8Array[] {
    this.#close()
    const last = this.#batches.findLastIndex(({ base }) => base <= offset)
    return this.end <= offset
      ? []
      : this.#batches.slice(Math.max(0, last)).map(({ batch }) => batch)
  }

  #close(): void {
    if (this.#open.count === 0) return
    const end = this.end
    const batch = this.#open.finish()
    stampBatch(batch, this.#openedAt, 0)
    this.#batches.push({ base: this.#openedAt, batch })
    this.#open = new BatchBuilder()
    this.#openedAt = end
  }
}
