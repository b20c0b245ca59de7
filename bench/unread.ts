/**
 * `node bench/unread.ts [batches] [home]`: what a broker of the checkout `home` holds in memory when clients ask for
 * small batches and read nothing, leave, and come again; and then others who stop in the middle of 90 MB.
 *
 * Three partitions have so many batches of 100 bytes each. Prints RSS in MiB, the most while they were there and
 * what it is when they have gone. The allocator's settings are the environment's: compare with
 * `MALLOC_MMAP_THRESHOLD_=32768`.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { neverRead, sendHalf } from '../test/conformance/bad-clients.ts'
import { batchOf, createTopic, RawClient } from '../test/conformance/raw-client.ts'
import { startBroker } from './headwater.ts'
import { usageOf } from './measure.ts'

const partitions = 3
const clients = 4
const ahead = 20
const stayMs = 6_000

const batches = Number(process.argv[2] ?? 12_000)
const broker = await startBroker([], process.argv[3])
let peakMiB = 0
const watch = setInterval(() => (peakMiB = Math.max(peakMiB, rssMiB())), 50)
try {
  await load()
  console.log(`loaded: ${rssMiB().toFixed(0)} MiB`)
  for (let round = 0; round < 3; round++) {
    await visit('read nothing', () => neverRead(broker.port, 't', partitions))
  }
  for (let round = 0; round < 2; round++) await visit('send half', () => sendHalf(broker.port))
} finally {
  clearInterval(watch)
  await broker.stop()
}

async function visit(title: string, connect: () => Promise<RawClient>): Promise<void> {
  peakMiB = 0
  const all = await Promise.all(Array.from({ length: clients }, connect))
  await sleep(stayMs)
  for (const client of all) client.close()
  await sleep(1_000)
  const after = rssMiB().toFixed(0)
  console.log(`${clients} clients ${title}: ${peakMiB.toFixed(0)} MiB, then ${after}`)
}

function rssMiB(): number {
  return usageOf(broker.pid).rssMiB
}

async function load(): Promise<void> {
  const client = await RawClient.connect(broker.port)
  await createTopic(client, 't', partitions)
  const records = batchOf(['x'.repeat(30)])
  const partitionData = Array.from({ length: partitions }, (_, index) => ({ index, records }))
  const request = { acks: -1, timeoutMs: 30_000, topicData: [{ name: 't', partitionData }] }
  for (let sent = 0; sent < batches; sent += ahead) {
    for (let at = 0; at < ahead; at++) client.send('Produce', 9, request)
    for (let at = 0; at < ahead; at++) await client.receive()
  }
  client.close()
}
