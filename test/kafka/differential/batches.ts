/** Batches right and wrong, and the two requests nearly every scenario makes. */
import { concatBytes, utf8Bytes } from '../../../src/base/bytes.ts'
import type { ResponseOf } from '../../../src/protocol/api.ts'
import { writeBatchHeader, readBatchHeader } from '../../../src/records/batch.ts'
import { compress } from '../../../src/records/compression.ts'
import { BatchBuilder } from '../../../src/records/record.ts'
import type { AskOptions, Peer } from './side.ts'

/** The time of the first record of every batch, unless it says otherwise: a while ago, but not so long that
 * Kafka would begin another segment for what it writes itself. */
export const noon = Math.floor(Date.now() / 1000) * 1000 - 60_000

export interface BatchOptions {
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly transactional?: boolean
  readonly compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly key?: string | null
  /** One for each record. */
  readonly timestamps?: readonly number[]
}

/** A batch with one record for each value. */
export function batch(values: readonly (string | null)[], o: BatchOptions = {}): Uint8Array {
  const { key = 'key', timestamps = [], ...finish } = o
  const builder = new BatchBuilder()
  for (const [i, value] of values.entries()) {
    const bytes = value === null ? null : utf8Bytes(value)
    builder.append(timestamps[i] ?? noon, key === null ? null : utf8Bytes(key), bytes)
  }
  return builder.finish(finish)
}

/** The batch with other fields in its header, and the checksum that goes with them. */
export function altered(
  bytes: Uint8Array,
  fields: Partial<ReturnType<typeof readBatchHeader>>,
): Uint8Array {
  const copy = bytes.slice()
  writeBatchHeader(copy, { ...readBatchHeader(copy), ...fields })
  return copy
}

export const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

/** A batch of these bytes for records, compressed, under the header of another. */
export function around(
  records: Uint8Array,
  like: Uint8Array,
  compression: (typeof compressions)[number],
): Uint8Array {
  const body = compress(compression, records)
  const bytes = concatBytes([like.subarray(0, 61), body])
  writeBatchHeader(bytes, {
    ...readBatchHeader(like),
    attributes: compressions.indexOf(compression),
  })
  return bytes
}

export interface ProduceOptions extends AskOptions {
  readonly version?: number
  readonly partition?: number
  readonly acks?: number
  readonly transactionalId?: string | null
}

export async function produce(
  to: Peer,
  topic: string,
  records: Uint8Array | null,
  o: ProduceOptions = {},
): Promise<ResponseOf<'Produce'>['responses'][number]['partitionResponses'][number]> {
  const { version = 11, partition = 0, acks = -1, transactionalId = null } = o
  const topicData = [{ name: topic, partitionData: [{ index: partition, records }] }]
  const request = { acks, timeoutMs: 5000, transactionalId, topicData }
  const { responses } = await to.ask('Produce', version, request, o)
  return responses[0]!.partitionResponses[0]!
}

export interface FetchOptions extends AskOptions {
  readonly version?: number
  readonly partition?: number
  readonly isolationLevel?: number
  readonly currentLeaderEpoch?: number
  readonly lastFetchedEpoch?: number
  readonly minBytes?: number
  readonly maxBytes?: number
  readonly partitionMaxBytes?: number
  readonly maxWaitMs?: number
}

export async function fetch(
  from: Peer,
  topic: string,
  fetchOffset: number,
  o: FetchOptions = {},
): Promise<ResponseOf<'Fetch'>> {
  const { version = 12, partition = 0, isolationLevel = 0 } = o
  const request = {
    maxWaitMs: o.maxWaitMs ?? 0,
    minBytes: o.minBytes ?? 0,
    maxBytes: o.maxBytes ?? 1_000_000,
    isolationLevel,
    topics: [
      {
        topic,
        partitions: [
          {
            partition,
            fetchOffset,
            currentLeaderEpoch: o.currentLeaderEpoch ?? -1,
            partitionMaxBytes: o.partitionMaxBytes ?? 1_000_000,
            ...(o.lastFetchedEpoch === undefined ? {} : { lastFetchedEpoch: o.lastFetchedEpoch }),
          },
        ],
      },
    ],
  }
  return from.ask('Fetch', version, request, o)
}

/** A producer id of its own, idempotent only or for a transactional id. */
export async function producer(
  from: Peer,
  transactionalId: string | null = null,
  o: AskOptions & {
    version?: number
    timeoutMs?: number
    producerId?: number
    producerEpoch?: number
  } = {},
): Promise<{ readonly producerId: number; readonly producerEpoch: number }> {
  const { version = 5, timeoutMs = 60_000, producerId = -1, producerEpoch = -1 } = o
  const claim = version < 3 ? {} : { producerId, producerEpoch }
  const request = { transactionalId, transactionTimeoutMs: timeoutMs, ...claim }
  return from.ask('InitProducerId', version, request, o)
}
