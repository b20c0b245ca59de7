/**
 * `node bench/streams.ts [records] [rounds] [headwater|kafka]`: our services beside Kafka Streams, on the
 * same broker (ours, or Apache Kafka) and the same records, one after the other in every round: a filter
 * and a count by key, exactly once. Wall time is from the start of the service until its group has
 * committed everything; CPU time is the service's process alone, from when it was loaded.
 *
 * What came out is compared with what must before a number counts. Needs Java 17 (a JDK) and Maven.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startKafka } from '../scripts/kafka.ts'
import { java, kafkaJars, kafkaVersion, logOption } from '../scripts/kafka/jars.ts'
import { startBroker } from './headwater.ts'
import { spread, usageOf } from './measure.ts'
import { LineProcess } from './streams/line-process.ts'
import { digestOf } from './streams/digest.ts'
import type { Loaded } from './streams/payments.ts'
import { startService } from './streams/service-process.ts'
import { createTopics, digestOfTopic, loadPayments, untilCommitted } from './streams/payments.ts'

const records = Number(process.argv[2] ?? 3_000_000)
const rounds = Number(process.argv[3] ?? 3)
const brokerName = process.argv[4] ?? 'headwater'
const keys = Math.min(100_000, records)
const cacheBytesDefault = 10 * 1024 * 1024

/** One service in one make. The first of each `what` is ours, which the others are compared with. */
interface Contestant {
  readonly what: 'filter' | 'count'
  readonly name: string
  /** Kafka Streams' store and cache; undefined: ours. */
  readonly streams?: { readonly store: 'rocksdb' | 'memory'; readonly cacheBytes: number }
  readonly perSecond: number[]
  readonly perCpuSecond: number[]
  readonly peakMiB: number[]
}

const peerName = `Kafka Streams ${kafkaVersion}`
const contestants: readonly Contestant[] = [
  contestant('filter', 'headwater'),
  contestant('filter', peerName, { store: 'memory', cacheBytes: cacheBytesDefault }),
  contestant('count', 'headwater, in memory'),
  contestant('count', `${peerName}, RocksDB`, { store: 'rocksdb', cacheBytes: cacheBytesDefault }),
  contestant('count', `${peerName}, RocksDB, no cache`, { store: 'rocksdb', cacheBytes: 0 }),
  contestant('count', `${peerName}, in memory`, { store: 'memory', cacheBytes: cacheBytesDefault }),
  contestant('count', `${peerName}, in memory, no cache`, { store: 'memory', cacheBytes: 0 }),
]

const jars = await kafkaJars()
let bytesPerRecord = 0
for (let round = 0; round < rounds; round++) {
  const broker = brokerName === 'kafka' ? await startKafka() : await startBroker()
  try {
    const loaded = await loadPayments(broker.port, records, keys)
    bytesPerRecord = loaded.bytesPerRecord
    // Each round begins with another, so that none is always the first on a fresh broker.
    for (const i of contestants.keys()) {
      await race(contestants[(i + round) % contestants.length]!, broker.port, loaded)
    }
  } finally {
    await broker.stop()
  }
}
report()

function contestant(
  what: Contestant['what'],
  name: string,
  streams?: NonNullable<Contestant['streams']>,
): Contestant {
  const numbers = { perSecond: [], perCpuSecond: [], peakMiB: [] }
  return { what, name, ...(streams && { streams }), ...numbers }
}

async function race(who: Contestant, port: number, loaded: Loaded): Promise<void> {
  const state = mkdtempSync(join(tmpdir(), 'headwater-streams-'))
  const { child, groupId, out } = await load(who, port, state)
  try {
    await child.says('ready')
    const cpuBefore = usageOf(child.pid).cpuSeconds
    const started = performance.now()
    child.tell('go')
    await untilCommitted(port, groupId, records)
    const seconds = (performance.now() - started) / 1000
    const usage = usageOf(child.pid)
    await child.says('running')
    child.tell('tell')
    const told = JSON.parse(await child.line()) as { digest?: string }
    await child.end()
    const actual = who.what === 'count' ? told.digest : await digestOfTopic(port, out)
    const expected = digestOf(who.what === 'count' ? loaded.all : loaded.captured)
    if (actual !== expected) throw new Error(`${who.name}: ${actual} instead of ${expected}`)
    who.perSecond.push(records / seconds)
    who.perCpuSecond.push(records / (usage.cpuSeconds - cpuBefore))
    who.peakMiB.push(usage.peakRssMiB)
  } finally {
    child.kill()
    rmSync(state, { recursive: true, force: true })
  }
}

/** Starts the process, with the group it will be in and the topic it will write to. */
async function load({ what, streams }: Contestant, port: number, state: string) {
  if (streams === undefined) {
    const child = startService(what, port)
    return { child, groupId: what === 'filter' ? 'shipping' : 'counting', out: 'shipments' }
  }
  const groupId = `peer-${what}-${streams.store}-${streams.cacheBytes}`
  const out = `${groupId}-out`
  if (what === 'filter') await createTopics(port, [out])
  const source = join(import.meta.dirname, 'streams/StreamsPeer.java')
  const flags = ['-Xms1g', '-Xmx1g', logOption, '-cp', join(jars, '*'), source]
  const { store, cacheBytes } = streams
  const args = [`127.0.0.1:${port}`, groupId, what, store, `${cacheBytes}`, state]
  return { child: new LineProcess(java, [...flags, ...args]), groupId, out }
}

function report(): void {
  const load = `${records.toLocaleString('en-US')} records of ${bytesPerRecord.toFixed(0)} bytes`
  console.log(
    `${load}, ${keys.toLocaleString('en-US')} keys, 4 partitions, exactly once, broker ${brokerName}, ` +
      `${rounds} rounds: median (min–max)`,
  )
  for (const each of contestants) {
    const base = contestants.find(({ what }) => what === each.what)!
    const ratios = each.perCpuSecond.map((rate, round) => base.perCpuSecond[round]! / rate)
    console.log(
      `  ${each.what.padEnd(6)} ${each.name.padEnd(42)} ${spread(each.perSecond)} records/s, ` +
        `${spread(each.perCpuSecond)} records/CPU-s, peak ${spread(each.peakMiB)} MiB` +
        (each === base ? '' : `, headwater is ×${spread(ratios, 2)} by CPU`),
    )
  }
}
