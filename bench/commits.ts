/**
 * `node bench/commits.ts [commits] [topics] [rounds]`: what months of commits cost a start. A broker with
 * so many topics of four partitions takes so many commits of one group, a partition each, is closed, and
 * started again; then once more after a SIGKILL. Prints how long the starts took until they listen, the
 * bytes of the directory, and the memory.
 */
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { RawClient } from '../test/conformance/raw-client.ts'
import { freshDirectory, startBroker, type BrokerProcess } from './headwater.ts'
import { spread, usageOf } from './measure.ts'

const [commits = 300_000, topicCount = 2_000, rounds = 3] = process.argv.slice(2).map(Number)
const connections = 8
/** Of one connection, sent ahead of their answers. */
const ahead = 16

const directory = freshDirectory()
let broker = await startBroker(['--dir', directory])
const fresh = usageOf(broker.pid).rssMiB
await createTopics()
const startedAt = performance.now()
await Promise.all(Array.from({ length: connections }, (_, at) => commit(at)))
const perSecond = commits / ((performance.now() - startedAt) / 1_000)
const bytes = sizeOf(directory)
await broker.stop()

const clean: number[] = []
const killed: number[] = []
let rssMiB = 0
for (let round = 0; round < rounds; round++) {
  broker = await start(clean)
  rssMiB = usageOf(broker.pid).rssMiB
  await broker.kill()
  broker = await start(killed)
  await broker.stop()
}
rmSync(directory, { recursive: true, force: true })

console.log(`${commits} commits of one group, ${topicCount} topics of 4 partitions`)
console.log(`  commits a second            ${perSecond.toFixed(0)}`)
console.log(`  directory                   ${(bytes / 1e6).toFixed(1)} MB`)
console.log(`  start after a close         ${spread(clean)} ms`)
console.log(`  start after a SIGKILL       ${spread(killed)} ms`)
console.log(
  `  memory after the start      ${rssMiB.toFixed(0)} MiB, ${fresh.toFixed(0)} when empty`,
)

async function start(times: number[]): Promise<BrokerProcess> {
  const started = await startBroker(['--dir', directory])
  times.push(started.readyMs)
  return started
}

async function createTopics(): Promise<void> {
  const client = await RawClient.connect(broker.port)
  const topics = Array.from({ length: topicCount }, (_, at) => ({
    name: `topic-${at}`,
    numPartitions: 4,
    replicationFactor: 1,
  }))
  const { topics: made } = await client.ask('CreateTopics', 7, { topics, timeoutMs: 60_000 })
  const bad = made.find(({ errorCode }) => errorCode !== 0)
  if (bad !== undefined) throw new Error(`CreateTopics answers ${bad.errorCode}`)
  client.close()
}

async function commit(connection: number): Promise<void> {
  const client = await RawClient.connect(broker.port)
  const mine = Math.ceil((commits - connection) / connections)
  let sent = 0
  for (let answered = 0; answered < mine; answered++) {
    for (; sent < Math.min(mine, answered + ahead); sent++) {
      const committed = { partitionIndex: sent % 4, committedOffset: sent }
      client.send('OffsetCommit', 7, {
        groupId: 'months',
        topics: [{ name: `topic-${(sent + connection) % topicCount}`, partitions: [committed] }],
      })
    }
    if ((await client.receive()) === undefined) throw new Error('the broker closed the connection')
  }
  client.close()
}

function sizeOf(path: string): number {
  return Number(execFileSync('du', ['-sb', path]).toString().split('\t')[0])
}
