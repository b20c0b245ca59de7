/** Batches of a few kilobytes that unfold to hundreds of megabytes, sent to a broker in a process of its own:
 * it answers, lives, stays small, and serves others meanwhile. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { brokerDefaults } from '../../src/broker/config.ts'
import { ErrorCode } from '../../src/protocol/errors.ts'
import { writeBatchHeader, type Compression } from '../../src/records/batch.ts'
import { compress } from '../../src/records/compression.ts'
import { putVarint } from '../../src/records/varint.ts'
import { batchOf, createTopic, produce, RawClient } from './raw-client.ts'

let directory: string
let child: ChildProcess
let hostile: RawClient
let good: RawClient
let peakBefore: number
const now = Date.now()
const isLinux = process.platform === 'linux'

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-bombs-'))
  const script = new URL('./broker-process.ts', import.meta.url).pathname
  child = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  const port = Number(line.toString().split(' ')[1])
  hostile = await RawClient.connect(port)
  good = await RawClient.connect(port)
  await createTopic(hostile, 'bombs', 1, { 'max.message.bytes': '20000000' })
  await createTopic(good, 'steady')
  peakBefore = peakMiB()
})
after(async () => {
  hostile.close()
  good.close()
  child.kill('SIGKILL')
  await rm(directory, { recursive: true, force: true })
})

/** The most memory that the broker has held; Linux tells. */
function peakMiB(): number {
  if (!isLinux) return 0
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+)/.exec(status)![1]) / 1024
}

function around(records: Uint8Array, recordCount: number, compression: Compression): Uint8Array {
  const body = compress(compression, records)
  const batch = new Uint8Array(61 + body.length)
  batch.set(body, 61)
  writeBatchHeader(batch, {
    attributes: ['none', 'gzip', 'snappy', 'lz4', 'zstd'].indexOf(compression),
    lastOffsetDelta: recordCount - 1,
    baseTimestamp: now,
    maxTimestamp: now,
    producerId: -1,
    producerEpoch: -1,
    baseSequence: -1,
    recordCount,
  })
  return batch
}

/** So many of the shortest records, all alike or as they should be. */
function tinyRecords(count: number, numbered: boolean): Uint8Array {
  const bytes = new Uint8Array(count * 11)
  let at = 0
  for (let number = 0; number < count; number++) {
    const start = at++
    bytes[at++] = 0
    bytes[at++] = 0
    at = putVarint(bytes, at, numbered ? number : 0)
    bytes[at++] = 1
    bytes[at++] = 1
    bytes[at++] = 0
    bytes[start] = (at - start - 1) * 2
  }
  return bytes.subarray(0, at)
}

function oneRecord(valueBytes: number): Uint8Array {
  const bytes = new Uint8Array(valueBytes + 20)
  let at = putVarint(bytes, 0, 1 + 1 + 1 + 1 + 5 + valueBytes + 1)
  bytes.set([0, 0, 0, 1], at)
  at += 4
  // A size of five bytes, whatever the number: the first four say that they are not the last.
  let left = valueBytes * 2
  for (let byte = 0; byte < 4; byte++) {
    bytes[at++] = (left % 128) | 0x80
    left = Math.floor(left / 128)
  }
  bytes[at++] = left
  return bytes.subarray(0, at + valueBytes + 1)
}

/** Asks for what the good client may have, again and again, until `answer` is there: how often it was served. */
async function servedUntil<T>(answer: Promise<T>): Promise<{ answer: T; served: number }> {
  let isThere = false
  const done = answer.finally(() => (isThere = true))
  let served = 0
  while (!isThere) {
    const { errorCode } = await produce(good, 'steady', batchOf(['x']))
    assert.equal(errorCode, ErrorCode.NONE)
    served++
  }
  return { answer: await done, served }
}

async function lookUp(timestamp: number) {
  const { topics } = await hostile.ask('ListOffsets', 7, {
    replicaId: -1,
    topics: [{ name: 'bombs', partitions: [{ partitionIndex: 0, timestamp }] }],
  })
  return topics[0]!.partitions[0]!
}

describe('a small batch', () => {
  it('of sixty million records that are all the first is refused', async () => {
    const batch = around(tinyRecords(20_000_000, false), 60_000_000, 'zstd')
    assert.ok(batch.length < 50_000)
    const { errorCode } = await produce(hostile, 'bombs', batch)
    assert.equal(errorCode, ErrorCode.INVALID_RECORD)
    assert.equal((await lookUp(now)).offset, -1)
  })

  for (const compression of ['zstd', 'gzip', 'lz4'] as const) {
    it(`of one record of ${compression} that is too large is refused, and others are served`, async () => {
      const batch = around(oneRecord(brokerDefaults.unfoldedBytesMax), 1, compression)
      assert.ok(batch.length < 1_000_000, `${batch.length}`)
      const { answer, served } = await servedUntil(produce(hostile, 'bombs', batch))
      assert.equal(answer.errorCode, ErrorCode.MESSAGE_TOO_LARGE)
      assert.ok(served >= 3, `others were served ${served} times`)
    })
  }

  it('of two million records as they should be is stored and looked up, and others are served', async () => {
    const count = 2_000_000
    const batch = around(tinyRecords(count, true), count, 'zstd')
    const stored = await servedUntil(produce(hostile, 'bombs', batch))
    assert.deepEqual([stored.answer.errorCode, stored.answer.baseOffset], [ErrorCode.NONE, 0])
    assert.ok(stored.served >= 3, `others were served ${stored.served} times`)
    await hostile.ask('DeleteRecords', 1, {
      timeoutMs: 1000,
      topics: [{ name: 'bombs', partitions: [{ partitionIndex: 0, offset: count - 1 }] }],
    })
    const found = await servedUntil(lookUp(-3))
    assert.equal(found.answer.offset, count - 1)
    assert.ok(found.served >= 3, `others were served ${found.served} times`)
  })

  it('has the broker hold little more than before', () => {
    const grown = peakMiB() - peakBefore
    assert.ok(grown < 250, `${Math.round(grown)} MiB more at its peak`)
    assert.equal(child.exitCode, null)
  })
})
