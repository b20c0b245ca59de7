/** What a broker has against a batch, in words: what is wrong with which record, and what decides it. */
import { HeadwaterError } from '../../base/errors.ts'
import type { ResponseOf } from '../../protocol/api.ts'
import { ErrorCode, errorName } from '../../protocol/errors.ts'
import { batchHeaderBytes } from '../../records/batch.ts'
import { decodeRecords } from '../../records/record.ts'
import { partitionName } from '../cluster/topic-partition.ts'
import { wireError } from '../cluster/wire-error.ts'
import type { PendingBatch } from './partition-queue.ts'

type ProduceResult = ResponseOf<'Produce'>['responses'][number]['partitionResponses'][number]
export type PartitionResult = Pick<ProduceResult, 'errorCode' | 'errorMessage' | 'recordErrors'> &
  Partial<Pick<ProduceResult, 'baseOffset'>>

/**
 * Refusals that come before anything is appended. Any other may follow an append: a leader whose replicas
 * took too long has the batch in its log by then.
 */
const beforeAppend: ReadonlySet<number> = new Set([
  ErrorCode.CORRUPT_MESSAGE,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.INVALID_PRODUCER_EPOCH,
  ErrorCode.INVALID_RECORD,
  ErrorCode.INVALID_TIMESTAMP,
  ErrorCode.INVALID_TOPIC_EXCEPTION,
  ErrorCode.LEADER_NOT_AVAILABLE,
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
  ErrorCode.RECORD_LIST_TOO_LARGE,
  ErrorCode.TOPIC_AUTHORIZATION_FAILED,
  ErrorCode.UNKNOWN_LEADER_EPOCH,
  ErrorCode.UNKNOWN_PRODUCER_ID,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
])

/**
 * Whether a refused batch may be stored nevertheless. A leader that has lost its role says so before an append
 * as after one; Kafka's names the offset then, and any other broker is not to be trusted with the difference
 * unless it says that it has none.
 */
export function mayFollowAppend({ errorCode, baseOffset = 0 }: PartitionResult): boolean {
  const isNotLeader = errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER
  return isNotLeader ? baseOffset >= 0 : !beforeAppend.has(errorCode)
}

/** Whether nothing is wrong with the batch, but with what the broker remembers of its producer. */
export function isOfProducer(code: number): boolean {
  return (
    code === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER ||
    code === ErrorCode.UNKNOWN_PRODUCER_ID ||
    code === ErrorCode.INVALID_PRODUCER_EPOCH
  )
}

/** Whether a smaller batch could be taken. */
export function isTooLarge(code: number): boolean {
  return code === ErrorCode.MESSAGE_TOO_LARGE || code === ErrorCode.RECORD_LIST_TOO_LARGE
}

/** Whether one of the records is at fault, and nothing of the batch is stored. */
export function isOfRecord(code: number): boolean {
  return code === ErrorCode.INVALID_RECORD || code === ErrorCode.INVALID_TIMESTAMP
}

/** The operating error for a refused batch; `record-invalid` when a record is at fault. @param now ms */
export function refusalError(
  batch: PendingBatch,
  result: PartitionResult,
  now: number,
): HeadwaterError {
  const { errorCode, errorMessage } = result
  if (isTooLarge(errorCode)) return tooLarge(batch, result)
  if (errorCode === ErrorCode.INVALID_TIMESTAMP) return untimely(batch, result, now)
  const { topic, partition } = batch.queue
  return wireError(errorCode, `write to ${partitionName(topic, partition)}`, errorMessage)
}

/** A record that its topic does not take: alone in a batch it is too large. */
export class RecordTooLarge extends HeadwaterError {
  readonly topic: string
  /** Of the batch that was refused. */
  readonly batchBytes: number

  constructor(topic: string, what: string, batchBytes: number) {
    super('record-invalid', what)
    this.topic = topic
    this.batchBytes = batchBytes
  }
}

function tooLarge({ queue, sizeBytes, bytes }: PendingBatch, result: PartitionResult) {
  const { topic } = queue
  return new RecordTooLarge(
    topic,
    `topic '${topic}' does not take a record of ${sizeBytes - batchHeaderBytes} bytes, which makes a batch of ${bytes!.length}: batches have at most the topic's max.message.bytes (${said(result)}); write smaller records, or raise max.message.bytes of '${topic}'`,
    bytes!.length,
  )
}

function untimely({ queue, bytes }: PendingBatch, result: PartitionResult, now: number) {
  const records = decodeRecords(bytes!)
  const timestamps = records.map(({ timestamp }) => timestamp)
  const named = result.recordErrors.map(({ batchIndex }) => timestamps[batchIndex])
  const farthest = timestamps.toSorted((a, b) => Math.abs(b - now) - Math.abs(a - now))[0]!
  const timestamp = named[0] ?? farthest
  const { topic } = queue
  const [setting, side] =
    timestamp > now
      ? ['message.timestamp.after.max.ms', 'in the future']
      : ['message.timestamp.before.max.ms', 'in the past']
  return new HeadwaterError(
    'record-invalid',
    `topic '${topic}' does not take a record with the time ${timeText(timestamp)}: it lies further ${side} than ${setting} of the topic allows (${said(result)}); correct the time, or raise ${setting} of '${topic}'`,
  )
}

/** The broker's name for it, with its own words if it has any. */
function said({ errorCode, errorMessage }: PartitionResult): string {
  return errorMessage === null ? errorName(errorCode) : `${errorName(errorCode)}: ${errorMessage}`
}

/** Dates end 275,760 years after Christ; a time in microseconds lies beyond. */
function timeText(timestamp: number): string {
  const date = new Date(timestamp)
  return Number.isNaN(date.getTime()) ? `${timestamp} ms` : date.toISOString()
}
