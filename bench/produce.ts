/**
 * `node bench/produce.ts [records] [rounds] [bytes]`: Kafka's own producer-perf-test, unmodified, records of
 * 1 KiB or `bytes`, 12 partitions, acks=all, against our broker and Apache Kafka in turn in every round: Kafka with its
 * defaults (acknowledged from the page cache) and with `flush.messages=1` (synced, as ours always is).
 * CPU time is the broker process's alone. Needs Java 17 and Maven.
 */
import { ask, startKafka } from '../scripts/kafka.ts'
import { startBroker } from './headwater.ts'
import { median, spread, usageOf } from './measure.ts'
import { producerPerf } from './producer-perf.ts'

const records = Number(process.argv[2] ?? 500_000)
const rounds = Number(process.argv[3] ?? 3)
const recordBytes = Number(process.argv[4] ?? 1_024)

interface Peer {
  readonly name: string
  readonly port: number
  readonly pid: number
  readonly configs: Readonly<Record<string, string>>
  readonly perSecond: number[]
  readonly p99Ms: number[]
  readonly cpuMicros: number[]
}

const ours = await startBroker()
const kafka = await startKafka()
const synced = { 'flush.messages': '1' }
const peers = [
  peer('headwater, synced', ours, {}),
  peer('Kafka, page cache', kafka, {}),
  peer('Kafka, flush.messages=1', kafka, synced),
]
try {
  // The first round warms both up and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const each of peers) await produce(each, round)
  }
} finally {
  await ours.stop()
  await kafka.stop()
}
report()

function peer(
  name: string,
  { port, pid }: { readonly port: number; readonly pid: number },
  configs: Readonly<Record<string, string>>,
): Peer {
  return { name, port, pid, configs, perSecond: [], p99Ms: [], cpuMicros: [] }
}

async function produce(to: Peer, round: number): Promise<void> {
  const topic = `bench-${to.configs === synced ? 'synced' : 'plain'}-${round}`
  await createTopic(to, topic)
  const count = to.configs === synced ? Math.ceil(records / 5) : records
  const cpuBefore = usageOf(to.pid).cpuSeconds
  const { perSecond, p99Ms } = await producerPerf(to.port, topic, count, recordBytes)
  if (round === 0) return
  to.perSecond.push(perSecond)
  to.p99Ms.push(p99Ms)
  to.cpuMicros.push(((usageOf(to.pid).cpuSeconds - cpuBefore) / count) * 1e6)
}

async function createTopic(to: Peer, name: string): Promise<void> {
  const configs = Object.entries(to.configs).map(([key, value]) => ({ name: key, value }))
  const answer = await ask(to.port, 'CreateTopics', 5, {
    topics: [{ name, numPartitions: 12, replicationFactor: 1, assignments: [], configs }],
    timeoutMs: 30_000,
    validateOnly: false,
  })
  const errorCode = answer.topics[0]!.errorCode
  if (errorCode !== 0) throw new Error(`${to.name} refuses topic ${name}: error ${errorCode}`)
}

function report(): void {
  console.log(
    `producer-perf-test, ${recordBytes} bytes, 12 partitions, acks=all, ${rounds} rounds: median (min–max)`,
  )
  const base = peers[0]!
  for (const each of peers) {
    const ratios = each.perSecond.map((rate, round) => base.perSecond[round]! / rate)
    console.log(
      `  ${each.name.padEnd(24)} ${spread(each.perSecond)} records/s, p99 ${spread(each.p99Ms)} ms, ` +
        `broker CPU ${median(each.cpuMicros).toFixed(1)} µs/record, headwater is ×${spread(ratios, 2)}`,
    )
  }
}
