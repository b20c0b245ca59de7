/**
 * `node bench/topics.ts [topics] [partitions] [bytes] [rounds]`: what many topics cost: to make them, a
 * checkpoint after each partition got `rounds` batches of `bytes`, closing, starting on what is there, and
 * deleting them. A lone producer writes during all of the filling; the longest that it waited is the stall.
 *
 *   HOME_OF_BROKER=/path node bench/topics.ts    the same with the broker of another checkout
 */
import { readdirSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { batchOf, RawClient } from '../test/conformance/raw-client.ts'
import { freshDirectory, startBroker, type BrokerProcess } from './headwater.ts'
import { usageOf } from './measure.ts'

const [topicCount = 2000, partitionCount = 4, batchBytes = 1024, rounds = 3] = process.argv
  .slice(2)
  .map(Number)
const partitionsInOneRequest = 400
const partitionsCreatedMax = 10_000
/** More than a journal file, so that a checkpoint falls due. */
const journalBytes = 70 * 1024 * 1024

const directory = freshDirectory()
const names = Array.from({ length: topicCount }, (_, at) => `topic-${at}`)
const figures: Record<string, string> = {}

let broker = await start('start, empty')
let client = await RawClient.connect(broker.port)
await timed('create', async () => {
  for (const some of inRequests(names)) {
    const topics = some.map((name) => ({
      name,
      numPartitions: partitionCount,
      replicationFactor: 1,
    }))
    const { topics: made } = await client.ask('CreateTopics', 7, { topics, timeoutMs: 60_000 })
    refuseErrors(made)
  }
})
await client.ask('CreateTopics', 7, {
  topics: [{ name: 'lone', numPartitions: 1, replicationFactor: 1 }],
  timeoutMs: 60_000,
})
const lone = await startLoneProducer(broker.port)
await timed('fill', () => fill(client))
note('longest wait while filling', lone.longestMs())
await timed('write a journal full into one partition', () => writeJournal(client))
await sleep(3000)
note('longest wait over the checkpoint', lone.longestMs())
figures['open descriptors'] = `${readdirSync(`/proc/${broker.pid}/fd`).length}`
await lone.stop()
await timed('close', () => broker.stop())
broker = await start('start, clean')
figures['memory after the start'] = `${usageOf(broker.pid).rssMiB.toFixed(0)} MiB`
client = await RawClient.connect(broker.port)
await timed('delete', async () => {
  for (const some of inRequests(names)) {
    const topics = some.map((name) => ({ name }))
    const { responses } = await client.ask('DeleteTopics', 6, { topics, timeoutMs: 60_000 })
    refuseErrors(responses)
  }
})
await timed('close after deleting', () => broker.stop())
rmSync(directory, { recursive: true, force: true })

console.log(
  `${topicCount} topics of ${partitionCount} partitions, ${rounds} batches of ${batchBytes} bytes each`,
)
for (const [name, figure] of Object.entries(figures)) console.log(`  ${name.padEnd(42)}${figure}`)

/** A request may ask for so many partitions only. */
function inRequests(all: readonly string[]): string[][] {
  const count = Math.floor(partitionsCreatedMax / partitionCount)
  return Array.from({ length: Math.ceil(all.length / count) }, (_, at) =>
    all.slice(at * count, (at + 1) * count),
  )
}

async function start(what: string): Promise<BrokerProcess> {
  const started = await startBroker(['--dir', directory], process.env['HOME_OF_BROKER'])
  note(what, started.readyMs)
  return started
}

async function timed(what: string, work: () => Promise<void>): Promise<void> {
  const startedAt = performance.now()
  await work()
  note(what, performance.now() - startedAt)
}

function note(what: string, milliseconds: number): void {
  figures[what] = `${milliseconds.toFixed(0)} ms`
}

async function fill(filling: RawClient): Promise<void> {
  const all = names.flatMap((name) =>
    Array.from({ length: partitionCount }, (_, index) => ({ name, index })),
  )
  for (let round = 0; round < rounds; round++) {
    for (let from = 0; from < all.length; from += partitionsInOneRequest) {
      const topicData = all.slice(from, from + partitionsInOneRequest).map(({ name, index }) => ({
        name,
        partitionData: [{ index, records: batchOf(['x'.repeat(batchBytes)]) }],
      }))
      const { responses } = await filling.ask('Produce', 9, produceOf(topicData))
      for (const { partitionResponses } of responses) refuseErrors(partitionResponses)
    }
  }
}

async function writeJournal(writing: RawClient): Promise<void> {
  const mebibyte = 'x'.repeat(1024 * 1000)
  for (let left = journalBytes; left > 0; left -= mebibyte.length) {
    const partitionData = [{ index: 0, records: batchOf([mebibyte]) }]
    await writing.ask('Produce', 9, produceOf([{ name: 'topic-0', partitionData }]))
  }
}

/** Writes one small record after the other. */
async function startLoneProducer(port: number) {
  const writing = await RawClient.connect(port)
  let longest = 0
  let running = true
  const loop = async (): Promise<void> => {
    while (running) {
      const startedAt = performance.now()
      const partitionData = [{ index: 0, records: batchOf(['lone']) }]
      await writing.ask('Produce', 9, produceOf([{ name: 'lone', partitionData }]))
      longest = Math.max(longest, performance.now() - startedAt)
      await sleep(2)
    }
  }
  const done = loop()
  return {
    longestMs: () => {
      const value = longest
      longest = 0
      return value
    },
    stop: () => {
      running = false
      return done
    },
  }
}

function produceOf<T>(topicData: T) {
  return { transactionalId: null, acks: -1, timeoutMs: 60_000, topicData }
}

function refuseErrors(answers: readonly { readonly errorCode: number }[]): void {
  const bad = answers.find(({ errorCode }) => errorCode !== 0)
  if (bad !== undefined) throw new Error(`error ${bad.errorCode}`)
}
