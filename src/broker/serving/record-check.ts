/**
 * Looks into the records that producers send, before a log takes them: `records/walk.ts` judges, this
 * decides when.
 *
 * Most batches are looked at where they come, within the turn. What would make a turn long waits for the
 * next one, and what unfolds to much does so in pieces, off the main thread, one such batch at a time, of one
 * connection after the other. So
 * however much work a batch is, others are served between its pieces.
 *
 * The work of a turn is counted, not timed: the same requests are looked at in the same turns.
 */
import { isHeadwaterError } from '../../base/errors.ts'
import { Gate } from '../../base/gate.ts'
import { planted } from '../../base/planted.ts'
import type { Clock } from '../../io/ports.ts'
import {
  batchHeaderBytes,
  checksumOf,
  compressionOf,
  type BatchHeader,
} from '../../records/batch.ts'
import { unfoldUpTo } from '../../records/unfold.ts'
import { walkUnfolding } from '../../records/walk-unfolding.ts'
import { RecordWalk, type RecordRules } from '../../records/walk.ts'

/** Work of one turn, in bytes looked at: some milliseconds. */
const turnWorkMax = 8 * 1024 * 1024
/** What a record costs beside its bytes, in bytes. */
const workPerRecord = 64
/** What a byte costs that is unfolded first. */
const workPerUnfoldedByte = 3
/** A batch of more bytes is summed up in such pieces. */
const summedAtOnceMax = 2 * 1024 * 1024
/** What a compressed batch may unfold to within a turn. */
const atOnceBytesMax = 1024 * 1024

export interface RecordCheckBounds {
  /** What the records of one batch may unfold to. */
  readonly unfoldedBytesMax: number
  /** Records of a batch that are named as being at fault. */
  readonly recordErrorsMax: number
}

/** What a look at the records of a batch found. */
export interface Looked {
  readonly maxTimestamp: number
  /** What is wrong with the batch as a whole. */
  readonly fault: string | undefined
  /** The batch unfolds to more than is allowed, and was not looked at to its end. */
  readonly isTooLarge: boolean
  /** Places of records at fault by themselves, and whether it is the time of any. */
  readonly unfit: readonly number[]
  readonly untimely: boolean
}

export class RecordCheck {
  readonly #clock: Clock
  readonly #bounds: RecordCheckBounds
  #spent = 0
  /** Large batches are looked at here. */
  readonly #large = new Gate(1)
  /** What is still to come of those whose order counts. */
  readonly #behind = new WeakMap<object, Promise<void>>()

  constructor(clock: Clock, bounds: RecordCheckBounds) {
    this.#clock = clock
    this.#bounds = bounds
  }

  /** The checksum of a batch that is too large for it to be computed in one go; undefined of others. */
  sum(batch: Uint8Array, party: object): Promise<number> | undefined {
    if (batch.length <= summedAtOnceMax) return undefined
    return this.#large.pass(async () => {
      const steps = checksumOf(batch, summedAtOnceMax)
      for (;;) {
        const step = steps.next()
        if (step.done === true) return step.value
        await this.#pace(step.value)
      }
    }, party)
  }

  /** Looks at the records of a whole batch with this header of `party`'s, now if there is time in the turn. */
  look(
    batch: Uint8Array,
    header: BatchHeader,
    rules: RecordRules,
    party: object,
  ): Looked | Promise<Looked> {
    if (planted.has('trust-batch-headers')) return believed(header)
    const looked = this.#lookNow(batch, header, rules)
    if (looked === 'in another turn') return this.#lookInAnotherTurn(batch, header, rules, party)
    if (looked === 'in pieces') {
      return this.#large.pass(() => this.#lookInPieces(batch, header, rules), party)
    }
    return looked
  }

  /**
   * Calls `check` and then `act`, at once when nothing has to be waited for, and never before what was put
   * in order for the same peer has acted. What `act` gives may settle later: nobody waits for that.
   */
  inOrder<T>(
    peer: object,
    check: () => Promise<void> | undefined,
    act: () => T | Promise<T>,
  ): T | Promise<T> {
    const before = this.#behind.get(peer)
    const checked = before === undefined ? check() : before.then(check)
    if (checked === undefined) return act()
    const acted = checked.then(() => ({ result: act() }))
    const settled = acted.then(
      () => undefined,
      () => undefined,
    )
    this.#behind.set(peer, settled)
    void settled.then(() => {
      if (this.#behind.get(peer) === settled) this.#behind.delete(peer)
    })
    return acted.then(({ result }) => result)
  }

  #lookNow(
    batch: Uint8Array,
    header: BatchHeader,
    rules: RecordRules,
  ): Looked | 'in another turn' | 'in pieces' {
    if (this.#spent >= turnWorkMax) return 'in another turn'
    const compression = compressionOf(header.attributes)
    const bodyBytes = batch.length - batchHeaderBytes
    const walk = new RecordWalk(header, rules, { unfitMax: this.#bounds.recordErrorsMax })
    if (compression === 'none') {
      const work = bodyBytes + workPerRecord * recordsIn(bodyBytes, header)
      if (work > 2 * turnWorkMax) return 'in pieces'
      this.#spend(work)
      walk.push(batch, batchHeaderBytes)
      return lookedBy(walk)
    }
    try {
      const bytesMax = Math.min(atOnceBytesMax, this.#bounds.unfoldedBytesMax)
      const records = unfoldUpTo(compression, batch.subarray(batchHeaderBytes), bytesMax)
      const bytes = records?.length ?? bytesMax
      this.#spend(
        bodyBytes + workPerUnfoldedByte * bytes + workPerRecord * recordsIn(bytes, header),
      )
      if (records === undefined) return 'in pieces'
      walk.push(records)
    } catch (error) {
      return undecodable(walk, error)
    }
    return lookedBy(walk)
  }

  async #lookInAnotherTurn(
    batch: Uint8Array,
    header: BatchHeader,
    rules: RecordRules,
    party: object,
  ): Promise<Looked> {
    await this.#nextTurn()
    return await this.look(batch, header, rules, party)
  }

  async #lookInPieces(batch: Uint8Array, header: BatchHeader, rules: RecordRules): Promise<Looked> {
    const walk = new RecordWalk(header, rules, { unfitMax: this.#bounds.recordErrorsMax })
    try {
      const isWhole = await walkUnfolding(walk, batch, header, {
        bytesMax: this.#bounds.unfoldedBytesMax,
        atOnceBytesMax: 0,
        pace: (bytes, records) => this.#pace(bytes + workPerRecord * records),
      })
      return { ...lookedBy(walk), isTooLarge: !isWhole }
    } catch (error) {
      return undecodable(walk, error)
    }
  }

  #pace(work: number): Promise<void> | undefined {
    this.#spend(work)
    return this.#spent >= turnWorkMax ? this.#room() : undefined
  }

  async #room(): Promise<void> {
    while (this.#spent >= turnWorkMax) await this.#nextTurn()
  }

  #spend(work: number): void {
    if (this.#spent === 0) this.#clock.soon(() => (this.#spent = 0))
    this.#spent += work
  }

  #nextTurn(): Promise<void> {
    return new Promise((resolve) => this.#clock.soon(resolve))
  }
}

/** The shortest record: seven bytes, one for each of its parts. */
const recordBytesMin = 7

/** How many records are worth counting on, whatever the header says. */
function recordsIn(bytes: number, { recordCount }: BatchHeader): number {
  return Math.min(recordCount, bytes / recordBytesMin)
}

function believed({ maxTimestamp }: BatchHeader): Looked {
  return { fault: undefined, maxTimestamp, unfit: [], untimely: false, isTooLarge: false }
}

function lookedBy(walk: RecordWalk): Looked {
  const fault = walk.finish()
  const { maxTimestamp, unfit, untimely } = walk
  return { fault, maxTimestamp, unfit, untimely, isTooLarge: false }
}

function undecodable(walk: RecordWalk, error: unknown): Looked {
  if (!isHeadwaterError(error, 'record-invalid')) throw error
  return { ...lookedBy(walk), fault: error.message }
}
