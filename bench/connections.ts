/**
 * `node bench/connections.ts [connections] [rounds]`: what many connections cost a broker. Each asks for
 * ApiVersions and Metadata once and stays; then, while they all are there, one client produces a record at
 * a time. Prints how long they took to come, the memory of each, and the produce times with and without
 * them. Needs descriptors for all of them twice (`ulimit -n`).
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { embedded } from '../src/broker/embedded.ts'
import { batchOf, RawClient } from '../test/conformance/raw-client.ts'
import { freshDirectory } from './headwater.ts'
import { spread, usageOf } from './measure.ts'

const count = Number(process.argv[2] ?? 10_000)
const rounds = Number(process.argv[3] ?? 3)
const opening = 100
const records = 2_000

if (process.argv[4] === 'broker') await serve()
else await measure()

async function serve(): Promise<void> {
  const connectionsMax = count + 100
  const config = { connectionsMax, connectionsPerAddressMax: connectionsMax }
  const broker = await embedded(process.argv[5]!, { port: 0, config })
  process.on('disconnect', () => void broker.close())
  process.send!(broker.bootstrap[0].port)
}

async function measure(): Promise<void> {
  const directory = freshDirectory()
  const child = fork(import.meta.filename, [`${count}`, '', 'broker', directory])
  process.once('exit', () => child.kill('SIGKILL'))
  const [port] = (await once(child, 'message')) as [number]
  const [alone, among, each, came]: number[][] = [[], [], [], []]
  await createTopic(port)
  await produce(port)
  for (let round = 0; round < rounds; round++) {
    alone!.push(await produce(port))
    const before = usageOf(child.pid!).rssMiB
    const startedAt = performance.now()
    const clients = await connectAll(port)
    came!.push((performance.now() - startedAt) / 1_000)
    each!.push(((usageOf(child.pid!).rssMiB - before) * 1024) / count)
    among!.push(await produce(port))
    for (const client of clients) client.close()
  }
  const ended = once(child, 'exit')
  child.disconnect()
  await ended
  rmSync(directory, { recursive: true, force: true })
  console.log(`${count} connections, ${rounds} rounds: median (min–max)`)
  console.log(`  until all had their answers   ${spread(came!, 2)} s`)
  console.log(`  memory of each                ${spread(each!, 1)} KiB in each round`)
  console.log(`  produce, mean, without them   ${spread(alone!, 3)} ms`)
  console.log(`  produce, mean, with them      ${spread(among!, 3)} ms`)
}

async function connectAll(port: number): Promise<RawClient[]> {
  const clients: RawClient[] = []
  let begun = 0
  const open = async (): Promise<void> => {
    while (begun++ < count) {
      const client = await RawClient.connect(port)
      clients.push(client)
      await client.ask('ApiVersions', 3, {})
      await client.ask('Metadata', 9, { topics: [{ name: 'one' }] })
    }
  }
  await Promise.all(Array.from({ length: opening }, open))
  return clients
}

async function createTopic(port: number): Promise<void> {
  const client = await RawClient.connect(port)
  const topics = [{ name: 'one', numPartitions: 1, replicationFactor: 1 }]
  await client.ask('CreateTopics', 7, { topics, timeoutMs: 30_000 })
  client.close()
}

/** Mean milliseconds of a record of 1 KiB, one at a time. */
async function produce(port: number): Promise<number> {
  const client = await RawClient.connect(port)
  const partitionData = [{ index: 0, records: [batchOf(['x'.repeat(1_024)])] }]
  const startedAt = performance.now()
  for (let sent = 0; sent < records; sent++) {
    const topicData = [{ name: 'one', partitionData }]
    const { responses } = await client.ask('Produce', 9, { acks: -1, timeoutMs: 30_000, topicData })
    const { errorCode } = responses[0]!.partitionResponses[0]!
    if (errorCode !== 0) throw new Error(`produce failed with code ${errorCode}`)
  }
  client.close()
  return (performance.now() - startedAt) / records
}
