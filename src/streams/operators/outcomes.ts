/**
 * What came of commands, on its way to who asked, and kept for who asks again.
 *
 * An outcome names the places of its events, which are known when the broker has them: so it is held until the
 * transaction is about to commit, and written last.
 */
import { Writer, utf8Bytes } from '../../base/bytes.ts'
import type { HeadwaterError } from '../../base/errors.ts'
import { outcomeCodec, outcomesTopic } from '../../events/commands.ts'
import type { CommandMark, OutcomeInit } from '../../events/commands.ts'
import type { Emit, EmitDelivery } from '../stores/emit.ts'
import type { RejectedDecision } from '../topology/topology.ts'

/** Bytes of what came of one command, beside its key, its id and the names of streams: it is told, and remembered. */
const outcomeBytesMax = 60_000
/** What the place of an event takes beside the name of its stream, at most. */
const placeBytes = 36
/** Characters of why a command could not be decided. */
const failureCharsMax = 4_096

/** Why the places of events would be too many to be told and kept; undefined when they are not. */
export function eventsFlaw(events: number, stream: string): string | undefined {
  const eventsMax = Math.floor(outcomeBytesMax / (placeBytes + stream.length))
  if (events <= eventsMax) return undefined
  return `it accepts with ${events} events, and where they are is told: of '${stream}' it may be ${eventsMax}, so ask for less at once`
}

/** Why the details of a rejection would be too large to be told and kept; undefined when they are not. */
export function detailsFlaw(details: NonNullable<RejectedDecision['details']>): string | undefined {
  const writer = new Writer()
  const value = { reason: '', details }
  outcomeCodec.encode({ outcome: { case: 'rejected', value } }, writer)
  if (writer.at <= outcomeBytesMax) return undefined
  return `the details of its rejection have ${writer.at} bytes, and at most ${outcomeBytesMax} are told: say less`
}

/** What is told of a command that could not be decided. */
export function failure(
  id: string,
  commands: string,
  { code, message }: HeadwaterError,
): OutcomeInit {
  const value = { code, message: message.slice(0, failureCharsMax) }
  return { id, commands, outcome: { case: 'failed', value } }
}

/** Where an event is, in its outcome. */
class EventPlace implements EmitDelivery {
  readonly stream: string
  readonly partition: number
  offset = -1n
  readonly timestampMs: bigint
  readonly #onPlaced: () => void

  constructor(stream: string, partition: number, timestamp: number, onPlaced: () => void) {
    this.stream = stream
    this.partition = partition
    this.timestampMs = BigInt(timestamp)
    this.#onPlaced = onPlaced
  }

  delivered(_partition: number, offset: number): void {
    this.offset = BigInt(offset)
    this.#onPlaced()
  }

  /** The transaction fails, and nobody hears of it. */
  failed(): void {}
}

/** An outcome on its way to the partition of who asked. */
interface Told {
  readonly partition: number
  readonly outcome: OutcomeInit
  readonly key: Uint8Array
}

/** The outcomes of one task that are not written yet. */
export class Outcomes {
  readonly #topic: string
  readonly #emit: Emit
  readonly #now: (() => number) | undefined
  readonly #writer = new Writer()
  #waiting: Told[] = []
  #placing = 0

  constructor(service: string, emit: Emit, now: (() => number) | undefined) {
    this.#topic = outcomesTopic(service)
    this.#emit = emit
    this.#now = now
  }

  /** Whether events are on their way whose places are to be told. */
  get isPlacing(): boolean {
    return this.#placing > 0
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** The place of an event that is about to be written. */
  place(stream: string, partition: number, timestamp: number): EmitDelivery & EventPlace {
    this.#placing++
    return new EventPlace(stream, partition, timestamp, () => this.#placing--)
  }

  /**
   * Tells who asked, when somebody did and will not have to be told by a replay.
   * @param key of the command: others may have chosen the same id, about another thing
   */
  tell({ replyPartition }: CommandMark, outcome: OutcomeInit, key: Uint8Array): void {
    if (replyPartition === undefined || this.#now === undefined) return
    this.#waiting.push({ partition: replyPartition, outcome, key })
  }

  /** Writes up to `limit` outcomes and says how many. */
  flush(limit: number): number {
    const going = this.#waiting.slice(0, limit)
    this.#waiting = this.#waiting.slice(going.length)
    const now = this.#now?.() ?? 0
    for (const { partition, outcome, key } of going) {
      this.#writer.at = 0
      outcomeCodec.encode({ ...outcome, key }, this.#writer)
      const value = this.#writer.bytes.subarray(0, this.#writer.at)
      this.#emit.append(this.#topic, partition, now, utf8Bytes(outcome.id), value)
    }
    return going.length
  }
}

/** An event whose place nobody is told. */
export const untold: EmitDelivery = { delivered: () => undefined, failed: () => undefined }
