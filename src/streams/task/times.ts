/**
 * The event time of one task: how far each of its windowed aggregations and rekeys has come, which windows
 * may go, and what is told to the tasks behind its inner topics.
 *
 * With every commit the windows that everyone has passed are dropped and what has moved is written. Marks
 * for the tasks behind are written with the first commit and then seldom: they decide how long windows are
 * kept, not what is counted. Without news they come again after a while, for a task behind that has begun
 * anew remembers none and keeps its windows until it has heard of everyone. Each task writes one to each
 * partition, so the more of these there are, the more seldom.
 */
import { markHeaders, Marks } from '../operators/moment.ts'
import type { Mark, Moment } from '../operators/moment.ts'
import type { OperatorContext } from '../operators/operator.ts'
import type { Plan, SubTopology } from '../plan/plan.ts'
import { repartitionTopic } from '../plan/plan.ts'
import { timedRekeys, timeSources } from '../plan/times.ts'
import type { AggregateStore } from '../stores/aggregate-store.ts'
import { ProgressStore } from '../stores/progress-store.ts'
import type { Progress } from '../stores/progress-store.ts'
import type { AggregateNode, RekeyNode, TopologyNode } from '../topology/topology.ts'

const commitsPerMarkMin = 10
/** Without news marks are so many times as seldom. */
const commitsWithoutNews = 10

interface WindowTime {
  readonly node: AggregateNode
  readonly store: AggregateStore
  readonly progress: Progress
}

interface RekeyTime {
  readonly node: RekeyNode
  readonly progress: Progress
  markedTime: number | undefined
  /** Commits since the last mark. */
  commits: number
}

export class TaskTimes {
  readonly moment: Moment = { carried: undefined }
  /** The state of it; undefined in a service that counts no windows. */
  readonly store: ProgressStore | undefined
  readonly #plan: Plan
  readonly #context: OperatorContext
  readonly #timed: ReadonlySet<number>
  readonly #marks = new Map<string, Marks>()
  readonly #windows: WindowTime[] = []
  readonly #rekeys: RekeyTime[] = []
  #unread: ReadonlySet<string> = new Set()

  constructor(plan: Plan, subTopology: SubTopology, context: OperatorContext) {
    this.#plan = plan
    this.#context = context
    this.#timed = timedRekeys(plan.topology)
    this.store =
      plan.progressTopic === undefined ? undefined : new ProgressStore(plan.progressTopic)
    for (const { topic, writers } of subTopology.sources) {
      if (writers !== undefined) this.#marks.set(topic, new Marks(writers))
    }
  }

  /** The progress of a windowed aggregation of this task. */
  addWindow(node: AggregateNode, store: AggregateStore): Progress {
    const progress = this.store!.of(node.name)
    this.#windows.push({ node, store, progress })
    return progress
  }

  /** The progress of a rekey of this task; undefined when no window lies behind it. */
  addRekey(node: RekeyNode): Progress | undefined {
    if (!this.#timed.has(node.id)) return undefined
    const progress = this.store!.of(node.name)
    this.#rekeys.push({ node, progress, markedTime: undefined, commits: Infinity })
    return progress
  }

  /** Whether the task has any progress to keep. */
  get isKept(): boolean {
    return this.#windows.length + this.#rekeys.length > 0
  }

  /** Notes a mark from an inner topic. */
  mark(topic: string, mark: Mark): void {
    this.#context.counts.marks++
    this.#marks.get(topic)?.note(mark)
  }

  /**
   * Drops what nobody can reach, and writes what has moved. Call it with nothing waiting.
   * @param unread topics outside that hold what the task has not processed
   */
  flush(unread: ReadonlySet<string>): void {
    const { emit, partition } = this.#context
    this.#unread = unread
    for (const { node, store, progress } of this.#windows) {
      const seen = this.#seen(node, progress)
      if (seen <= progress.seen || seen === Infinity) continue
      progress.seen = seen
      store.expire(emit, partition, seen)
    }
    for (const rekey of this.#rekeys) this.#tell(rekey)
    this.store?.write(emit, partition)
  }

  /**
   * The time that everything which can still come to a node has passed; Infinity: nothing has come yet, nor
   * is there anything. A task that has not had its turn is waited for, whatever it will find.
   */
  #seen(node: TopologyNode, { time }: Progress): number {
    const { service } = this.#plan.topology
    const { rekeys, outside } = timeSources(this.#plan.topology, node)
    const times = rekeys.map((each) => this.#marks.get(repartitionTopic(service, each))!.least)
    if (time > -Infinity) times.push(time)
    else if (outside.some((topic) => this.#unread.has(topic))) return -Infinity
    return Math.min(...times)
  }

  #tell(rekey: RekeyTime): void {
    const { node, progress } = rekey
    const time = this.#seen(node, progress)
    const { partitions } = node.keyspace
    const perMark = Math.max(commitsPerMarkMin, partitions)
    const due = time === rekey.markedTime ? perMark * commitsWithoutNews : perMark
    if (++rekey.commits < due || time === -Infinity) return
    rekey.markedTime = time
    rekey.commits = 0
    const { emit, partition } = this.#context
    const topic = repartitionTopic(this.#plan.topology.service, node)
    const headers = markHeaders({ from: partition, time })
    const timestamp = Number.isFinite(time) ? Math.max(0, time) : 0
    for (let to = 0; to < partitions; to++) {
      emit.append(topic, to, timestamp, null, null, headers)
    }
  }
}
