/**
 * Answers that hold what the caller has written, and no answers that are too old.
 *
 * A receipt says where an event lies. Whoever holds the partition is asked how far it has committed, not how far
 * it has read: a value is seen when it is true. Behind a rekey the way is walked: when the group has committed
 * the event, all that follows from it lies in the inner topic before the end that this has from then on, and so
 * that end is what the next tasks have to come to. The last part of the way is looked at here, and in the same
 * moment as the rows are read.
 *
 * How far a view is behind is counted from ends that were asked for after the question came. What is not known
 * is not small.
 */
import { HeadwaterError } from '../../base/errors.ts'
import type { Task } from '../task/task.ts'
import type { Lineage, Step } from './lineage.ts'

/** Where an event is stored: what a receipt says. */
export interface EventPlace {
  readonly stream: string
  readonly partition: number
  readonly offset: number
}

/** What an answer has to hold. */
export interface Wanted {
  readonly after: readonly EventPlace[]
  /** Milliseconds that an instance waits for it. */
  readonly waitMs: number
  /** How many records may lie before the view; any number when left out. */
  readonly maxLag?: number
}

/** Offsets by place; undefined where there is none. */
export type Offsets = (topic: string, partition: number) => number | undefined

/** How far the group of a service is, and how far it could be. */
export interface Progress {
  /** Monotonic milliseconds. */
  now(): number
  /** Resolves with true as soon as `isDue` is, and with false after `waitMs`. Rejects when the service ends. */
  until(isDue: () => boolean, waitMs: number): Promise<boolean>
  /** What the group has committed by now at least; undefined when that takes longer than `waitMs`. */
  committed(waitMs: number): Promise<Offsets | undefined>
  /** Where the topics that the service reads end now, open transactions included; undefined as above. */
  ends(waitMs: number): Promise<Offsets | undefined>
}

export interface FreshnessOf {
  readonly service: string
  readonly view: string
  readonly lineage: Lineage
  readonly progress: Progress
  /** Those that run now. */
  readonly tasks: () => Iterable<Task>
  /** Whether it may answer now. Throws when there can be no answer any more. */
  readonly isAnswering: () => boolean
}

type Goals = Map<Step, Map<number, number>>

export class Fresh {
  readonly #o: FreshnessOf
  readonly #wanted: Wanted
  readonly #deadline: number
  /** Offsets that the tasks of the view have to have committed, by topic and partition. */
  readonly #last: Goals = new Map()

  /** Throws `input-invalid` for what the view can never come to. */
  constructor(o: FreshnessOf, wanted: Wanted) {
    this.#o = o
    this.#wanted = wanted
    this.#deadline = o.progress.now() + wanted.waitMs
    for (const place of wanted.after) checkPlace(o, place)
  }

  /** What is left of the time to wait, in whole milliseconds. */
  get leftMs(): number {
    return Math.max(0, Math.floor(this.#deadline - this.#o.progress.now()))
  }

  /**
   * What `read` returns, called when the rows of this instance hold what is wanted. Rejects with `not-ready`,
   * which says how far they are, when that takes too long or they are too far behind.
   */
  async read<T>(read: () => T): Promise<T> {
    await Promise.all([...goalsOf(this.#o, this.#wanted)].map((goals) => this.#walk(goals)))
    const ends = await this.#endsForLag()
    const isDue = (): boolean => this.#o.isAnswering() && this.#behind() === undefined
    // Something may have changed between the moment it was due and this one.
    while (!isDue()) {
      if (!(await this.#o.progress.until(isDue, this.leftMs))) throw this.#late()
    }
    if (ends !== undefined) this.#checkLag(ends)
    return read()
  }

  /** Finds what the last tasks have to come to, from what is to be committed of a topic. */
  async #walk([step, goals]: [Step, Map<number, number>]): Promise<void> {
    if (step.isLast) this.#add(step, goals)
    if (step.next.length === 0) return
    await this.#committed(step, goals)
    const ends = await this.#known(this.#o.progress.ends(this.leftMs))
    const next = step.next.map((topic) => this.#o.lineage.get(topic)!)
    await Promise.all(next.map((each) => this.#walk([each, endsOf(each, ends)])))
  }

  #add(step: Step, goals: ReadonlyMap<number, number>): void {
    const known = this.#last.get(step) ?? new Map<number, number>()
    this.#last.set(step, known)
    for (const [partition, offset] of goals) {
      known.set(partition, Math.max(offset, known.get(partition) ?? 0))
    }
  }

  /** Resolves when the group has committed up to these offsets. */
  async #committed(step: Step, goals: ReadonlyMap<number, number>): Promise<void> {
    const { topic } = step
    const open = new Map(goals)
    const isHere = (): boolean => {
      return [...open.keys()].every((partition) => this.#own(topic, partition) !== undefined)
    }
    const settle = (offsets: Offsets): void => {
      for (const [partition, goal] of open) {
        const own = this.#own(topic, partition)
        const at = Math.max(own?.offset ?? 0, offsets(topic, partition) ?? 0)
        if (at >= goal) open.delete(partition)
      }
    }
    for (let said: Offsets = () => undefined; ;) {
      settle(said)
      if (open.size === 0) return
      if (isHere()) {
        const isDue = (): boolean => {
          settle(said)
          return open.size === 0 || !isHere()
        }
        if (!(await this.#o.progress.until(isDue, this.leftMs))) break
      } else {
        const found = await this.#o.progress.committed(this.leftMs)
        if (found === undefined || this.leftMs === 0) break
        said = found
      }
    }
    const [[partition, goal]] = [...open] as [[number, number]]
    throw this.#notThere({ topic, partition, goal })
  }

  /** What a task of this instance has committed of a partition; undefined when none here reads it. */
  #own(topic: string, partition: number): { readonly offset: number } | undefined {
    for (const task of this.#o.tasks()) {
      const reads = task.queues.some(({ source }) => source.topic === topic)
      if (reads && task.partition === partition) return { offset: task.lastCommitted(topic) ?? 0 }
    }
    return undefined
  }

  /** A place that a task of this instance has not come to. */
  #behind(): Behind | undefined {
    for (const [{ topic }, goals] of this.#last) {
      for (const [partition, goal] of goals) {
        const own = this.#own(topic, partition)
        if (own !== undefined && own.offset < goal) return { topic, partition, goal }
      }
    }
    return undefined
  }

  async #endsForLag(): Promise<Lagging | undefined> {
    if (this.#wanted.maxLag === undefined) return undefined
    // In this order, so that what happens in between is counted as lag and not as progress.
    const committed = await this.#known(this.#o.progress.committed(this.leftMs))
    const ends = await this.#known(this.#o.progress.ends(this.leftMs))
    return { committed, ends }
  }

  #checkLag({ committed, ends }: Lagging): void {
    const maxLag = this.#wanted.maxLag!
    let lag = 0
    for (const { topic, partitions, isLast, next } of this.#o.lineage.values()) {
      for (let partition = 0; partition < partitions; partition++) {
        const own = this.#own(topic, partition)
        if (own === undefined && isLast && next.length === 0) continue
        const end = ends(topic, partition)
        if (end === undefined) throw this.#unknown()
        lag += Math.max(0, end - (own?.offset ?? committed(topic, partition) ?? 0))
      }
    }
    if (lag <= maxLag) return
    throw this.#notReady(`is ${lag} records behind, and may be ${maxLag}`)
  }

  async #known(asked: Promise<Offsets | undefined>): Promise<Offsets> {
    const offsets = await asked
    if (offsets === undefined) throw this.#unknown()
    return offsets
  }

  #unknown(): HeadwaterError {
    return this.#notReady('cannot tell how far it is: the broker does not answer')
  }

  #late(): HeadwaterError {
    const behind = this.#behind()
    return behind === undefined
      ? this.#notReady(`has not held its partitions within ${this.#wanted.waitMs} ms`)
      : this.#notThere(behind)
  }

  #notThere({ topic, partition, goal }: Behind): HeadwaterError {
    const at = this.#own(topic, partition)?.offset
    const where = at === undefined ? 'another instance has not come so far' : `it is at ${at}`
    return this.#notReady(
      `does not have all before offset ${goal} of partition ${partition} of '${topic}' within ` +
        `${this.#wanted.waitMs} ms: ${where}`,
    )
  }

  #notReady(what: string): HeadwaterError {
    const { service, view } = this.#o
    const message = `view '${view}' of service '${service}' ${what}. Ask again soon`
    return new HeadwaterError('not-ready', message, { retriable: true })
  }
}

interface Behind {
  readonly topic: string
  readonly partition: number
  /** The first offset that need not be committed. */
  readonly goal: number
}

interface Lagging {
  readonly committed: Offsets
  readonly ends: Offsets
}

function endsOf({ topic, partitions }: Step, ends: Offsets): Map<number, number> {
  const all = Array.from({ length: partitions }, (_, partition) => partition)
  return new Map(all.map((partition) => [partition, ends(topic, partition) ?? 0]))
}

/** The furthest event of each partition counts. */
function goalsOf({ lineage }: FreshnessOf, { after }: Wanted): Goals {
  const goals: Goals = new Map()
  for (const { stream, partition, offset } of after) {
    const step = lineage.get(stream)!
    const known = goals.get(step) ?? new Map<number, number>()
    goals.set(step, known)
    known.set(partition, Math.max(offset + 1, known.get(partition) ?? 0))
  }
  return goals
}

function checkPlace({ service, view, lineage }: FreshnessOf, place: EventPlace): void {
  const { stream, partition, offset } = place
  const step = lineage.get(stream)
  if (step === undefined) {
    const there = [...lineage.keys()].join(', ')
    throw refuse(
      `view '${view}' of service '${service}' does not depend on stream '${stream}', so it would never have ` +
        `the event: it is made of ${there}`,
    )
  }
  if (!(Number.isSafeInteger(partition) && partition >= 0 && partition < step.partitions)) {
    throw refuse(
      `stream '${stream}' has partitions 0 to ${step.partitions - 1}, and none is ${partition}: give a ` +
        'receipt as it was got',
    )
  }
  if (Number.isSafeInteger(offset) && offset >= 0) return
  throw refuse(
    `offset ${offset} of stream '${stream}' is no place: a receipt with -1 does not know its own, so nobody ` +
      'can wait for it',
  )
}

function refuse(message: string): HeadwaterError {
  return new HeadwaterError('input-invalid', message)
}
