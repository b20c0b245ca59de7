/**
 * What can be done with dead letters: give their records to the service once more, or give them up.
 *
 * A replay is the record written once more, at the end of the partition it came from, as only there the
 * service's tasks find it in their order and under their offsets. A header names the service it is for;
 * every other service of this platform passes over it. It is written in one transaction with the fact that
 * the letter is settled, so a letter is replayed once, whatever dies on the way.
 */
import { Writer, utf8Bytes } from '../../base/bytes.ts'
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import { describeConfigs } from '../../client/admin.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import { Producer } from '../../client/producer/producer.ts'
import {
  deadLettersOf,
  letterMs,
  letterTime,
  Outcome,
  replayForHeader,
  replayOfHeader,
} from '../../events/dead-letters.ts'
import { decodeRecords } from '../../records/record.ts'
import type { RecordHeader } from '../../records/record.ts'
import { readRanges } from '../reading.ts'
import { lettersOf, pieces, readLetters } from './letters.ts'
import type { Letter, LetterBox, LetterEntry } from './letters.ts'

/** A stream that letters come from, as it is now. */
export interface Destination {
  /** 0: it is gone. */
  readonly partitions: number
  /** It keeps only the last record of a key. */
  readonly isCompacted: boolean
}

/** Why a letter cannot be replayed as it is asked; undefined when it can. Pure. */
export function replayProblem(
  letter: LetterEntry,
  o: { readonly into: Destination; readonly again: boolean },
): string | undefined {
  const { stream, partition, settled } = letter
  if (!letter.isOfRecord) {
    return `it is about a row of '${stream}', not about a record: the row leaves when it changes again`
  }
  if (o.into.partitions === 0) {
    return `stream '${stream}' is gone, so it can be written nowhere: drop the letter`
  }
  if (partition >= o.into.partitions) {
    return `stream '${stream}' has no partition ${partition} any more: drop the letter`
  }
  if (o.into.isCompacted) {
    return (
      `stream '${stream}' keeps the last record of each key only, and an old one written once more would ` +
      'be that: write the present state of the key anew, or drop the letter'
    )
  }
  if (settled !== undefined && !o.again)
    return 'it is settled already: add --again to replay it anyway'
  if (letter.processedInPart && !o.again) {
    return (
      'another branch of the service has processed the record, and would once more: add --again if that ' +
      'does no harm'
    )
  }
  return undefined
}

/** The streams that letters come from, as they are now. */
export async function destinations(
  cluster: Cluster,
  letters: readonly LetterEntry[],
): Promise<ReadonlyMap<string, Destination>> {
  const found = new Map<string, Destination>()
  for (const stream of new Set(letters.map((letter) => letter.stream))) {
    found.set(stream, await destination(cluster, stream))
  }
  return found
}

async function destination(cluster: Cluster, stream: string): Promise<Destination> {
  try {
    const partitions = await cluster.partitionCount(stream)
    const policy = (await describeConfigs(cluster, stream)).get('cleanup.policy')?.value ?? ''
    return { partitions, isCompacted: policy.includes('compact') }
  } catch (error) {
    if (isHeadwaterError(error, 'not-found')) return { partitions: 0, isCompacted: false }
    throw error
  }
}

export interface Settling {
  readonly service: string
  readonly letters: readonly LetterEntry[]
  /** Told after each transaction how many have been gone through. */
  readonly onProgress: (done: number) => void
}

/** A letter that stays as it was, and why. */
export interface LeftLetter {
  readonly id: string
  readonly why: string
}

/**
 * Writes the records of letters once more, each for the service alone. Those whose record is nowhere any more are
 * left as they are, and returned.
 */
export async function replayLetters(
  cluster: Cluster,
  settling: Settling,
): Promise<readonly LeftLetter[]> {
  const { service, letters, onProgress } = settling
  const settler = new Settler(cluster, service, { outcome: Outcome.REPLAYED, reason: '' })
  const left: LeftLetter[] = []
  await settler.settle(letters, async () => {
    let done = 0
    for await (const piece of lettersOf(cluster, service, letters)) {
      await settler.inTransaction(async () => {
        for (const letter of piece) {
          const record = await replayOf(cluster, service, letter).catch(recordsLost)
          if ('why' in record) left.push({ id: letter.id, why: record.why })
          else await settler.append(letter, record)
        }
      })
      onProgress((done += piece.length))
    }
  })
  return left
}

/** Gives letters up. @param reason for whoever looks at them later */
export async function dropLetters(
  cluster: Cluster,
  { service, letters, onProgress }: Settling,
  reason: string,
): Promise<void> {
  const settler = new Settler(cluster, service, { outcome: Outcome.DROPPED, reason })
  await settler.settle(letters, async () => {
    let done = 0
    for (const piece of pieces(letters)) {
      await settler.inTransaction(async () => {
        for (const letter of piece) await settler.append(letter)
      })
      onProgress((done += piece.length))
    }
  })
}

const ownHeaders: ReadonlySet<string> = new Set([replayForHeader, replayOfHeader])

interface Original {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

interface Replay extends Original {
  readonly stream: string
  readonly partition: number
  readonly timestamp: number
}

async function replayOf(cluster: Cluster, service: string, letter: Letter): Promise<Replay> {
  const { stream, partition, timestampMs } = letter.failed
  const { key, value, headers } = await originalOf(cluster, letter)
  const kept = headers.filter((header) => !ownHeaders.has(header.key))
  const named = [
    { key: replayForHeader, value: utf8Bytes(service) },
    { key: replayOfHeader, value: utf8Bytes(letter.id) },
  ]
  const timestamp = Number(timestampMs)
  return { stream, partition, timestamp, key, value, headers: [...kept, ...named] }
}

/** A record that is gone concerns its letter; anything else is thrown. */
function recordsLost(error: unknown): { readonly why: string } {
  if (isHeadwaterError(error, 'records-lost')) return { why: error.message }
  throw error
}

/** Writes that letters are settled, and what goes with it. */
class Settler {
  readonly #cluster: Cluster
  readonly #service: string
  readonly #how: { readonly outcome: Outcome; readonly reason: string }
  readonly #producer: Producer
  readonly #writer = new Writer()

  constructor(
    cluster: Cluster,
    service: string,
    how: { readonly outcome: Outcome; readonly reason: string },
  ) {
    this.#cluster = cluster
    this.#service = service
    this.#how = how
    // Two who settle at once: the second ends what the first has not committed, and sees what it has.
    const transactionalId = `${encodeURIComponent(service)}~letters`
    this.#producer = new Producer(cluster, { transactionalId })
  }

  /** Does `work` if the letters are still as they were read. */
  async settle(letters: readonly LetterEntry[], work: () => Promise<void>): Promise<void> {
    try {
      await this.#producer.init()
      assertAsRead(letters, await readLetters(this.#cluster, this.#service))
      await work()
    } finally {
      await this.#producer.close()
    }
  }

  async inTransaction(work: () => Promise<void>): Promise<void> {
    this.#producer.begin()
    await work()
    await this.#producer.commit()
  }

  async append({ id }: LetterEntry, record?: Replay): Promise<void> {
    const producer = this.#producer
    await producer.ready()
    if (record !== undefined) {
      const { stream, partition, timestamp, key, value, headers } = record
      producer.append(stream, partition, timestamp, key, value, headers)
    }
    const { name: topic, codec } = deadLettersOf(this.#service)
    const now = this.#cluster.clock.now()
    const writer = this.#writer
    writer.at = 0
    const value = { ...this.#how, settledAt: letterTime(now) }
    codec.encode({ id, fact: { case: 'settled', value } }, writer)
    producer.append(topic, 0, now, utf8Bytes(id), writer.bytes.subarray(0, writer.at))
  }
}

/** Throws when a letter was settled after it was read: who settles it once more does not know that. */
function assertAsRead(letters: readonly LetterEntry[], { letters: now }: LetterBox): void {
  const byId = new Map(now.map((letter) => [letter.id, letter]))
  const other = letters.find(({ id, settled }) => {
    return settledAt(byId.get(id)?.settled) !== settledAt(settled)
  })
  if (other === undefined) return
  throw new HeadwaterError(
    'input-invalid',
    `letter '${other.id}' was settled by somebody else meanwhile: nothing was done; list the letters anew`,
  )
}

function settledAt(settled: LetterEntry['settled']): number | undefined {
  return settled && (letterMs(settled.settledAt) ?? 0)
}

/** The record as it was: what the letter holds, or what is where it says. */
async function originalOf(cluster: Cluster, letter: Letter): Promise<Original> {
  const { failed } = letter
  if (failed.bytesLeftOut !== undefined) return recordAt(cluster, letter)
  const headers = failed.headers.map(({ key, value }) => ({ key, value: value ?? null }))
  return { key: failed.key ?? null, value: failed.value ?? null, headers }
}

async function recordAt(cluster: Cluster, { id, failed }: Letter): Promise<Original> {
  const { stream: topic, partition } = failed
  const at = Number(failed.offset)
  let found: Original | undefined
  const range = { topic, partition, offset: at, until: at + 1 }
  try {
    await readRanges(cluster, [range], ({ batches }) => {
      const records = batches.flatMap((batch) => decodeRecords(batch))
      found ??= records.find(({ offset }) => offset === at)
      return undefined
    })
  } catch (cause) {
    const isGone = isHeadwaterError(cause, 'offset-out-of-range')
    throw isGone ? recordGone(id, cause) : cause
  }
  if (found === undefined) throw recordGone(id, undefined)
  return found
}

function recordGone(id: string, cause: unknown): HeadwaterError {
  const reason = cause instanceof Error ? ` (${cause.message})` : ''
  return new HeadwaterError(
    'records-lost',
    `letter '${id}' holds too large a record to hold its bytes, and the record is not where it was${reason}: ` +
      'drop the letter',
    { cause },
  )
}
