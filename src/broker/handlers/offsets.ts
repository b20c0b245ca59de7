/** Where a log begins and ends, and what lies at a time or an epoch. */
import type { Steps } from '../../base/steps.ts'
import type { RequestOf, ResponseInput } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { once, type Handlers, type RequestContext } from './context.ts'
import { Gathering } from './gathering.ts'
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

type EpochTopic = NonNullable<ResponseInput<'OffsetForLeaderEpoch'>['topics']>[number]
type EpochEnd = NonNullable<EpochTopic['partitions']>[number]

export const offsetsHandlers: Handlers = {
  *ListOffsets(request, context) {
    const readCommitted = request.isolationLevel === 1
    const gathering = new Gathering()
    const topics: { readonly name: string; readonly partitions: ListedPartition[] }[] = []
    for (const [name, asked] of yield* byTopic(request.topics)) {
      const partitions: ListedPartition[] = []
      topics.push({ name, partitions })
      for (const [partitionIndex, each] of asked) {
        const listed =
          each === 'twice'
            ? { partitionIndex, errorCode: ErrorCode.INVALID_REQUEST }
            : listPartition(name, each, readCommitted, context)
        gathering.add(partitions, listed)
        yield 1
      }
    }
    return once(gathering.whole(), { topics })
  },

  *OffsetForLeaderEpoch(request, { catalog }) {
    const topics: EpochTopic[] = []
    for (const { topic, partitions: asked } of request.topics) {
      const partitions: EpochEnd[] = []
      topics.push({ topic, partitions })
      for (const each of asked) {
        partitions.push(epochEnd(catalog.partition(topic, each.partition), each))
        yield 1
      }
    }
    return { topics }
  },
}

function epochEnd(
  partition: Partition | undefined,
  asked: RequestOf<'OffsetForLeaderEpoch'>['topics'][number]['partitions'][number],
): EpochEnd {
  const errorCode =
    partition === undefined
      ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
      : partition.checkLeaderEpoch(asked.currentLeaderEpoch)
  if (partition === undefined || errorCode !== ErrorCode.NONE) {
    return { partition: asked.partition, errorCode }
  }
  const { epoch, endOffset } = partition.log.epochEnd(asked.leaderEpoch)
  return { partition: asked.partition, errorCode, leaderEpoch: epoch, endOffset }
}

/** What is asked of each partition. As in Kafka it is answered once, and one named twice is refused. */
function* byTopic(
  topics: RequestOf<'ListOffsets'>['topics'],
): Steps<Map<string, Map<number, AskedPartition | 'twice'>>> {
  const asked = new Map<string, Map<number, AskedPartition | 'twice'>>()
  for (const { name, partitions } of topics) {
    const ofTopic = asked.get(name) ?? new Map<number, AskedPartition | 'twice'>()
    asked.set(name, ofTopic)
    for (const each of partitions) {
      ofTopic.set(each.partitionIndex, ofTopic.has(each.partitionIndex) ? 'twice' : each)
      yield 1
    }
  }
  return asked
}

type ListedPartition = { readonly partitionIndex: number } & ListedOffset

interface ListedOffset {
  readonly errorCode: number
  readonly timestamp?: number
  readonly offset?: number
  readonly leaderEpoch?: number | undefined
}

function listPartition(
  topic: string,
  asked: AskedPartition,
  readCommitted: boolean,
  context: RequestContext,
): ListedPartition | Promise<ListedPartition> {
  const { catalog, version, report } = context
  const { partitionIndex, timestamp } = asked
  if (timestamp < 0 && version < (specialSince.get(timestamp) ?? Infinity)) {
    return { partitionIndex, errorCode: ErrorCode.UNSUPPORTED_VERSION }
  }
  const partition = catalog.partition(topic, partitionIndex)
  const present = (listed: ListedOffset): ListedPartition =>
    version >= leaderEpochVersion
      ? { partitionIndex, ...listed }
      : { partitionIndex, ...listed, leaderEpoch: undefined }
  const looked = listOffset(partition, asked, readCommitted, context)
  if (!(looked instanceof Promise)) return present(looked)
  // Its files may go while they are looked through: that is no damage, and what was found is of no topic.
  const gone = { errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION }
  return looked.then(
    (listed) => present(partition!.log.isDeleted ? gone : listed),
    (error: unknown) =>
      present(
        partition!.log.isDeleted ? gone : { errorCode: partition!.unreadable(error, report) },
      ),
  )
}

function listOffset(
  partition: Partition | undefined,
  { currentLeaderEpoch, timestamp }: AskedPartition,
  readCommitted: boolean,
  context: RequestContext,
): ListedOffset | Promise<ListedOffset> {
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
    default:
      return lookUp(partition, timestamp, end, context)
  }
}

async function lookUp(
  partition: Partition,
  timestamp: number,
  end: number,
  { lookUps, config, peer, report }: RequestContext,
): Promise<ListedOffset> {
  const errorCode = ErrorCode.NONE
  const { log } = partition
  const look = () =>
    timestamp === largestTimestamp
      ? log.maxTimestamp(config.unfoldedBytesMax)
      : log.offsetForTimestamp(timestamp, config.unfoldedBytesMax)
  const found = await lookUps.pass(look, peer)
  if (found === undefined || found.offset >= end) return { errorCode }
  const { unsound, ...position } = found
  if (unsound !== undefined) partition.tellUnsound(unsound, report)
  return { errorCode, ...position }
}
