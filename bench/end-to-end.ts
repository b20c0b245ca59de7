/**
 * `node bench/end-to-end.ts [records] [rounds]`: Kafka's own EndToEndLatency, unmodified: one record of 100
 * bytes at a time is produced with acks=all and waited for by a consumer, against our broker and Apache
 * Kafka in turn in every round. Ours acknowledges what is on disk, Kafka what is in the page cache. Needs
 * Java 17 and Maven.
 */
import { ask, startKafka } from '../scripts/kafka.ts'
import { runKafkaTool } from '../scripts/kafka/tool.ts'
import { startBroker } from './headwater.ts'
import { spread } from './measure.ts'

const records = Number(process.argv[2] ?? 5_000)
const rounds = Number(process.argv[3] ?? 5)

interface Peer {
  readonly name: string
  readonly port: number
  readonly meanMs: number[]
  readonly p99Ms: number[]
}

const ours = await startBroker()
const kafka = await startKafka()
const peers: readonly Peer[] = [
  { name: 'headwater, synced', port: ours.port, meanMs: [], p99Ms: [] },
  { name: 'Kafka, page cache', port: kafka.port, meanMs: [], p99Ms: [] },
]
try {
  // The first round warms both up and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const peer of peers) await oneAtATime(peer, round)
  }
} finally {
  await ours.stop()
  await kafka.stop()
}
console.log(`EndToEndLatency, ${records} records of 100 bytes, ${rounds} rounds: median (min–max)`)
for (const { name, meanMs, p99Ms } of peers) {
  const ratios = meanMs.map((ms, round) => ms / peers[1]!.meanMs[round]!)
  console.log(
    `  ${name.padEnd(20)} mean ${spread(meanMs, 2)} ms, p99 ${spread(p99Ms)} ms, ` +
      `mean ÷ Kafka's ×${spread(ratios, 2)}`,
  )
}

async function oneAtATime(peer: Peer, round: number): Promise<void> {
  const topic = `one-at-a-time-${round}`
  await ask(peer.port, 'CreateTopics', 5, {
    topics: [{ name: topic, numPartitions: 1, replicationFactor: 1 }],
    timeoutMs: 30_000,
    validateOnly: false,
  })
  const { stdout, stderr } = await runKafkaTool('org.apache.kafka.tools.EndToEndLatency', [
    '--bootstrap-server',
    `127.0.0.1:${peer.port}`,
    '--topic',
    topic,
    '--num-records',
    `${records}`,
    '--producer-acks',
    'all',
    '--record-size',
    '100',
  ])
  const mean = /Avg latency: ([\d.]+) ms/.exec(stdout)
  const p99 = /99th = (\d+)/.exec(stdout)
  if (mean === null || p99 === null) throw new Error(`EndToEndLatency said:\n${stdout}${stderr}`)
  if (round === 0) return
  peer.meanMs.push(Number(mean[1]))
  peer.p99Ms.push(Number(p99[1]))
}
