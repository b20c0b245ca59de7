/** Where a log begins and ends, and what lies at a time or an epoch. */
import type { RequestOf } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import type { Handlers, RequestContext } from './context.ts'
import type { Partition } from '../serving/partition.ts'

type AskedPartition = RequestOf<'ListOffsets'>['topics'][number]['partitions'][number]

/** Timestamps that mean something else, with the version that knows them first. Nothing is tiered, so the
 * earliest offset is a local one, and nothing is in a tier or on the way to one. */
const latest = -1
const earliest = -2
const largestTimestamp = -3
const earliestLocal = -4
const latestTiered = -5
const earliestPendingUpload = -6
const specialSince: ReadonlyMap<number, number> = new Map([
  [latest, 0],
  [earliest, 0],
  [largestTimestamp, 7],
  [earliestLocal, 8],
  [latestTiered, 9],
  [earliestPendingUpload, 11],
])

/** ListOffsets tells the leader epoch from this version on (KIP-320). */
const leaderEpochVersion = 4

export const offsetsHandlers: Handlers = {
  ListOffsets: async (request, context) => {
    const readCommitted = request.isolationLevel === 1
    const topics = Array.from(byTopic(request.topics), async ([name, partitions]) => {
      const listed = Array.from(partitions, async ([partitionIndex, asked]) =>
        asked === 'twice'
          ? { partitionIndex, errorCode: ErrorCode.INVALID_REQUEST }
          : await listPartition(name, asked, readCommitted, context),
      )
      return { name, partitions: await Promise.all(listed) }
    })
    return { topics: await Promise.all(topics) }
  },

  OffsetForLeaderEpoch: (request, { catalog }) => ({
    topics: request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition: index, currentLeaderEpoch, leaderEpoch }) => {
        const partition = catalog.partition(topic, index)
        const errorCode =
          partition === undefined
            ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            : partition.checkLeaderEpoch(currentLeaderEpoch)
        if (partition === undefined || errorCode !== ErrorCode.NONE) {
          return { partition: index, errorCode }
        }
        const { epoch, endOffset } = partition.log.epochEnd(leaderEpoch)
        return { partition: index, errorCode, leaderEpoch: epoch, endOffset }
      }),
    })),
  }),
}

/** What is asked of each partition. As in Kafka it is answered once, and one named twice is refused. */
function byTopic(
  topics: RequestOf<'ListOffsets'>['topics'],
): Map<string, Map<number, AskedPartition | 'twice'>> {
  const asked = new Map<string, Map<number, AskedPartition | 'twice'>>()
  for (const { name, partitions } of topics) {
    const ofTopic = asked.get(name) ?? new Map<number, AskedPartition | 'twice'>()
    asked.set(name, ofTopic)
    for (const each of partitions) {
      ofTopic.set(each.partitionIndex, ofTopic.has(each.partitionIndex) ? 'twice' : each)
    }
  }
  return asked
}

interface ListedOffset {
  readonly errorCode: number
  readonly timestamp?: number
  readonly offset?: number
  readonly leaderEpoch?: number
}

async function listPartition(
  topic: string,
  asked: AskedPartition,
  readCommitted: boolean,
  context: RequestContext,
) {
  const { catalog, version, report } = context
  const { partitionIndex, timestamp } = asked
  if (timestamp < 0 && version < (specialSince.get(timestamp) ?? Infinity)) {
    return { partitionIndex, errorCode: ErrorCode.UNSUPPORTED_VERSION }
  }
  const partition = catalog.partition(topic, partitionIndex)
  const looked = await listOffset(partition, asked, readCommitted, context).catch(
    (error: unknown) =>
      partition!.log.isDeleted ? undefined : { errorCode: partition!.unreadable(error, report) },
  )
  // Its files may go while they are looked through: that is no damage, and what was found is of no topic.
  const listed =
    looked === undefined || partition?.log.isDeleted === true
      ? { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }
      : looked
  return version >= leaderEpochVersion
    ? { partitionIndex, ...listed }
    : { partitionIndex, ...listed, leaderEpoch: undefined }
}

async function listOffset(
  partition: Partition | undefined,
  { currentLeaderEpoch, timestamp }: AskedPartition,
  readCommitted: boolean,
  { lookUps, config, report }: RequestContext,
): Promise<ListedOffset> {
  if (partition === undefined) return { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }
  const errorCode = partition.checkLeaderEpoch(currentLeaderEpoch)
  if (errorCode !== ErrorCode.NONE) return { errorCode }
  const { log } = partition
  const end = partition.readableEnd(readCommitted)
  switch (timestamp) {
    case latest:
      return { errorCode, offset: end, leaderEpoch: log.leaderEpoch }
    case earliest:
    case earliestLocal:
      return { errorCode, offset: log.startOffset, leaderEpoch: log.leaderEpoch }
    case latestTiered:
    case earliestPendingUpload:
      return { errorCode }
    default: {
      const found = await lookUps.pass(() =>
        timestamp === largestTimestamp
          ? log.maxTimestamp(config.unfoldedBytesMax)
          : log.offsetForTimestamp(timestamp, config.unfoldedBytesMax),
      )
      if (found === undefined || found.offset >= end) return { errorCode }
      const { unsound, ...position } = found
      if (unsound !== undefined) partition.tellUnsound(unsound, report)
      return { errorCode, ...position }
    }
  }
}
