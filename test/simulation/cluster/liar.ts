/** A client whose batches are not what their headers say, under a right checksum: none may be stored. */
import assert from 'node:assert/strict'
import { utf8Bytes } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { brokerDefaults } from '../../../src/broker/config.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { readBatchHeader, writeBatchHeader, type BatchHeader } from '../../../src/records/batch.ts'
import { BatchBuilder } from '../../../src/records/record.ts'
import { drawInteger, fork, type Draw } from '../../../src/testing/seed.ts'
import type { Stage } from './stage.ts'
import { connect } from './stage.ts'

const pauseMsMax = 60

export async function sendLies(stage: Stage, count: number): Promise<void> {
  const { world } = stage
  const draw = fork(world.draw)
  const process = world.start('liar')
  const cluster = await connect(process)
  const topicId = await cluster.topicId('orders')
  for (let sent = 0; sent < count; sent++) {
    await sleep(process.clock, draw() * pauseMsMax)
    const partitionData = [{ index: 0, records: lie(draw, process.clock.now()) }]
    const topicData = [{ name: 'orders', topicId, partitionData }]
    try {
      const { responses } = await cluster.send(brokerDefaults.nodeId, 'Produce', {
        acks: -1,
        timeoutMs: 1000,
        topicData,
      })
      const { errorCode } = responses[0]!.partitionResponses[0]!
      // A full disk takes no batch, whatever is in it.
      if (errorCode === ErrorCode.KAFKA_STORAGE_ERROR) continue
      assert.equal(errorCode, ErrorCode.INVALID_RECORD, 'a batch that lies was not refused')
    } catch (error) {
      // The broker is away, or the connection: nobody knows, and the readers will see.
      if (!isHeadwaterError(error)) throw error
    }
  }
  await cluster.close()
}

function lie(draw: Draw, timestamp: number): Uint8Array {
  const builder = new BatchBuilder()
  for (let at = drawInteger(draw, 1, 3); at > 0; at--) {
    builder.append(timestamp, null, utf8Bytes('a lie'))
  }
  const bytes = builder.finish({ compression: draw() < 0.5 ? 'none' : 'gzip' })
  const header = readBatchHeader(bytes)
  switch (drawInteger(draw, 0, 2)) {
    case 0:
      return told(bytes, counting(header, header.recordCount + drawInteger(draw, 1, 1000)))
    case 1:
      return told(bytes, counting(header, header.recordCount === 1 ? 2 : header.recordCount - 1))
    default:
      return told(bytes.fill(0xee, 61), header)
  }
}

function counting(header: BatchHeader, recordCount: number): BatchHeader {
  return { ...header, recordCount, lastOffsetDelta: recordCount - 1 }
}

function told(bytes: Uint8Array, header: BatchHeader): Uint8Array {
  writeBatchHeader(bytes, header)
  return bytes
}
