/**
 * `node bench/cold-readers.ts [readers] [MiB] [rounds] [home]`: what readers of old data cost those who write.
 *
 * A broker of the checkout `home` holds `MiB` of 1 KiB records in 12 partitions. Four producers write one
 * record every 2 ms, each on a connection of its own; first alone, then while `readers` read everything from
 * its start, again and again, in a process of their own: 50 MiB a fetch and 1 MiB a partition, which is what
 * Java's consumer asks for, then as much as a partition has. In between, as many processes that count and ask
 * the broker for nothing: what sharing the cores costs by itself. Prints percentiles of produce, synced to disk,
 * and how much was read.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { nodeNetwork } from '../src/io/node-network.ts'
import type { Duplex } from '../src/io/ports.ts'
import { encodeRequest } from '../src/protocol/frame.ts'
import { batchOf, RawClient } from '../test/conformance/raw-client.ts'
import { startBroker } from './headwater.ts'
import { spread } from './measure.ts'

const partitionCount = 12
const roundMs = 5_000
const batchRecords = 1_000
const MiB = 1024 * 1024

const readers = Number(process.argv[2] ?? 4)
const sizeMiB = Number(process.argv[3] ?? 2_000)
if (process.argv[6] === 'count') countForEver()
if (process.argv[6] !== undefined) {
  await readForEver(Number(process.argv[5]), Number(process.argv[6]))
}
const rounds = Number(process.argv[4] ?? 3)
const broker = await startBroker([], process.argv[5])
try {
  await load(broker.port)
  for (const [title, partitionBytes] of [
    ['alone', undefined],
    [`${readers} processes that only count`, 'count'],
    [`${readers} readers, 1 MiB a partition`, MiB],
    [`${readers} readers, 50 MiB a partition`, 50 * MiB],
  ] as const) {
    console.log(await measured(title, partitionBytes))
  }
} finally {
  await broker.stop()
}

async function measured(
  title: string,
  partitionBytes: number | 'count' | undefined,
): Promise<string> {
  const children =
    partitionBytes === undefined
      ? []
      : Array.from({ length: readers }, () =>
          spawn(
            process.execPath,
            [
              import.meta.filename,
              `${readers}`,
              `${sizeMiB}`,
              '',
              `${broker.port}`,
              `${partitionBytes}`,
            ],
            { stdio: ['ignore', 'pipe', 'inherit'] },
          ),
        )
  let read = 0
  for (const { stdout } of children as (ChildProcess & { stdout: NodeJS.ReadableStream })[]) {
    stdout.on('data', (text: Buffer) => {
      for (const line of text.toString().trim().split('\n')) read += Number(line)
    })
  }
  if (children.length > 0) await sleep(1_500)
  read = 0
  const p50: number[] = []
  const p99: number[] = []
  for (let round = 0; round < rounds; round++) {
    const times = (await pump()).sort((a, b) => a - b)
    p50.push(times[times.length >> 1]!)
    p99.push(times[Math.floor(times.length * 0.99)]!)
  }
  for (const child of children) {
    child.kill('SIGKILL')
    await once(child, 'close')
  }
  const megabytes = Math.round(read / 1e6 / ((rounds * roundMs) / 1_000))
  return `${title}: produce p50 ${spread(p50, 2)} ms, p99 ${spread(p99, 2)} ms, read ${megabytes} MB/s`
}

function countForEver(): never {
  for (;;);
}

async function pump(): Promise<number[]> {
  const end = performance.now() + roundMs
  const times: number[] = []
  const one = async (index: number): Promise<void> => {
    const client = await RawClient.connect(broker.port)
    while (performance.now() < end) {
      const begun = performance.now()
      await produce(client, index, 1)
      times.push(performance.now() - begun)
      await sleep(2)
    }
    client.close()
  }
  await Promise.all([0, 1, 2, 3].map(one))
  return times
}

async function load(port: number): Promise<void> {
  const client = await RawClient.connect(port)
  await client.ask('CreateTopics', 7, {
    topics: [{ name: 'old', numPartitions: partitionCount, replicationFactor: 1 }],
    timeoutMs: 30_000,
  })
  for (let at = 0; at < sizeMiB; at++) await produce(client, at % partitionCount, batchRecords)
  client.close()
}

async function produce(client: RawClient, index: number, count: number): Promise<void> {
  const records = [batchOf(Array.from({ length: count }, () => 'x'.repeat(1_024)))]
  const topicData = [{ name: 'old', partitionData: [{ index, records }] }]
  const { responses } = await client.ask('Produce', 9, { acks: -1, timeoutMs: 30_000, topicData })
  const { errorCode } = responses[0]!.partitionResponses[0]!
  if (errorCode !== 0) throw new Error(`produce failed with code ${errorCode}`)
}

/**
 * Reads every partition from its start to its end again and again, by offsets that it knows from `load`, and
 * throws the answers away: what it costs is the broker's, as far as it can be. Prints the bytes of each answer.
 */
async function readForEver(port: number, partitionMaxBytes: number): Promise<never> {
  const duplex = await nodeNetwork.connect('127.0.0.1', port)
  const answers = discarding(duplex)
  const batchesEach = Math.max(1, Math.floor(Math.min(partitionMaxBytes, 4 * MiB) / MiB))
  for (let correlationId = 0; ; correlationId++) {
    const at = (correlationId * batchesEach) % Math.floor(sizeMiB / partitionCount)
    const partitions = Array.from({ length: partitionCount }, (_, partition) => ({
      partition,
      fetchOffset: at * batchRecords,
      partitionMaxBytes,
    }))
    const body = { maxBytes: 50 * MiB, topics: [{ topic: 'old', partitions }] }
    duplex.write(encodeRequest('Fetch', 11, correlationId, 'reader', body))
    const { value } = await answers.next()
    if (value === undefined) process.exit(0)
    console.log(value)
  }
}

/** The sizes of the frames that come in. */
async function* discarding(duplex: Duplex): AsyncGenerator<number> {
  const sizes: number[] = []
  let wake = Promise.withResolvers<void>()
  let head: number[] = []
  let left = 0
  duplex.onBytes((chunk) => {
    for (let at = 0; at < chunk.length;) {
      if (left === 0) {
        head.push(chunk[at++]!)
        if (head.length < 4) continue
        left = new DataView(Uint8Array.from(head).buffer).getInt32(0)
        sizes.push(left)
        head = []
      }
      const taken = Math.min(left, chunk.length - at)
      at += taken
      left -= taken
      if (left === 0) wake.resolve()
    }
  })
  for (;;) {
    await wake.promise
    wake = Promise.withResolvers<void>()
    yield* sizes.splice(0)
  }
}
