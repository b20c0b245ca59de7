/**
 * One partition as clients see it: the rules between a request and the log.
 *
 * Produce: exactly one sound batch (magic 2, checksum, counts), within the topic's limits, whose records
 * are what its header says (`record-check.ts` looks). It is stored as it was sent, compressed or not, but
 * for a largest time that is not that of its records: it is put right, as in Kafka.
 * Fetch: nothing past the high watermark, and under read_committed nothing past the last stable offset.
 * What is remembered about producers, epochs and offsets is the log's.
 */
import { assert, isHeadwaterError, type HeadwaterError } from '../../base/errors.ts'
import type { AppendResult, Log } from '../../log/log.ts'
import { ErrorCode } from '../../protocol/errors.ts'
import {
  checkBatch,
  checkFrame,
  compressionOf,
  isControl,
  isTransactional,
  readBatchHeader,
  isLogAppendTime,
  sizeOf,
  stampMaxTimestamp,
  type BatchFault,
  type BatchHeader,
} from '../../records/batch.ts'
import type { RecordRules } from '../../records/walk.ts'
import type { BrokerEvent } from '../broker-event.ts'
import type { Looked } from './record-check.ts'

/** What became of a produced batch. */
export type Produced = Stored | Refused

interface Stored {
  readonly kind: 'stored'
  readonly baseOffset: number
  readonly logAppendTimeMs: number
  readonly durable: Promise<void>
}

export interface Refused {
  readonly kind: 'refused'
  readonly errorCode: number
  readonly message: string
  /** The records at fault, by their place in the batch. */
  readonly faulty?: readonly number[]
  /** Whether the log was looked at, and so can tell where it starts. */
  readonly seen?: boolean
}

/** A batch that may go in if its records may, with its header: read once, and handed on. */
export interface Checked {
  readonly kind: 'checked'
  readonly records: Uint8Array
  readonly header: BatchHeader
  readonly rules: RecordRules
  /** What a look at the records found; there must have been one before the batch is appended. */
  looked?: Looked
}

/** From this version of Produce on a transactional batch adds its partition to the transaction (KIP-890). */
export const implicitAddVersion = 12

interface PartitionLimits {
  readonly messageBytesMax: number
  readonly unfoldedRecordBytesMax: number
  readonly compacted: boolean
  readonly logAppendTime: boolean
  readonly timestampBeforeMsMax: number
  readonly timestampAfterMsMax: number
}

export class Partition {
  readonly topic: string
  readonly topicId: string
  readonly index: number
  readonly log: Log
  #limits: PartitionLimits
  #damageReported = false
  #unsoundReported = false

  constructor(
    topic: string,
    topicId: string,
    index: number,
    log: Log,
    configs: ReadonlyMap<string, string>,
  ) {
    this.topic = topic
    this.topicId = topicId
    this.index = index
    this.log = log
    this.#limits = limitsOf(configs)
  }

  /** Takes changed topic settings; they hold from the next batch on. */
  configure(configs: ReadonlyMap<string, string>): void {
    this.#limits = limitsOf(configs)
  }

  /** The offset before which a reader may read. */
  readableEnd(readCommitted: boolean): number {
    return readCommitted ? this.log.lastStableOffset : this.log.highWatermark
  }

  /** KIP-320: a client with an older epoch is fenced, one with a newer knows more than we do. */
  checkLeaderEpoch(currentLeaderEpoch: number): number {
    if (currentLeaderEpoch < 0 || currentLeaderEpoch === this.log.leaderEpoch) return ErrorCode.NONE
    return currentLeaderEpoch < this.log.leaderEpoch
      ? ErrorCode.FENCED_LEADER_EPOCH
      : ErrorCode.UNKNOWN_LEADER_EPOCH
  }

  /**
   * What a client is told when stored records cannot be read, and what an operator is: the first time
   * only, because clients ask again and again. Anything but an operating error is a bug, and thrown.
   */
  unreadable(error: unknown, report: (event: BrokerEvent) => void): number {
    if (!isHeadwaterError(error)) throw error
    // A segment that is missed is damage; this one went with its records while it was read.
    if (error.code === 'not-found') return ErrorCode.KAFKA_STORAGE_ERROR
    const { topic, index: partition } = this
    if (!this.#damageReported) report({ type: 'partition-damaged', topic, partition, error })
    this.#damageReported = true
    return error.code === 'data-corrupt' ? ErrorCode.CORRUPT_MESSAGE : ErrorCode.KAFKA_STORAGE_ERROR
  }

  /** Tells the operator, the first time, of a stored batch that is not what its header says. */
  tellUnsound(error: HeadwaterError, report: (event: BrokerEvent) => void): void {
    const { topic, index: partition } = this
    if (!this.#unsoundReported) report({ type: 'batch-unsound', topic, partition, error })
    this.#unsoundReported = true
  }

  /** What is wrong with a produced batch at first sight: what is too large is not looked at any further. */
  refusalOfFrame(records: Uint8Array): Refused | undefined {
    const fault = checkFrame(records)
    if (fault !== undefined) return unsound(fault, records)
    const sizeBytes = sizeOf(records)
    if (sizeBytes !== records.length) {
      return refuse(
        ErrorCode.INVALID_RECORD,
        'a produce request holds one record batch a partition',
      )
    }
    const { messageBytesMax } = this.#limits
    if (sizeBytes <= messageBytesMax) return undefined
    return refuse(
      ErrorCode.MESSAGE_TOO_LARGE,
      `the batch has ${sizeBytes} bytes, more than max.message.bytes=${messageBytesMax}`,
    )
  }

  /**
   * Checks a produced batch, whose frame is right, against every rule that needs neither its records nor
   * another room.
   * @param crc its checksum, where somebody has computed it
   */
  check(records: Uint8Array, version: number, now: number, crc?: number): Checked | Refused {
    const fault = checkBatch(records, 0, crc)
    if (fault !== undefined) return unsound(fault, records)
    const header = readBatchHeader(records)
    const refused = headerRefusal(header, version)
    return refused ?? { kind: 'checked', records, header, rules: this.#rulesFor(header, now) }
  }

  /** Why a checked batch may not go in by what its records are, and by what the log knows of its producer. */
  refusal({ header, looked }: Checked, version: number): Refused | undefined {
    assert(looked !== undefined, 'nobody looked at the records of a batch')
    return recordRefusal(looked) ?? this.#producerRefusal(header, version)
  }

  /** Appends a checked batch. The log owns its bytes from now on. */
  append({ records, header: sent, looked }: Checked, now: number): Produced {
    const { logAppendTime } = this.#limits
    const maxTimestamp = looked?.maxTimestamp ?? sent.maxTimestamp
    const header =
      logAppendTime || sent.maxTimestamp === maxTimestamp
        ? sent
        : stampMaxTimestamp(records, sent, maxTimestamp)
    let result: AppendResult
    try {
      result = this.log.append(records, logAppendTime ? { header, logAppendTime: now } : { header })
    } catch (error) {
      if (!isHeadwaterError(error)) throw error
      return refuse(ErrorCode.KAFKA_STORAGE_ERROR, error.message)
    }
    if (result.kind === 'refused') {
      return judge(sequenceCodes[result.reason], `the log refused the batch: ${result.reason}`)
    }
    return {
      kind: 'stored',
      baseOffset: result.baseOffset,
      logAppendTimeMs: logAppendTime ? now : -1,
      durable: result.durable,
    }
  }

  /** KIP-890: what is plain does not mix with what is open, and a new producer begins at its beginning. */
  #producerRefusal(header: BatchHeader, version: number): Refused | undefined {
    if (header.producerId < 0) return undefined
    const producer = this.log.producerState(header.producerId)
    if (!isTransactional(header.attributes)) {
      if (producer === undefined || producer.transactionStart < 0) return undefined
      return judge(ErrorCode.INVALID_TXN_STATE, 'its producer has a transaction open here')
    }
    if (producer !== undefined || header.baseSequence === 0 || version < implicitAddVersion) {
      return undefined
    }
    return judge(
      ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
      'a transaction of an unknown producer begins with sequence 0',
    )
  }

  #rulesFor({ attributes }: BatchHeader, now: number): RecordRules {
    const { compacted, logAppendTime, timestampBeforeMsMax, timestampAfterMsMax } = this.#limits
    const oldest = logAppendTime ? -Infinity : now - timestampBeforeMsMax
    const newest = logAppendTime ? Infinity : now + timestampAfterMsMax
    const recordBytesMax =
      compressionOf(attributes) === 'none' ? Infinity : this.#limits.unfoldedRecordBytesMax
    return { keyed: compacted, oldest, newest, recordBytesMax }
  }
}

function unsound(fault: BatchFault, records: Uint8Array): Refused {
  const isFuture = fault === 'bad-magic' && records[16]! > 2
  const errorCode = isFuture ? ErrorCode.CORRUPT_MESSAGE : faultCodes[fault]
  const message = `the record batch is unsound: ${fault}`
  return { kind: 'refused', errorCode, message, seen: fault === 'bad-count' }
}

function headerRefusal(header: BatchHeader, version: number): Refused | undefined {
  if (isControl(header.attributes)) {
    return judge(ErrorCode.INVALID_RECORD, 'only the broker writes control batches')
  }
  if (
    (header.attributes & 0x07) > 4 ||
    (compressionOf(header.attributes) === 'zstd' && version < 7)
  ) {
    return refuse(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, 'zstd needs version 7 of Produce')
  }
  if (header.recordCount !== header.lastOffsetDelta + 1) {
    return judge(ErrorCode.INVALID_RECORD, 'a produced batch has a record for every offset')
  }
  if (header.producerId >= 0 && (header.baseSequence < 0 || header.producerEpoch < 0)) {
    return judge(
      ErrorCode.INVALID_RECORD,
      'a batch with a producer id needs an epoch and a sequence',
    )
  }
  if (isLogAppendTime(header.attributes)) {
    return judge(ErrorCode.INVALID_TIMESTAMP, 'only the broker gives records the time of append')
  }
  return undefined
}

/** As in Kafka a batch with a time that is not allowed is refused for that, whatever else is at fault. */
function recordRefusal({ fault, isTooLarge, unfit, untimely }: Looked): Refused | undefined {
  if (isTooLarge) {
    return judge(
      ErrorCode.MESSAGE_TOO_LARGE,
      'the batch unfolds to more than the broker takes (unfoldedBytesMax): send less in one batch',
    )
  }
  if (fault !== undefined) {
    return judge(ErrorCode.INVALID_RECORD, `the records of the batch are unsound: ${fault}`)
  }
  if (unfit.length === 0) return undefined
  const refused = untimely
    ? judge(
        ErrorCode.INVALID_TIMESTAMP,
        'a timestamp lies further in the past or in the future than message.timestamp.before.max.ms and message.timestamp.after.max.ms allow',
      )
    : judge(ErrorCode.INVALID_RECORD, 'a compacted topic takes no records without a key')
  return { ...refused, faulty: unfit }
}

const faultCodes: Readonly<Record<BatchFault, number>> = {
  'too-short': ErrorCode.INVALID_RECORD,
  'bad-length': ErrorCode.CORRUPT_MESSAGE,
  'bad-magic': ErrorCode.INVALID_RECORD,
  'bad-crc': ErrorCode.CORRUPT_MESSAGE,
  'bad-count': ErrorCode.INVALID_RECORD,
}

const sequenceCodes = {
  'out-of-order-sequence': ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  'invalid-producer-epoch': ErrorCode.INVALID_PRODUCER_EPOCH,
  // It is older than what is remembered, so nobody can tell whether it is a duplicate.
  'duplicate-sequence': ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
} as const

export function refuse(errorCode: number, message: string): Refused {
  return { kind: 'refused', errorCode, message }
}

/** A refusal by what the log knows. */
function judge(errorCode: number, message: string): Refused {
  return { kind: 'refused', errorCode, message, seen: true }
}

function limitsOf(configs: ReadonlyMap<string, string>): PartitionLimits {
  const number = (name: string, otherwise: number): number => {
    const value = Number(configs.get(name) ?? otherwise)
    // Kafka writes "without limit" as the largest 64-bit integer.
    return value >= Number.MAX_SAFE_INTEGER ? Infinity : value
  }
  return {
    messageBytesMax: number('max.message.bytes', Infinity),
    unfoldedRecordBytesMax: number('max.decompressed.message.bytes', Infinity),
    compacted: (configs.get('cleanup.policy') ?? '').split(',').includes('compact'),
    logAppendTime: configs.get('message.timestamp.type') === 'LogAppendTime',
    timestampBeforeMsMax: number('message.timestamp.before.max.ms', Infinity),
    timestampAfterMsMax: number('message.timestamp.after.max.ms', Infinity),
  }
}
