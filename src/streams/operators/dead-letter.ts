/**
 * Writes dead letters: a record that failed with its bytes, its place and why, as a message of
 * `headwater/v1/dead_letter.proto`.
 *
 * A letter has to fit into a record as large as Kafka takes when nobody says otherwise (1 MiB), whatever
 * the record it is about: so texts are cut off, and bytes that are too many are left out and counted. They
 * are still where the letter says that the record is. Where the topic takes less than that, more is left out.
 */
import { Writer, utf8Bytes, utf8String } from '../../base/bytes.ts'
import { HeadwaterError } from '../../base/errors.ts'
import type { InitOf } from '../../events/event.ts'
import { letterTime, replayOfHeader } from '../../events/dead-letters.ts'
import type { DeadLetters, FailedRecord } from '../../events/dead-letters.ts'
import type { Emit, EmitHeader } from '../stores/emit.ts'
import { ownContextHeaders } from '../tracing/trace-context.ts'
import type { DiscardedRow, SourceRecord } from './source-record.ts'

/** Bytes of a record that a letter holds, at most: key, value and headers. */
const letterBytesMax = 768 * 1024
/** What a header is beside its key and value, at most. */
const letterHeaderBytes = 16
/** Characters of an error's message, of its stack, and of what the record is said to be a replay of. */
const letterTextMax = 8 * 1024
/** Characters of its message in a letter that the topic takes only when it is short. */
const shortTextMax = 200

/** What letters say of who wrote them. */
export interface LetterStamp {
  readonly instanceId: string
  /** Milliseconds since 1970. */
  now(): number
}

export interface Failure {
  readonly operator: string
  readonly error: HeadwaterError
}

export class LetterWriter {
  readonly #letters: DeadLetters
  readonly #emit: Emit
  readonly #stamp: LetterStamp
  readonly #writer = new Writer()
  #rows = 0

  constructor(letters: DeadLetters, emit: Emit, stamp: LetterStamp) {
    this.#letters = letters
    this.#emit = emit
    this.#stamp = stamp
  }

  /**
   * @param inPart whether the service did something else with the record
   * @param headers of the letters: which trace they are of; the record's when left out
   */
  record(
    record: SourceRecord,
    failures: readonly Failure[],
    inPart: boolean,
    headers: readonly EmitHeader[] = ownContextHeaders(record.headers),
  ): void {
    const { topic, partition, offset } = record
    for (const [n, failure] of failures.entries()) {
      const id = `${topic}/${partition}/${offset}/${n}`
      const failed = {
        ...this.#described(failure),
        ...bytesOf(record),
        stream: topic,
        partition,
        offset: BigInt(offset),
        timestampMs: BigInt(record.timestamp),
        processedInPart: inPart,
        ...replayOf(record.headers),
      }
      this.#write(id, failed, headers)
    }
  }

  row({ topic, key, timestamp }: DiscardedRow, partition: number, failure: Failure): void {
    const { instanceId } = this.#stamp
    const id = `${topic}/${partition}/row-${instanceId}-${this.#stamp.now()}-${this.#rows++}`
    this.#write(id, {
      ...this.#described(failure),
      stream: topic,
      partition,
      timestampMs: BigInt(timestamp),
      key: utf8Bytes(String(key)),
      processedInPart: true,
    })
  }

  #described({ operator, error }: Failure) {
    const { cause } = error
    const thrown = cause instanceof Error ? cause : undefined
    return {
      operator,
      code: error.code,
      message: error.message.slice(0, letterTextMax),
      stack: String(thrown?.stack ?? '').slice(0, letterTextMax),
      instanceId: this.#stamp.instanceId,
    }
  }

  #write(
    id: string,
    failed: Omit<FailedInit, 'failedAt'>,
    headers: readonly EmitHeader[] = [],
  ): void {
    const now = this.#stamp.now()
    const { name, codec } = this.#letters
    const key = utf8Bytes(id)
    let flaw: HeadwaterError | undefined
    for (const letter of shorterAndShorter({ ...failed, failedAt: letterTime(now) })) {
      this.#writer.at = 0
      codec.encode({ id, fact: { case: 'failed', value: letter } }, this.#writer)
      const bytes = this.#writer.bytes.subarray(0, this.#writer.at)
      flaw = this.#emit.tooLarge?.(name, key, bytes, headers)
      if (flaw === undefined) return this.#emit.append(name, 0, now, key, bytes, headers)
    }
    throw unwritable(id, failed, flaw!)
  }
}

/** A letter as it is to be, without the bytes of its record, and with no more than a few words. */
function* shorterAndShorter(failed: FailedInit): Generator<FailedInit> {
  yield failed
  const { key, value, headers = [], ...rest } = failed
  const sizeBytes = bytesIn(key, value, headers)
  const bare = sizeBytes === 0 ? rest : { ...rest, bytesLeftOut: BigInt(sizeBytes) }
  yield bare
  yield { ...bare, message: (bare.message ?? '').slice(0, shortTextMax), stack: '' }
}

/** A record is passed over when its letter is written, and not before. */
function unwritable(id: string, { message }: Partial<FailedInit>, cause: HeadwaterError) {
  return new HeadwaterError(
    'record-invalid',
    `the dead letter '${id}' cannot be written, however short, so its record is not passed over ` +
      `(${(message ?? '').slice(0, shortTextMax)}): ${cause.message}`,
    { cause },
  )
}

type FactInit = NonNullable<InitOf<DeadLetters>['fact']>
type FailedInit = Exclude<Extract<FactInit, { case: 'failed' }>['value'], FailedRecord>

/** Key, value and headers, or how many bytes they are when that is too many. */
function bytesOf({ key, value, headers }: SourceRecord) {
  const size = bytesIn(key, value, headers)
  if (size > letterBytesMax) return { bytesLeftOut: BigInt(size) }
  return {
    ...(key && { key }),
    ...(value && { value }),
    headers: headers.map((header) => ({
      key: header.key,
      ...(header.value && { value: header.value }),
    })),
  }
}

function bytesIn(
  key: Uint8Array | null | undefined,
  value: Uint8Array | null | undefined,
  headers: readonly HeaderInit[],
): number {
  const ofHeaders = headers.reduce((sum, header) => sum + letterBytesOf(header), 0)
  return (key?.length ?? 0) + (value?.length ?? 0) + ofHeaders
}

interface HeaderInit {
  readonly key?: string | undefined
  readonly value?: Uint8Array | null | undefined
}

function letterBytesOf({ key = '', value }: HeaderInit): number {
  return letterHeaderBytes + key.length * 3 + (value?.length ?? 0)
}

function replayOf(headers: readonly EmitHeader[]): { replayOf?: string } {
  const value = headers.find(({ key }) => key === replayOfHeader)?.value
  return value ? { replayOf: utf8String(value).slice(0, letterTextMax) } : {}
}
