/** A broker in a process that may open few files: it starts, serves, refuses what is too much, starts again. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ErrorCode } from '../../src/protocol/errors.ts'
import { splitBatches } from '../../src/records/batch.ts'
import { batchOf, RawClient } from './raw-client.ts'
import { until } from './running-broker.ts'

const limit = 160
const partitionCount = 400
const rounds = 3

test('a broker with few descriptors serves many partitions and connections', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-descriptors-'))
  const idle: Socket[] = []
  let broker = await start(directory)
  try {
    let client = await RawClient.connect(broker.port)
    const topics = [{ name: 't', numPartitions: partitionCount, replicationFactor: 1 }]
    await client.ask('CreateTopics', 7, { topics, timeoutMs: 30_000 })
    for (let at = 0; at < limit; at++) idle.push(await idleConnection(broker.port))
    await until(() => idle.some(({ closed }) => closed), 'a connection to be refused')
    for (let round = 0; round < rounds; round++) await writeAll(client)
    assert.ok(openFiles(broker.child) <= limit)
    for (const socket of idle) socket.destroy()
    await stop(broker)
    broker = await start(directory)
    client = await RawClient.connect(broker.port)
    assert.equal(await countBatches(client), partitionCount * rounds)
    assert.ok(openFiles(broker.child) <= limit)
    await stop(broker)
  } finally {
    broker.child.kill('SIGKILL')
    for (const socket of idle) socket.destroy()
    await rm(directory, { recursive: true, force: true })
  }
})

async function start(directory: string) {
  const script = new URL('./broker-process.ts', import.meta.url).pathname
  const command = `ulimit -n ${limit}; exec "$0" "$@"`
  const child = spawn('sh', ['-c', command, process.execPath, script, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  assert.match(line.toString(), /^listening/)
  return { child, port: Number(line.toString().split(' ')[1]) }
}

async function stop({ child }: { child: ChildProcess }): Promise<void> {
  child.kill('SIGTERM')
  const [code] = (await once(child, 'exit')) as [number]
  assert.equal(code, 0)
}

function openFiles(child: ChildProcess): number {
  return process.platform === 'linux' ? readdirSync(`/proc/${child.pid}/fd`).length : 0
}

async function idleConnection(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.resume()
  await once(socket, 'connect')
  return socket
}

/** A batch for every partition, large enough that most go on to segment files. */
async function writeAll(client: RawClient): Promise<void> {
  for (let from = 0; from < partitionCount; from += 100) {
    const partitionData = Array.from({ length: 100 }, (_, at) => ({
      index: from + at,
      records: batchOf(['x'.repeat(20_000)]),
    }))
    const topicData = [{ name: 't', partitionData }]
    const { responses } = await client.ask('Produce', 9, {
      acks: -1,
      timeoutMs: 30_000,
      topicData,
    })
    for (const { errorCode } of responses[0]!.partitionResponses) {
      assert.equal(errorCode, ErrorCode.NONE)
    }
  }
}

async function countBatches(client: RawClient): Promise<number> {
  const partitions = Array.from({ length: partitionCount }, (_, partition) => ({
    partition,
    fetchOffset: 0,
    partitionMaxBytes: 1e6,
  }))
  const topics = [{ topic: 't', partitions }]
  const { responses } = await client.ask('Fetch', 12, { maxBytes: 1e9, minBytes: 1, topics })
  let count = 0
  for (const { errorCode, records } of responses[0]!.partitions) {
    assert.equal(errorCode, ErrorCode.NONE)
    count += splitBatches(records!).length
  }
  return count
}
