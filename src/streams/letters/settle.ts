/**
 * What can be done with dead letters: give their records to the service once more, or give them up.
 *
 * A replay is the record written once more, at the end of the partition it came from, as only there the
 * service's tasks find it in their order and under their offsets. A header names the service it is for;
 * every other service of this platform passes over it. It is written in one transaction with the fact that
 * the letter is settled, so a letter is replayed once, whatever dies on the way.
 */
import { Writer, utf8Bytes } from '../../base/bytes.ts'
import { HeadwaterError } from '../../base/errors.ts'
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
import { readLetters } from './letters.ts'
import type { Letter, LetterBox } from './letters.ts'

/** Letters that are settled in one transaction. */
const transactionLetters = 200

/** Why a letter cannot be replayed as it is asked; undefined when it can. Pure. */
export function replayProblem(
  letter: Letter,
  o: { readonly isCompacted: boolean; readonly again: boolean },
): string | undefined {
  const { failed, settled } = letter
  const { stream } = failed
  if (failed.offset === undefined) {
    return `it is about a row of '${stream}', not about a record: the row leaves when it changes again`
  }
  if (o.isCompacted) {
    return (
      `stream '${stream}' keeps the last record of each key only, and an old one written once more would ` +
      'be that: write the present state of the key anew, or drop the letter'
    )
  }
  if (settled !== undefined && !o.again)
    return 'it is settled already: add --again to replay it anyway'
  if (failed.processedInPart && !o.again) {
    return (
      'another branch of the service has processed the record, and would once more: add --again if that ' +
      'does no harm'
    )
  }
  return undefined
}

/** Which of the streams that letters come from keep only the last record of a key. */
export async function compactedStreams(
  cluster: Cluster,
  letters: readonly Letter[],
): Promise<ReadonlySet<string>> {
  const streams = new Set(letters.map(({ failed }) => failed.stream))
  const compacted = new Set<string>()
  for (const stream of streams) {
    const policy = (await describeConfigs(cluster, stream)).get('cleanup.policy')?.value ?? ''
    if (policy.includes('compact')) compacted.add(stream)
  }
  return compacted
}

export interface Settling {
  readonly service: string
  readonly letters: readonly Letter[]
  /** Told after each transaction how many are settled. */
  readonly onProgress: (settled: number) => void
}

/** Writes the records of letters once more, each for the service alone. */
export async function replayLetters(cluster: Cluster, settling: Settling): Promise<void> {
  const { service } = settling
  await settle(cluster, settling, { outcome: Outcome.REPLAYED, reason: '' }, async (letter) => {
    const { stream, partition, timestampMs } = letter.failed
    const { key, value, headers } = await originalOf(cluster, letter)
    const kept = headers.filter((header) => !ownHeaders.has(header.key))
    const named = [
      { key: replayForHeader, value: utf8Bytes(service) },
      { key: replayOfHeader, value: utf8Bytes(letter.id) },
    ]
    return {
      stream,
      partition,
      timestamp: Number(timestampMs),
      key,
      value,
      headers: [...kept, ...named],
    }
  })
}

/** Gives letters up. @param reason for whoever looks at them later */
export async function dropLetters(
  cluster: Cluster,
  settling: Settling,
  reason: string,
): Promise<void> {
  await settle(cluster, settling, { outcome: Outcome.DROPPED, reason }, () => undefined)
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

async function settle(
  cluster: Cluster,
  { service, letters, onProgress }: Settling,
  how: { readonly outcome: Outcome; readonly reason: string },
  replayOf: (letter: Letter) => Promise<Replay> | undefined,
): Promise<void> {
  const { name: topic, codec } = deadLettersOf(service)
  // Two who settle at once: the second ends what the first has not committed, and sees what it has.
  const transactionalId = `${encodeURIComponent(service)}~letters`
  const producer = new Producer(cluster, { transactionalId })
  const writer = new Writer()
  const append = (letter: Letter, record: Replay | undefined): void => {
    if (record !== undefined) {
      const { stream, partition, timestamp, key, value, headers } = record
      producer.append(stream, partition, timestamp, key, value, headers)
    }
    const now = cluster.clock.now()
    const value = { ...how, settledAt: letterTime(now) }
    writer.at = 0
    codec.encode({ id: letter.id, fact: { case: 'settled', value } }, writer)
    producer.append(topic, 0, now, utf8Bytes(letter.id), writer.bytes.subarray(0, writer.at))
  }
  /** Up to the first whose record cannot be had. */
  const appendAll = async (some: readonly Letter[]): Promise<{ failure?: unknown }> => {
    for (const letter of some) {
      let record: Replay | undefined
      try {
        record = await replayOf(letter)
      } catch (failure) {
        return { failure }
      }
      await producer.ready()
      append(letter, record)
    }
    return {}
  }
  try {
    await producer.init()
    assertAsRead(letters, await readLetters(cluster, service))
    for (let from = 0; from < letters.length; from += transactionLetters) {
      const some = letters.slice(from, from + transactionLetters)
      producer.begin()
      const done = await appendAll(some)
      // Those before the one that cannot be are settled.
      await producer.commit()
      if (done.failure !== undefined) throw done.failure
      onProgress(from + some.length)
    }
  } finally {
    await producer.close()
  }
}

/** Throws when a letter was settled after it was read: who settles it once more does not know that. */
function assertAsRead(letters: readonly Letter[], { letters: now }: LetterBox): void {
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

function settledAt(settled: Letter['settled']): number | undefined {
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
    throw recordGone(id, cause)
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
