/**
 * Runs a part of a topology over what its streams hold up to given offsets, all partitions in this one
 * process. What goes to an inner topic is handed to the next task at once and written nowhere.
 *
 * Records of all partitions are taken in the order of their timestamps, so that windows close as they
 * would for one that reads everything. That is an order a service may see, though seldom the very one
 * it saw: a fold must not depend on the order in which records of different partitions arrive.
 */
import { assert } from '../../base/errors.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import { Consumer } from '../../client/consumer/consumer.ts'
import type { FetchedBatches } from '../../client/consumer/consumer.ts'
import { nextOffsetOf, readBatchHeader, stampBatch } from '../../records/batch.ts'
import { BatchBuilder, forEachRecord, headersOf } from '../../records/record.ts'
import { operatorCounts } from '../operators/counts.ts'
import type { Plan } from '../plan/plan.ts'
import type { Emit, EmitHeader } from '../stores/emit.ts'
import { keyCodecs } from '../stores/serde.ts'
import type { Turn } from '../task/queue.ts'
import { Task } from '../task/task.ts'
import type { Range } from '../reading.ts'

const pollWaitMs = 500
/** Records buffered for one partition before its fetching pauses, and below which it goes on. */
const bufferedRecordsMax = 20_000
const bufferedRecordsLow = 5_000
/** Records of an inner topic's partition that are handed on together. */
const innerBatchRecords = 1024
/** Changed rows that wait before they are written. */
const rowsMax = 50_000
/** Records a task with nobody beside it takes in a row. */
const aloneRecords = 1024
const endlessTurn: Turn = { hasEnded: false, isOver: () => false, look: () => undefined }

/** Steps between two looks at the world. */
const stepsMax = 8192

export interface ReplayTarget {
  /** Takes what is written to topics that are not the service's inner ones. */
  readonly emit: Emit
  /** Undefined while more can be taken. */
  ready(): Promise<void> | undefined
}

/** Returns the number of records read from streams. */
export async function replay(
  cluster: Cluster,
  plan: Plan,
  ranges: readonly Range[],
  target: ReplayTarget,
): Promise<number> {
  const run = new Replay(plan, ranges, target)
  const consumer = new Consumer(cluster, { isolation: 'read_committed' })
  try {
    consumer.assign(ranges.filter(({ offset, until }) => offset < until))
    while (!run.isRead) {
      for (const fetched of await consumer.poll(pollWaitMs)) {
        if (run.deliver(fetched)) consumer.remove(fetched.topic, fetched.partition)
      }
      do {
        run.throttle(consumer)
        await target.ready()
        await new Promise<void>((resolve) => cluster.clock.soon(resolve))
      } while (run.step())
    }
    while (!run.finish()) await target.ready()
    return run.records
  } finally {
    await consumer.close()
  }
}

class Replay {
  records = 0
  readonly #tasks: Task[] = []
  readonly #byPlace = new Map<string, Task>()
  readonly #until = new Map<string, number>()
  readonly #paused = new Set<string>()
  readonly #inner = new Map<string, InnerPartition>()

  constructor(plan: Plan, ranges: readonly Range[], target: ReplayTarget) {
    for (const range of ranges) this.#until.set(`${range.topic}/${range.partition}`, range.until)
    const emit: Emit = {
      append: (topic, partition, timestamp, key, value, headers) => {
        const inner = this.#inner.get(`${topic}/${partition}`)
        if (inner === undefined) target.emit.append(topic, partition, timestamp, key, value)
        else inner.append(timestamp, key, value, headers)
      },
    }
    const counts = operatorCounts()
    const context = { plan, keys: keyCodecs(), emit, counts }
    const starts = new Map(ranges.map((range) => [`${range.topic}/${range.partition}`, range]))
    for (const part of plan.subTopologies) {
      for (let partition = 0; partition < part.partitions; partition++) {
        const task = new Task(context, part, partition)
        const sources = part.sources.filter((source) => partition < source.partitions)
        task.start(
          sources.map(({ topic }) => {
            const { offset = 0, until = 0 } = starts.get(`${topic}/${partition}`) ?? {}
            return { topic, position: offset, committed: undefined, endOffset: until }
          }),
        )
        this.#tasks.push(task)
        for (const { topic, inner } of sources) {
          this.#byPlace.set(`${topic}/${partition}`, task)
          if (inner) this.#inner.set(`${topic}/${partition}`, new InnerPartition(topic, partition))
        }
      }
    }
  }

  /** Whether all that the ranges hold has been processed. */
  get isRead(): boolean {
    return this.#tasks.every(({ queues }) =>
      queues.every(({ awaitsFetch, headTimestamp }) => !awaitsFetch && headTimestamp === undefined),
    )
  }

  /** Takes what was fetched; true when the partition's range is at its end. */
  deliver({ topic, partition, batches, nextOffset }: FetchedBatches): boolean {
    const place = `${topic}/${partition}`
    const until = this.#until.get(place)!
    const task = this.#byPlace.get(place)
    assert(task !== undefined, `${place} belongs to no task of the replay`)
    const wanted = batches.flatMap((batch) => cutAt(batch, until))
    for (const batch of wanted) this.records += readBatchHeader(batch).recordCount
    const next = Math.min(nextOffset, until)
    const ends = { lastStableOffset: until, highWatermark: until }
    task.deliver({ topic, partition, batches: wanted, nextOffset: next, ...ends })
    return nextOffset >= until
  }

  throttle(consumer: Consumer): void {
    const open = new Set(consumer.positions().map((at) => `${at.topic}/${at.partition}`))
    for (const { queues, partition } of this.#tasks) {
      for (const { source, buffered } of queues) {
        const place = `${source.topic}/${partition}`
        if (!open.has(place)) continue
        if (buffered > bufferedRecordsMax && !this.#paused.has(place)) {
          this.#paused.add(place)
          consumer.pause(source.topic, partition)
        } else if (buffered < bufferedRecordsLow && this.#paused.delete(place)) {
          consumer.resume(source.topic, partition)
        }
      }
    }
  }

  /** Processes what can be processed in order; false when it must wait for more. */
  step(): boolean {
    let done = 0
    for (let steps = 0; steps < stepsMax; steps++) {
      const ran = this.#next()
      if (ran === 0) break
      done += ran
    }
    done += this.#passOn(innerBatchRecords)
    for (const task of this.#tasks) if (task.waiting() > rowsMax) task.flush(rowsMax)
    return done > 0
  }

  /** Lets the task with the earliest record run, once every stream has shown what it holds. */
  #next(): number {
    let first: Task | undefined
    let lowest = Infinity
    let waiting = 0
    for (const task of this.#tasks) {
      let head = Infinity
      for (const queue of task.queues) {
        if (queue.awaitsFetch) return 0
        head = Math.min(head, queue.headTimestamp ?? Infinity)
      }
      if (head === Infinity) continue
      waiting++
      if (first !== undefined && head >= lowest) continue
      first = task
      lowest = head
    }
    return first?.process(waiting === 1 ? aloneRecords : 1, endlessTurn) ?? 0
  }

  /** Hands inner partitions with at least `least` records to their tasks. */
  #passOn(least: number): number {
    let records = 0
    for (const [place, inner] of this.#inner) {
      if (inner.count < Math.max(1, least)) continue
      records += inner.count
      this.#byPlace.get(place)!.deliver(inner.take())
    }
    return records
  }

  /** Processes the rest and writes every row; false when the target must be waited for before more. */
  finish(): boolean {
    // A flush may tell the tasks behind an inner topic how far it has come, which is a record there.
    do {
      while (this.#next() > 0) continue
      if (!this.#tasks.every((task) => task.flush(rowsMax))) return false
    } while (this.#passOn(1) > 0)
    return true
  }
}

/** A partition between two tasks of the replay. */
class InnerPartition {
  readonly #topic: string
  readonly #partition: number
  #builder = new BatchBuilder()
  #base = 0

  constructor(topic: string, partition: number) {
    this.#topic = topic
    this.#partition = partition
  }

  get count(): number {
    return this.#builder.count
  }

  append(
    timestamp: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers: readonly EmitHeader[] | undefined,
  ): void {
    this.#builder.append(timestamp, key, value, headers)
  }

  take() {
    const end = this.#base + this.count
    const batch = this.#builder.finish()
    stampBatch(batch, this.#base, 0)
    this.#builder = new BatchBuilder()
    this.#base = end
    const place = { topic: this.#topic, partition: this.#partition }
    const ends = { nextOffset: end, lastStableOffset: end, highWatermark: end }
    return { ...place, batches: [batch], ...ends }
  }
}

/** The batch without the records at `until` and after it: offsets may be committed inside a batch. */
function cutAt(batch: Uint8Array, until: number): Uint8Array[] {
  const header = readBatchHeader(batch)
  if (nextOffsetOf(header) <= until) return [batch]
  const builder = new BatchBuilder()
  forEachRecord(batch, (offset, timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd) => {
    if (offset >= until) return
    const key = keyEnd < 0 ? null : bytes.subarray(keyStart, keyEnd)
    const value = valueEnd < 0 ? null : bytes.subarray(valueStart, valueEnd)
    builder.append(timestamp, key, value, headersOf(bytes, valueStart, valueEnd))
  })
  if (builder.count === 0) return []
  const cut = builder.finish()
  stampBatch(cut, header.baseOffset, header.partitionLeaderEpoch)
  return [cut]
}
