/** The dead letters of a service as they stand: a fold over the facts of its stream. */
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

export interface Letter {
  readonly id: string
  readonly failed: FailedRecord
  /** What became of it since it failed last; undefined: it is open. */
  readonly settled: SettledLetter | undefined
}

/** What a service's letters are, and how many facts of the stream could not be read. */
export interface LetterBox {
  /** In the order in which they failed last. */
  readonly letters: readonly Letter[]
  readonly unreadable: number
}

/** Facts as a `LetterBox` takes them; null where the bytes are no letter. */
type LetterFact = ValueOf<DeadLetters> | null

/** Letters after the facts, in the order of the stream. */
function foldLetters(facts: Iterable<LetterFact>): LetterBox {
  const letters = new Map<string, Letter>()
  let unreadable = 0
  for (const letter of facts) {
    const before = letter === null ? undefined : letters.get(letter.id)
    if (letter?.fact.case === 'failed') {
      letters.delete(letter.id)
      letters.set(letter.id, { id: letter.id, failed: letter.fact.value, settled: undefined })
    } else if (letter?.fact.case === 'settled' && before !== undefined) {
      letters.set(letter.id, { ...before, settled: letter.fact.value })
    } else {
      unreadable++
    }
  }
  return { letters: [...letters.values()], unreadable }
}

/** Reads the letters of a service; `not-found` when none was ever put aside. */
export async function readLetters(cluster: Cluster, service: string): Promise<LetterBox> {
  const { name: topic, codec } = deadLettersOf(service)
  const place = { topic, partition: 0 }
  const facts: LetterFact[] = []
  try {
    const [start] = await listOffsets(cluster, [place], earliestTimestamp, 'read_committed')
    const [end] = await listOffsets(cluster, [place], latestTimestamp, 'read_committed')
    await readRanges(cluster, [{ ...start!, until: end!.offset }], ({ batches }) => {
      for (const { value } of batches.flatMap((batch) => decodeRecords(batch))) {
        facts.push(decoded(value, (bytes) => codec.decode(bytes)))
      }
      return undefined
    })
  } catch (error) {
    if (isHeadwaterError(error, 'not-found')) throw noLetters(service, topic)
    throw error
  }
  return foldLetters(facts)
}

function decoded(
  value: Uint8Array | null,
  decode: (bytes: Uint8Array) => ValueOf<DeadLetters>,
): LetterFact {
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
