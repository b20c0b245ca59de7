/**
 * `headwater tail`: prints the committed records of a topic, to its present end or, with `--follow`, until
 * Ctrl-C. It joins no consumer group and leaves no trace.
 */
import { HeadwaterError, isHeadwaterError } from '../base/errors.ts'
import { shellWord } from '../base/shell-word.ts'
import { Consumer } from '../client/consumer/consumer.ts'
import type { FetchedBatches } from '../client/consumer/consumer.ts'
import type { Cluster } from '../client/cluster/cluster.ts'
import { earliestTimestamp, latestTimestamp, listOffsets } from '../client/consumer/list-offsets.ts'
import type { HeadwaterErrorCode } from '../base/errors.ts'
import type { AnyEvent } from '../events/event.ts'
import { decodeRecords } from '../records/record.ts'
import type { StartingPoint } from './arguments.ts'
import { withCluster } from './connect.ts'
import { Lifetime } from './lifetime.ts'
import { loadEvent } from './modules.ts'
import { print, printJson } from './output.ts'
import { recordJson, recordLine } from './record-text.ts'

export interface TailOptions {
  readonly broker: string
  readonly from: StartingPoint
  readonly partition?: number
  readonly key?: string
  readonly limit?: number
  readonly contracts?: string
  readonly follow?: boolean
  readonly json?: boolean
}

/** How long one poll waits for records, and so how late Ctrl-C may be noticed. */
const pollMs = 250

export async function tail(topic: string, options: TailOptions): Promise<void> {
  using lifetime = new Lifetime()
  const event =
    options.contracts === undefined ? undefined : await loadEvent(options.contracts, topic)
  await withCluster(options.broker, async (cluster) => {
    const ranges = await rangesOf(cluster, topic, options)
    const consumer = new Consumer(cluster, { isolation: 'read_committed' })
    try {
      consumer.assign(ranges.map(({ partition, start }) => ({ topic, partition, offset: start })))
      await printRecords(consumer, { topic, event, ranges, options, lifetime })
    } catch (error) {
      throw asTold(error, topic)
    } finally {
      await consumer.close()
    }
  })
}

/** What is to be read of one partition: offsets `[start, end)`. */
interface Range {
  readonly partition: number
  readonly start: number
  readonly end: number
}

async function rangesOf(cluster: Cluster, topic: string, options: TailOptions): Promise<Range[]> {
  const count = await cluster.partitionCount(topic)
  const { partition: only, from } = options
  if (only !== undefined && only >= count) {
    throw new HeadwaterError(
      'not-found',
      `topic '${topic}' has no partition ${only}: it has ${count}, from 0 on`,
    )
  }
  const partitions = Array.from({ length: count }, (_, partition) => ({ topic, partition })).filter(
    ({ partition }) => only === undefined || partition === only,
  )
  const [begins, ends] = await Promise.all(
    [earliestTimestamp, latestTimestamp].map((at) =>
      listOffsets(cluster, partitions, at, 'read_committed'),
    ),
  )
  return Promise.all(
    partitions.map(async ({ partition }, i) => {
      const whole = { partition, start: begins![i]!.offset, end: ends![i]!.offset }
      return { ...whole, start: await startOf(from, whole, { cluster, topic }) }
    }),
  )
}

async function startOf(
  from: StartingPoint,
  { partition, start, end }: Range,
  { cluster, topic }: { readonly cluster: Cluster; readonly topic: string },
): Promise<number> {
  if (from === 'beginning') return start
  if (from === 'latest') return end
  if (from >= 0) return Math.min(end, Math.max(start, from))
  // Some offsets hold no record (markers of transactions, aborted ones), so look back until there are enough.
  for (let back = -from; ; back *= 2) {
    const range = { partition, start: Math.max(start, end - back), end }
    const offsets = await recordOffsets(cluster, topic, range)
    if (offsets.length >= -from || range.start === start) return offsets.at(from) ?? range.start
  }
}

/** The offsets in a range at which there are committed records. */
async function recordOffsets(
  cluster: Cluster,
  topic: string,
  { partition, start, end }: Range,
): Promise<number[]> {
  const offsets: number[] = []
  const consumer = new Consumer(cluster, { isolation: 'read_committed' })
  try {
    consumer.assign([{ topic, partition, offset: start }])
    for (let next = start; next < end;) {
      for (const { batches, nextOffset } of await consumer.poll(pollMs)) {
        for (const batch of batches) {
          for (const { offset } of decodeRecords(batch)) {
            if (offset >= start && offset < end) offsets.push(offset)
          }
        }
        next = nextOffset
      }
    }
    return offsets
  } finally {
    await consumer.close()
  }
}

/** What ended the reading, with what somebody at a terminal can do about it: programs have other ways. */
function asTold(error: unknown, topic: string): unknown {
  if (!isHeadwaterError(error)) return error
  const what = endings[error.code]
  if (what === undefined) return error
  return new HeadwaterError(
    error.code,
    `topic '${topic}' ${what}: \`headwater tail ${shellWord(topic)} --from beginning\` reads what is there now`,
    { cause: error },
  )
}

const endings: Partial<Record<HeadwaterErrorCode, string>> = {
  'topic-replaced': 'was deleted and made anew while it was read',
  'offset-out-of-range': 'lost records to retention or DeleteRecords before they were read',
}

interface Tailing {
  readonly topic: string
  readonly event: AnyEvent | undefined
  readonly ranges: readonly Range[]
  readonly options: TailOptions
  readonly lifetime: Lifetime
}

async function printRecords(consumer: Consumer, tailing: Tailing): Promise<void> {
  const { ranges, options, lifetime } = tailing
  const unread = new Set(ranges.filter(({ start, end }) => start < end).map((r) => r.partition))
  let left = options.limit ?? Infinity
  while (!lifetime.isOver && left > 0 && (options.follow || unread.size > 0)) {
    for (const fetched of await consumer.poll(pollMs)) {
      left = printFetched(fetched, tailing, left)
      const { end } = ranges.find(({ partition }) => partition === fetched.partition)!
      if (fetched.nextOffset >= end) unread.delete(fetched.partition)
    }
  }
}

/** Prints up to `left` records and says how many may still come. */
function printFetched(fetched: FetchedBatches, tailing: Tailing, left: number): number {
  const { topic, event, ranges, options } = tailing
  const { partition } = fetched
  const { start, end } = ranges.find((range) => range.partition === partition)!
  for (const record of fetched.batches.flatMap((batch) => decodeRecords(batch))) {
    if (left === 0) break
    if (record.offset < start || (!options.follow && record.offset >= end)) continue
    if (options.key !== undefined && !hasKey(record.key, options.key)) continue
    const placed = { ...record, topic, partition }
    if (options.json) printJson(recordJson(placed, event))
    else print(recordLine(placed, event))
    left--
  }
  return left
}

function hasKey(key: Uint8Array | null, text: string): boolean {
  return key !== null && Buffer.from(text).equals(key)
}
