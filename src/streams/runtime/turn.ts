/**
 * How long a turn of the loop may last: so many milliseconds, whatever the user's functions cost.
 *
 * The clock is looked at after a few records, after every one when they turn out slow, so that a turn
 * ends soon after its time and heartbeats go out between records. What a record costs is known for each queue
 * by itself: a service may have quick ones in thousands, and slow ones between them. A function that takes a good part of a
 * session for one record is named; one that takes longer than the session, again and again for the same
 * record, can never be committed: the member is taken for dead meanwhile. That stops the service by name
 * instead of repeating the record for ever.
 *
 * One that takes longer than a transaction may last gets through when nothing was written before it in its
 * transaction, as what a turn makes leaves after it. So after such a record turns are *careful* for a while:
 * each is committed by itself.
 */
import { planted } from '../../base/planted.ts'
import type { Clock } from '../../io/ports.ts'
import type { InputQueue, Turn } from '../task/queue.ts'
import { StoppedError } from '../task/stopped.ts'

/** Records between two looks at the clock, at most. */
const strideMax = 16
/** Records between two looks should take about this long. */
const lookMs = 4
/** What a record cost before counts for so much less with each look. */
const easing = 0.8
/** A record that takes this part of a session is slow. */
const slowShare = 1 / 10
/** How often the same record may outlast the session before it stops the service. */
const outlastedMax = 3
/** Turns are careful for so many records at least, and for twice as many as the slow one was committed with. */
const carefulRecordsMin = 1_000

/** A record whose functions took long. */
export interface SlowRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** How many were timed together; more than 1: it is one of the last so many. */
  readonly records: number
  /** Milliseconds the user's functions took for them. */
  readonly ms: number
}

export interface TurnsOptions {
  readonly clock: Clock
  /** How long a turn lasts. */
  readonly turnMs: number
  readonly sessionTimeoutMs: number
  readonly transactionTimeoutMs: number
  readonly service: string
  /** Whether what was made is to leave before more is made: the bound in bytes. */
  readonly isFull: () => boolean
  readonly onSlow: (slow: SlowRecord) => void
}

/** After how many records of a queue the clock is looked at. */
function strideOf({ costMs }: InputQueue): number {
  return Math.min(strideMax, Math.max(1, Math.floor(lookMs / costMs)))
}

export class Turns implements Turn {
  readonly #o: TurnsOptions
  /** What lasts longer than this may be in vain. */
  readonly #limitMs: number
  /** Records since the clock was looked at, and after how many it is again. */
  #records = 0
  #stride = 1
  #lookedAt = 0
  #endsAt = 0
  #hasEnded = false
  #failure: StoppedError | undefined
  #queue: InputQueue | undefined
  #offset = -1
  /** Records for which turns are careful yet, and each is timed by itself. */
  #carefulLeft = 0
  #recordsSinceCommit = 0
  /** How often records outlasted the session, by place, and which of them are not committed yet. */
  readonly #outlasted = new Map<string, number>()
  readonly #uncommitted = new Set<string>()

  constructor(options: TurnsOptions) {
    this.#o = options
    this.#limitMs = Math.min(options.sessionTimeoutMs, options.transactionTimeoutMs)
  }

  /** Whether what a turn has made is to be committed before the next one. */
  get isCareful(): boolean {
    return this.#carefulLeft > 0
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Why the service cannot go on, said once: a record that no session is long enough for. */
  takeFailure(): StoppedError | undefined {
    const failure = this.#failure
    this.#failure = undefined
    return failure
  }

  begin(): void {
    this.#lookedAt = this.#o.clock.monotonic()
    this.#endsAt = this.#lookedAt + this.#o.turnMs
    this.#records = 0
    this.#stride = this.isCareful ? 1 : strideMax
    this.#queue = undefined
    this.#hasEnded = false
  }

  /** What was processed has been committed: no record is begun again. */
  committed(): void {
    for (const place of this.#uncommitted) this.#outlasted.delete(place)
    this.dropped()
  }

  /** What was processed is given up, and begun again by whoever has it then. */
  dropped(): void {
    this.#uncommitted.clear()
    this.#recordsSinceCommit = 0
  }

  look(): void {
    if (this.#records > 0) return this.#measure(this.#queue!)
    if (planted.has('turns-by-records-only')) return
    if (this.#o.clock.monotonic() >= this.#endsAt) this.#hasEnded = true
  }

  isOver(queue: InputQueue, offset: number): boolean {
    if (queue !== this.#queue) {
      this.#queue = queue
      this.#stride = Math.min(this.#stride, strideOf(queue))
    }
    this.#offset = offset
    if (++this.#records >= this.#stride) this.#measure(queue)
    return this.#hasEnded
  }

  /** @param queue of the last record; it is taken for those before, too */
  #measure(queue: InputQueue): void {
    const { clock, isFull } = this.#o
    const now = clock.monotonic()
    const records = this.#records
    const tookMs = now - this.#lookedAt
    this.#records = 0
    this.#lookedAt = now
    queue.costMs = Math.max(tookMs / records, queue.costMs * easing)
    this.#recordsSinceCommit += records
    this.#carefulLeft = Math.max(0, this.#carefulLeft - records)
    if (tookMs >= this.#limitMs * slowShare) this.#noteSlow(records, tookMs)
    this.#stride = this.isCareful ? 1 : strideOf(queue)
    if (planted.has('turns-by-records-only')) return
    this.#hasEnded ||= now >= this.#endsAt || this.#failure !== undefined || isFull()
  }

  #noteSlow(records: number, ms: number): void {
    const { source, partition } = this.#queue!
    const { topic } = source
    const offset = this.#offset
    this.#o.onSlow({ topic, partition, offset, records, ms: Math.round(ms) })
    if (ms < this.#limitMs) return
    this.#carefulLeft = Math.max(carefulRecordsMin, 2 * this.#recordsSinceCommit)
    if (ms < this.#o.sessionTimeoutMs || records > 1) return
    const place = `${topic}/${partition}/${offset}`
    const times = (this.#outlasted.get(place) ?? 0) + 1
    this.#outlasted.set(place, times)
    this.#uncommitted.add(place)
    if (times >= outlastedMax) this.#failure = this.#tooSlow(topic, partition, offset, ms)
  }

  #tooSlow(topic: string, partition: number, offset: number, ms: number): StoppedError {
    const { service, sessionTimeoutMs } = this.#o
    const why =
      `its functions took ${Math.round(ms)} ms, ${outlastedMax} times in a row, and a group takes a ` +
      `member for dead after sessionTimeoutMs ${sessionTimeoutMs}: make them faster, or raise it`
    return new StoppedError('operator-failed', {
      service,
      place: { topic, partition, offset },
      why,
    })
  }
}
