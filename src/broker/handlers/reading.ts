/** One fetch request while it is answered: what is read for it, and what is said of each partition. */
import type { Steps } from '../../base/steps.ts'
import type { RequestOf, ResponseInput } from '../../protocol/api.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import { nextOffsetOf, readBatchHeader } from '../../records/batch.ts'
import { chunksOf } from './chunks.ts'
import type { RequestContext } from './context.ts'
import type { FetchSession, FetchTarget, SessionChoice } from '../serving/fetch-sessions.ts'
import type { AnswerRoom } from '../memory.ts'
import type { Partition } from '../serving/partition.ts'

type Response = ResponseInput<'Fetch'>
type TopicResponse = NonNullable<Response['responses']>[number]
type PartitionResponse = NonNullable<TopicResponse['partitions']>[number]

/** Topics are named by id from this version on (KIP-516). */
export const topicIdVersion = 13

/** Partitions that are seen to between two looks at whose turn it is. */
export const stride = 32

/** What an item holds while it waits, in bytes: itself, its target, and who listens on its log. */
const itemHeapBytes = 512

/** What is answered, by topic. */
type Answers = Map<string, { topic: string; topicId: string; partitions: PartitionResponse[] }>

interface Item {
  readonly target: FetchTarget
  readonly partition: Partition | undefined
  errorCode: number
  /** The offset behind what was last read, or the one asked for. */
  nextOffset: number
  batches: readonly Uint8Array[]
  bytes: number
}

/** One fetch request while it is being answered. */
export class Reading {
  /** Memory was short, and not all was read that might have been. */
  isShort = false
  #bytes = 0
  #failed = false
  #items: Item[] = []
  readonly #readCommitted: boolean
  readonly #bytesMax: number
  /** What there is room for this time. */
  #roomBytes = 0
  readonly #choice: SessionChoice
  readonly #context: RequestContext

  constructor(choice: SessionChoice, request: RequestOf<'Fetch'>, context: RequestContext) {
    this.#choice = choice
    this.#readCommitted = request.isolationLevel === 1
    this.#bytesMax = Math.min(request.maxBytes, context.config.fetchBytesMax)
    this.#context = context
  }

  add(target: FetchTarget): void {
    this.#items.push({
      target,
      partition: partitionOf(target, this.#context),
      errorCode: ErrorCode.NONE,
      nextOffset: target.fetchOffset,
      batches: [],
      bytes: 0,
    })
  }

  /** Whether another request of its session has come: then nobody wants to know what there is. */
  get isSuperseded(): boolean {
    return 'session' in this.#choice && this.#choice.session.nextEpoch !== this.#choice.nextEpoch
  }

  /** Has `over` called when another request of its session comes, and holds nothing then; ended by the result. */
  onSuperseded(over: () => void): (() => void) | undefined {
    const drop = (): void => {
      this.#items = []
      over()
    }
    if (!this.isSuperseded) return sessionOf(this.#choice)?.onSuperseded(drop)
    drop()
    return undefined
  }

  /** What it holds, whatever was asked for beside its partitions. */
  get heapBytes(): number {
    return this.#items.length * itemHeapBytes
  }

  *logs(): Iterable<Partition['log']> {
    for (const { partition } of this.#items) if (partition !== undefined) yield partition.log
  }

  /** Whether `minBytes` are there, read or not, or something is wrong with a partition. */
  hasEnough(minBytes: number): boolean {
    let bytes = 0
    if (this.#failed || minBytes <= 0 || this.isSuperseded) return true
    return this.#items.some((item) => {
      if (item.partition?.log.isDeleted === true) return true
      bytes += this.#bytesThere(item)
      return bytes >= minBytes
    })
  }

  #bytesThere({ target, partition, nextOffset, bytes }: Item): number {
    if (partition === undefined) return 0
    const end = partition.readableEnd(this.#readCommitted)
    return Math.min(target.partitionMaxBytes, bytes + partition.log.bytesBetween(nextOffset, end))
  }

  /** Holds no records while it waits; what they were is remembered in bytes. */
  letGo(room: AnswerRoom): void {
    room.keep(0)
    for (const item of this.#items) item.batches = []
  }

  async read(room: AnswerRoom): Promise<void> {
    if (this.isSuperseded) return
    const reserved = room.reserve(this.#bytesMax)
    this.#roomBytes = typeof reserved === 'number' ? reserved : await reserved
    await this.#readAll()
    this.isShort = this.#bytes > 0 && this.#roomBytes < this.#bytesMax
    room.keep(this.#bytes)
  }

  async #readAll(): Promise<void> {
    const { turns, peer } = this.#context
    this.#bytes = 0
    let count = 0
    for (const item of this.#items) {
      if (++count % stride === 0) {
        const turn = turns.spend(stride, peer)
        if (turn !== undefined) await turn
        if (this.isSuperseded) return
      }
      item.batches = []
      item.bytes = 0
      item.nextOffset = item.target.fetchOffset
      item.errorCode = this.#check(item)
      if (item.errorCode !== ErrorCode.NONE) this.#failed = true
      else {
        // Recent records come without a promise; do not give the turn away for them.
        const reading = this.#readItem(item)
        if (reading !== undefined) await reading
      }
    }
  }

  #check({ target, partition }: Item): number {
    if (partition === undefined || partition.log.isDeleted) return this.#unknown
    const { fetchOffset, currentLeaderEpoch } = target
    const epochError = partition.checkLeaderEpoch(currentLeaderEpoch)
    if (epochError !== ErrorCode.NONE) return epochError
    const { startOffset, endOffset } = partition.log
    if (target.lastFetchedEpoch >= 0) {
      const end = partition.log.epochEnd(target.lastFetchedEpoch)
      if (end.epoch < 0) return ErrorCode.OFFSET_OUT_OF_RANGE
      if (diverges(target, end)) return ErrorCode.NONE
    }
    const inRange = fetchOffset >= startOffset && fetchOffset <= endOffset
    return inRange ? ErrorCode.NONE : ErrorCode.OFFSET_OUT_OF_RANGE
  }

  get #unknown(): number {
    return this.#context.version >= topicIdVersion
      ? ErrorCode.UNKNOWN_TOPIC_ID
      : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
  }

  #readItem(item: Item): Promise<void> | undefined {
    const { target, partition } = item
    const upTo = partition!.readableEnd(this.#readCommitted)
    if (this.#diverges(item)) {
      this.#failed = true
      return undefined
    }
    if (target.fetchOffset >= upTo) return undefined
    const left = this.#roomBytes - this.#bytes
    if (this.#bytes > 0 && left <= 0) return undefined
    const read = partition!.log.read(target.fetchOffset, {
      maxBytes: Math.max(0, Math.min(target.partitionMaxBytes, left)),
      upTo,
      minOneBatch: this.#bytes === 0,
    })
    if (read instanceof Promise) {
      return read.then(
        (batches) => this.#take(item, batches),
        (error: unknown) => {
          // Files that went while they were read are no damage.
          if (partition!.log.isDeleted) item.errorCode = this.#unknown
          else if (isBehindStart(item)) item.errorCode = ErrorCode.OFFSET_OUT_OF_RANGE
          else item.errorCode = partition!.unreadable(error, this.#context.report)
          this.#failed = true
        },
      )
    }
    this.#take(item, read)
    return undefined
  }

  #take(item: Item, batches: readonly Uint8Array[]): void {
    item.batches = chunksOf(batches)
    for (const batch of batches) item.bytes += batch.length
    this.#bytes += item.bytes
    const last = batches.at(-1)
    if (last !== undefined) item.nextOffset = nextOffsetOf(readBatchHeader(last))
  }

  #diverges({ target, partition }: Item): boolean {
    if (target.lastFetchedEpoch < 0) return false
    return diverges(target, partition!.log.epochEnd(target.lastFetchedEpoch))
  }

  response(): Response | Promise<Response> {
    const { turns, peer } = this.#context
    if (!turns.isShort(this.#items.length)) return turns.run(this.#responseInSteps(), peer)
    const topics: Answers = new Map()
    for (const item of this.#items) this.#answer(item, topics)
    return this.#responseOf(topics)
  }

  *#responseInSteps(): Steps<Response> {
    const topics: Answers = new Map()
    let count = 0
    for (const item of this.#items) {
      if (++count % stride === 0) yield stride
      this.#answer(item, topics)
    }
    return this.#responseOf(topics)
  }

  #responseOf(topics: Answers): Response {
    return { sessionId: sessionOf(this.#choice)?.id ?? 0, responses: [...topics.values()] }
  }

  #answer(item: Item, topics: Answers): void {
    const partition = this.#present(item)
    const news = sessionOf(this.#choice)?.hasNews(item.target, partition, item.bytes) ?? true
    if (this.#choice.kind === 'incremental' && !news && partition.divergingEpoch === undefined)
      return
    const { topic, topicId } = item.target
    const key = `${topicId}/${topic}`
    const group = topics.get(key)
    if (group === undefined) topics.set(key, { topic, topicId, partitions: [partition] })
    else group.partitions.push(partition)
  }

  #present(item: Item) {
    const { target, partition } = item
    // Records that were deleted meanwhile: the log does not know any more which of them were aborted.
    const isGone = item.bytes > 0 && isBehindStart(item)
    const errorCode = isGone ? ErrorCode.OFFSET_OUT_OF_RANGE : item.errorCode
    // As in Kafka, an error says nothing about the log.
    const log = errorCode === ErrorCode.NONE ? partition?.log : undefined
    return {
      partitionIndex: target.partition,
      errorCode,
      highWatermark: log?.highWatermark ?? -1,
      lastStableOffset: log?.lastStableOffset ?? -1,
      logStartOffset: log?.startOffset ?? -1,
      abortedTransactions: this.#readCommitted || partition === undefined ? abortedIn(item) : null,
      divergingEpoch:
        log !== undefined && this.#diverges(item)
          ? log.epochEnd(target.lastFetchedEpoch)
          : undefined,
      records: isGone ? [] : item.batches,
    }
  }
}

/** KIP-595: whether the client's last epoch ended before the offset it asks for. */
function diverges(
  { lastFetchedEpoch, fetchOffset }: FetchTarget,
  { epoch, endOffset }: { readonly epoch: number; readonly endOffset: number },
): boolean {
  return epoch < lastFetchedEpoch || endOffset < fetchOffset
}

/** Whether the log begins behind what was asked for. */
function isBehindStart({ target, partition }: Item): boolean {
  return target.fetchOffset < partition!.log.startOffset
}

/** Aborted transactions that overlap what is returned; a client drops their records. */
function abortedIn({ target, partition, nextOffset }: Item) {
  if (partition === undefined || nextOffset <= target.fetchOffset) return []
  return partition.log.abortedBetween(target.fetchOffset, nextOffset)
}

export function sessionOf(choice: SessionChoice): FetchSession | undefined {
  return 'session' in choice ? choice.session : undefined
}

function partitionOf(
  { topic, topicId, partition }: FetchTarget,
  { catalog, version }: RequestContext,
): Partition | undefined {
  const found = version >= topicIdVersion ? catalog.byId(topicId) : catalog.byName(topic)
  return found?.partitions[partition]
}
