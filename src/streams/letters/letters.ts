/**
 * The dead letters of a service as they stand: a fold over the facts of its stream.
 *
 * A letter may hold the better part of a megabyte, and a service may have put aside a hundred thousand. So while
 * the stream is read an entry is kept of each, what it is about and where it is, and nothing that was in its
 * record. The letters themselves are read in pieces, each of which is forgotten before the next.
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import {
  earliestTimestamp,
  latestTimestamp,
  listOffsets,
} from '../../client/consumer/list-offsets.ts'
import { deadLettersOf } from '../../events/dead-letters.ts'
import type { DeadLetters, FailedRecord, SettledLetter } from '../../events/dead-letters.ts'
import type { ValueOf } from '../../events/event.ts'
import { decodeRecords } from '../../records/record.ts'
import { readRanges } from '../reading.ts'

/** Letters that are in memory at a time, and how many bytes of them unless one alone has more. */
const pieceLettersMax = 200
const pieceBytesMax = 8 * 1024 * 1024

/** A letter without what was in its record. */
export interface LetterEntry {
  readonly id: string
  /** The offset, in the stream of letters, at which it says that it failed last, and the bytes it has there. */
  readonly at: number
  readonly bytes: number
  /** Of its record. */
  readonly stream: string
  readonly partition: number
  /** False: it is about a row of a table. */
  readonly isOfRecord: boolean
  readonly operator: string
  readonly processedInPart: boolean
  /** What became of it since it failed last; undefined: it is open. */
  readonly settled: SettledLetter | undefined
}

/** A letter as it is in its stream. */
export interface Letter extends LetterEntry {
  readonly failed: FailedRecord
}

/** What a service's letters are, and how many facts of the stream could not be read. */
export interface LetterBox {
  /** In the order in which they failed last. */
  readonly letters: readonly LetterEntry[]
  readonly unreadable: number
}

/** A fact as it is in its stream; its letter is null where the bytes are none. */
interface LetterFact {
  readonly at: number
  readonly bytes: number
  readonly letter: ValueOf<DeadLetters> | null
}

/** Letters after the facts it has taken, in the order of the stream. */
class LetterFold {
  readonly #letters = new Map<string, LetterEntry>()
  /** A text is kept once for all letters that have it. */
  readonly #texts = new Map<string, string>()
  #unreadable = 0

  take({ letter, ...place }: LetterFact): void {
    const before = letter === null ? undefined : this.#letters.get(letter.id)
    if (letter?.fact.case === 'failed') {
      this.#letters.delete(letter.id)
      this.#letters.set(letter.id, { id: letter.id, ...place, ...this.#about(letter.fact.value) })
    } else if (letter?.fact.case === 'settled' && before !== undefined) {
      this.#letters.set(letter.id, { ...before, settled: letter.fact.value })
    } else {
      this.#unreadable++
    }
  }

  #about({ stream, partition, offset, operator, processedInPart }: FailedRecord) {
    return {
      stream: this.#once(stream),
      partition,
      isOfRecord: offset !== undefined,
      operator: this.#once(operator),
      processedInPart,
      settled: undefined,
    }
  }

  #once(text: string): string {
    const known = this.#texts.get(text)
    if (known === undefined) this.#texts.set(text, text)
    return known ?? text
  }

  box(): LetterBox {
    return { letters: [...this.#letters.values()], unreadable: this.#unreadable }
  }
}

/** Reads what letters a service has; `not-found` when none was ever put aside. */
export async function readLetters(cluster: Cluster, service: string): Promise<LetterBox> {
  const { name: topic } = deadLettersOf(service)
  const place = { topic, partition: 0 }
  const fold = new LetterFold()
  try {
    const [start] = await listOffsets(cluster, [place], earliestTimestamp, 'read_committed')
    const [end] = await listOffsets(cluster, [place], latestTimestamp, 'read_committed')
    const stretch = { from: start!.offset, until: end!.offset }
    await readFacts(cluster, service, stretch, (fact) => fold.take(fact))
  } catch (error) {
    if (isHeadwaterError(error, 'not-found')) throw noLetters(service, topic)
    throw error
  }
  return fold.box()
}

/** The letters of entries, in pieces of up to `pieceLettersMax` and about `pieceBytesMax`, in their order. */
export async function* lettersOf(
  cluster: Cluster,
  service: string,
  entries: readonly LetterEntry[],
): AsyncGenerator<readonly Letter[]> {
  for (const piece of pieces(entries)) yield await readPiece(cluster, service, piece)
}

/** Cuts entries into those that are read, or settled, together. */
export function* pieces(entries: readonly LetterEntry[]): Generator<readonly LetterEntry[]> {
  let from = 0
  let bytes = 0
  for (const [i, entry] of entries.entries()) {
    const isFull = i - from === pieceLettersMax || bytes + entry.bytes > pieceBytesMax
    if (isFull && i > from) {
      yield entries.slice(from, i)
      from = i
      bytes = 0
    }
    bytes += entry.bytes
  }
  if (from < entries.length) yield entries.slice(from)
}

async function readPiece(
  cluster: Cluster,
  service: string,
  piece: readonly LetterEntry[],
): Promise<readonly Letter[]> {
  const wanted = new Map(piece.map((entry) => [entry.at, entry]))
  const found = new Map<string, Letter>()
  const places = piece.map(({ at }) => at)
  const stretch = { from: Math.min(...places), until: Math.max(...places) + 1 }
  await readFacts(cluster, service, stretch, ({ at, letter }) => {
    const entry = wanted.get(at)
    if (entry === undefined || letter?.fact.case !== 'failed') return
    found.set(entry.id, { ...entry, failed: letter.fact.value })
  })
  return piece.map((entry) => found.get(entry.id) ?? gone(entry))
}

function gone({ id }: LetterEntry): never {
  throw new HeadwaterError(
    'records-lost',
    `letter '${id}' was there and is not any more: somebody deletes from the stream; list the letters anew`,
  )
}

async function readFacts(
  cluster: Cluster,
  service: string,
  { from, until }: { readonly from: number; readonly until: number },
  visit: (fact: LetterFact) => void,
): Promise<void> {
  const { name: topic, codec } = deadLettersOf(service)
  const range = { topic, partition: 0, offset: from, until }
  await readRanges(cluster, [range], ({ batches }) => {
    for (const batch of batches) {
      for (const { offset: at, value } of decodeRecords(batch)) {
        const letter = decoded(value, (bytes) => codec.decode(bytes))
        visit({ at, bytes: value?.length ?? 0, letter })
      }
    }
    return undefined
  })
}

function decoded(
  value: Uint8Array | null,
  decode: (bytes: Uint8Array) => ValueOf<DeadLetters>,
): ValueOf<DeadLetters> | null {
  if (value === null) return null
  try {
    return decode(value)
  } catch {
    return null
  }
}

function noLetters(service: string, topic: string): HeadwaterError {
  return new HeadwaterError(
    'not-found',
    `service '${service}' has no dead letters: there is no topic '${topic}'. It is made when a service ` +
      "starts that has onError: 'deadLetter'",
  )
}
