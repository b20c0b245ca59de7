/**
 * `npm run soak -- --gigabytes 10`: data through a broker process, and what it holds in memory meanwhile.
 *
 *   --gigabytes N   how much is produced; 1 when left out. 10 is what `docs/performance.md` speaks of
 *   --idle S        seconds without load at the end, to see memory given back; 15 when left out
 *
 * Producers send 1 MB requests to twelve partitions, two consumers keep up, one reads old records from the
 * disk. Beside them are clients that no broker should mind: some ask for all there is and never read, some
 * begin requests of 90 MB and hardly go on, some leave one-byte pieces. Old records are deleted on the way,
 * so the disk needs about 2 GB. It fails when the broker's RSS goes beyond its budget and 120 MiB, or when a
 * consumer misses a record.
 */
import { parseArgs } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { startBroker } from '../bench/headwater.ts'
import { usageOf } from '../bench/measure.ts'
import { brokerDefaults } from '../src/broker/config.ts'
import { nextOffsetOf, readBatchHeader, splitBatches } from '../src/records/batch.ts'
import { neverRead, sendHalf } from '../test/conformance/bad-clients.ts'
import { batchOf, createTopic, RawClient } from '../test/conformance/raw-client.ts'

const mebibyte = 1024 * 1024
const partitions = 12
const batchBytes = 80_000
/** What the process is besides its budget: code, heap, what the allocator keeps. */
const restMiB = 120

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '1' },
    idle: { type: 'string', default: '15' },
  },
})
const wantedBytes = Number(values.gigabytes) * 1e9
const boundMiB = brokerDefaults.memoryBytesMax / mebibyte + restMiB

const broker = await startBroker()
const seen = { peakMiB: 0, produced: 0, consumed: 0, old: 0, closed: 0 }
let isOver = false
const watch = setInterval(() => {
  seen.peakMiB = Math.max(seen.peakMiB, usageOf(broker.pid).rssMiB)
}, 50)
const progress = setInterval(say, 5_000)

const admin = await RawClient.connect(broker.port)
await createTopic(admin, 'soak', partitions, { 'segment.bytes': `${64 * mebibyte}` })
const bad = [
  ...Array.from({ length: 4 }, () => keep(() => neverRead(broker.port, 'soak', partitions))),
  ...Array.from({ length: 6 }, () => keep(() => sendHalf(broker.port))),
  trickle(),
]
const tail = Promise.all([consume('consumed'), consume()])
const old = readOld()
await Promise.all(Array.from({ length: 3 }, () => produce()))
await tail
isOver = true
await Promise.all([old, ...bad])
const underLoadMiB = usageOf(broker.pid).rssMiB
await sleep(Number(values.idle) * 1000)
clearInterval(watch)
clearInterval(progress)
say()
const idleMiB = usageOf(broker.pid).rssMiB
console.log(
  `at the end ${underLoadMiB.toFixed(0)} MiB, after ${values.idle} s without load ${idleMiB.toFixed(0)} MiB; the bound is ${boundMiB} MiB`,
)
await broker.stop()
process.exit(seen.peakMiB <= boundMiB ? 0 : 1)

function say(): void {
  const gigabytes = (records: number): string => ((records * batchBytes) / 1e9).toFixed(2)
  console.log(
    `produced ${gigabytes(seen.produced)} GB, consumed ${gigabytes(seen.consumed)}, read again ${gigabytes(seen.old)}; ` +
      `RSS at most ${seen.peakMiB.toFixed(0)} MiB; ${seen.closed} connections of bad clients closed`,
  )
}

async function produce(): Promise<void> {
  const client = await RawClient.connect(broker.port)
  const records = batchOf(['x'.repeat(batchBytes - 100)], { key: null })
  while (seen.produced * batchBytes < wantedBytes) {
    const partitionData = Array.from({ length: partitions }, (_, index) => ({ index, records }))
    const { responses } = await client.ask('Produce', 9, {
      acks: -1,
      timeoutMs: 60_000,
      topicData: [{ name: 'soak', partitionData }],
    })
    const { partitionResponses } = responses[0]!
    const failed = partitionResponses.find(({ errorCode }) => errorCode !== 0)
    if (failed !== undefined) throw new Error(`not produced: ${failed.errorCode}`)
    seen.produced += partitions
    await deleteOld(partitionResponses.map(({ baseOffset }) => baseOffset))
  }
  client.close()
}

/** Keeps about 1 GB. */
async function deleteOld(offsets: readonly number[]): Promise<void> {
  const kept = 1e9 / batchBytes / partitions
  if (offsets[0]! < kept || offsets[0]! % 500 !== 0) return
  await admin.ask('DeleteRecords', 2, {
    timeoutMs: 60_000,
    topics: [
      {
        name: 'soak',
        partitions: offsets.map((offset, partitionIndex) => ({
          partitionIndex,
          offset: Math.max(0, Math.floor(offset - kept)),
        })),
      },
    ],
  })
}

function fetchOf(offsets: readonly number[], maxWaitMs = 500) {
  const asked = offsets.map((fetchOffset, partition) => ({
    partition,
    fetchOffset,
    partitionMaxBytes: mebibyte,
  }))
  return {
    maxWaitMs,
    minBytes: 1,
    maxBytes: 50 * mebibyte,
    topics: [{ topic: 'soak', partitions: asked }],
  }
}

/** Reads everything, and misses nothing. */
async function consume(counted?: 'consumed'): Promise<void> {
  const client = await RawClient.connect(broker.port)
  const next = Array.from({ length: partitions }, () => 0)
  for (let count = 0; count * batchBytes < wantedBytes;) {
    const { responses } = await client.ask('Fetch', 12, fetchOf(next))
    for (const { partitionIndex, records, errorCode } of responses[0]?.partitions ?? []) {
      if (errorCode !== 0) throw new Error(`a consumer fell behind, or worse: ${errorCode}`)
      for (const batch of splitBatches(records ?? new Uint8Array(0))) {
        const header = readBatchHeader(batch)
        if (header.baseOffset !== next[partitionIndex]) throw new Error('a record is missing')
        next[partitionIndex] = nextOffsetOf(header)
        count++
        if (counted !== undefined) seen.consumed++
      }
    }
  }
  client.close()
}

/** Reads what is in segments only, from the beginning again and again. */
async function readOld(): Promise<void> {
  const client = await RawClient.connect(broker.port)
  while (!isOver) {
    const starts = await client.ask('ListOffsets', 7, {
      replicaId: -1,
      topics: [
        {
          name: 'soak',
          partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
            partitionIndex,
            timestamp: -2,
          })),
        },
      ],
    })
    const offsets = starts.topics[0]!.partitions.map(({ offset }) => Math.max(0, offset))
    const { responses } = await client.ask('Fetch', 12, fetchOf(offsets))
    for (const { records } of responses[0]?.partitions ?? []) {
      seen.old += splitBatches(records ?? new Uint8Array(0)).length
    }
    await sleep(20)
  }
  client.close()
}

/** Keeps a bad client there: another comes when the broker has closed it. */
async function keep(connect: () => Promise<RawClient>): Promise<void> {
  while (!isOver) await closedOrOver(await connect())
}

/** Sends a request of 1 MB byte by byte. */
async function trickle(): Promise<void> {
  const client = await RawClient.connect(broker.port)
  const frame = new Uint8Array(1e6)
  new DataView(frame.buffer).setInt32(0, 1e6)
  for (let at = 0; at < frame.length - 1 && !isOver; at++) {
    client.duplex.write([frame.subarray(at, at + 1)])
    if (at % 100 === 0) await sleep(1)
  }
  client.close()
}

async function closedOrOver(client: RawClient): Promise<void> {
  let isClosed = false
  void client.ended().then(() => (isClosed = true))
  while (!isClosed && !isOver) await sleep(100)
  if (isClosed) seen.closed++
  client.close()
}
