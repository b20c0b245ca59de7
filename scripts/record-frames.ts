/**
 * `node scripts/record-frames.ts`: writes test/golden/*.hex, frames that clients and a broker we did not
 * write exchange, one of each API, version and direction. Tests decode them and encode them again.
 * Needs Java, Maven and kcat.
 *
 * A real Kafka node advertises the address of a proxy here, which passes bytes on and cuts them into frames.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { Producer, Consumer, stringDeserializers, stringSerializers } from '@platformatic/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { apiByKey } from '../src/protocol/api.ts'
import { decodeRequest, FrameSplitter } from '../src/protocol/frame.ts'
import { startKafka } from './kafka.ts'
import { kafkaVersion } from './kafka/jars.ts'
import { runKafkaTool } from './kafka/tool.ts'

const frameBytesKept = 1500
const golden = join(import.meta.dirname, '../test/golden')

/** The longest frame kept of each kind, by `> Metadata 6` (request) or `< Metadata 6` (response). */
type Recording = Map<string, Uint8Array>

let recording: Recording = new Map()
let kafkaPort = 0

const proxy = createServer(passOn).listen(0, '127.0.0.1')
await once(proxy, 'listening')
const { port } = proxy.address() as AddressInfo
const node = await startKafka({
  properties: { 'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}` },
})
kafkaPort = node.port
try {
  await record('java', `the Java clients of Apache Kafka ${kafkaVersion}`, runJavaTools)
  await record('kafkajs', 'kafkajs', runKafkaJs)
  await record('kcat', 'kcat', runKcat)
  await record('platformatic', '@platformatic/kafka', runPlatformatic)
} finally {
  await node.stop()
  await closed(proxy)
}

async function record(name: string, who: string, run: () => Promise<void>): Promise<void> {
  recording = new Map()
  await run()
  const lines = [`# Frames between ${who} and an Apache Kafka ${kafkaVersion} node,`]
  lines.push(
    '# without their lengths. > request, < response; recorded by scripts/record-frames.ts.',
  )
  for (const kind of [...recording.keys()].sort()) {
    const hex = Buffer.from(recording.get(kind)!).toString('hex')
    lines.push('', kind, ...(hex.match(/.{1,96}/g) ?? []))
  }
  writeFileSync(join(golden, `${name}.hex`), `${lines.join('\n')}\n`)
  console.log(`${name}: ${recording.size} frames`)
}

function passOn(client: Socket): void {
  const broker = connect({ host: '127.0.0.1', port: kafkaPort })
  const asked = new Map<number, string>()
  const requests = new FrameSplitter()
  const responses = new FrameSplitter()
  client.on('data', (chunk: Buffer) => {
    for (const frame of requests.push(chunk)) keepRequest(frame, asked)
    broker.write(chunk)
  })
  broker.on('data', (chunk: Buffer) => {
    for (const frame of responses.push(chunk)) {
      const kind = asked.get(new DataView(frame.buffer, frame.byteOffset).getInt32(0))
      if (kind) keep(`< ${kind}`, frame)
    }
    client.write(chunk)
  })
  client.on('close', () => broker.destroy()).on('error', () => broker.destroy())
  broker.on('close', () => client.destroy()).on('error', () => client.destroy())
}

function keepRequest(frame: Uint8Array, asked: Map<number, string>): void {
  const view = new DataView(frame.buffer, frame.byteOffset)
  if (apiByKey(view.getInt16(0)) === undefined) return
  const request = decodeRequest(frame)
  if (!('api' in request)) return
  const kind = `${request.api} ${request.version}`
  asked.set(request.correlationId, kind)
  keep(`> ${kind}`, frame)
}

function keep(kind: string, frame: Uint8Array): void {
  const kept = recording.get(kind)
  if (frame.length > frameBytesKept || (kept && kept.length >= frame.length)) return
  recording.set(kind, frame.slice())
}

async function runJavaTools(): Promise<void> {
  const to = ['--bootstrap-server', `127.0.0.1:${port}`]
  const topic = ['--topic', 'java']
  await runKafkaTool('topics', [...to, '--create', ...topic, '--partitions', '2'])
  await runKafkaTool('topics', [...to, '--describe', ...topic])
  await runKafkaTool('console-producer', [...to, ...topic], { stdin: 'one\ntwo\n' })
  const perf = ['--num-records', '20', '--record-size', '20', '--throughput', '-1']
  const props = ['--command-property', `bootstrap.servers=127.0.0.1:${port}`]
  const transaction = ['--transactional-id', 'perf', '--transaction-duration-ms', '5']
  await runKafkaTool('producer-perf-test', [...topic, ...perf, ...props, ...transaction])
  const reading = ['--from-beginning', '--max-messages', '3', '--timeout-ms', '20000']
  const isolation = ['--isolation-level', 'read_committed', '--group', 'java']
  await runKafkaTool('console-consumer', [...to, ...topic, ...reading, ...isolation])
  await runKafkaTool('consumer-groups', [...to, '--describe', '--group', 'java'])
  await runKafkaTool('consumer-groups', [...to, '--list', '--state'])
  await runKafkaTool('configs', [
    ...to,
    '--describe',
    '--entity-type',
    'topics',
    '--entity-name',
    'java',
  ])
  await runKafkaTool('transactions', [...to, 'list'])
  await runKafkaTool('transactions', [...to, 'describe', '--transactional-id', 'perf'])
  await runKafkaTool('consumer-groups', [...to, '--delete', '--group', 'java'])
  await runKafkaTool('topics', [...to, '--delete', ...topic])
}

async function runKafkaJs(): Promise<void> {
  const kafka = new Kafka({ brokers: [`127.0.0.1:${port}`], logLevel: logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'kafkajs', numPartitions: 2 }] })
  const producer = kafka.producer({ transactionalId: 'kafkajs', maxInFlightRequests: 1 })
  await producer.connect()
  const transaction = await producer.transaction()
  const messages = [{ key: 'a', value: 'one', headers: { trace: '1' } }, { value: 'two' }]
  await transaction.send({ topic: 'kafkajs', messages })
  const offsets = [{ topic: 'kafkajs', partitions: [{ partition: 0, offset: '0' }] }]
  await transaction.sendOffsets({ consumerGroupId: 'kafkajs-other', topics: offsets })
  await transaction.commit()
  await producer.disconnect()
  const consumer = kafka.consumer({ groupId: 'kafkajs' })
  await consumer.connect()
  await consumer.subscribe({ topic: 'kafkajs', fromBeginning: true })
  await new Promise<void>((resolve, reject) => {
    let left = messages.length
    const eachMessage = async () => void (--left === 0 && resolve())
    consumer.run({ eachMessage }).catch(reject)
  })
  await admin.describeGroups(['kafkajs'])
  await consumer.disconnect()
  await admin.fetchOffsets({ groupId: 'kafkajs' })
  await admin.listGroups()
  await admin.deleteGroups(['kafkajs'])
  await admin.deleteTopics({ topics: ['kafkajs'] })
  await admin.disconnect()
}

async function runKcat(): Promise<void> {
  const to = ['-b', `127.0.0.1:${port}`]
  const transactional = ['-X', 'transactional.id=kcat', '-X', 'enable.idempotence=true']
  await kcat('one\ntwo\n', ...to, '-P', '-t', 'kcat', '-z', 'gzip', ...transactional)
  await kcat('', ...to, '-L')
  await kcat('', ...to, '-Q', '-t', 'kcat:0:-1')
  const group = ['-G', 'cats', 'kcat', '-X', 'auto.offset.reset=earliest']
  await kcat('', ...to, ...group, '-c', '2', '-q')
}

async function kcat(stdin: string, ...args: readonly string[]): Promise<void> {
  const child = spawn('kcat', args, { stdio: ['pipe', 'ignore', 'inherit'], timeout: 30_000 })
  child.stdin.end(stdin)
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`kcat ${args.join(' ')} ended with ${code}`)
}

async function runPlatformatic(): Promise<void> {
  const bootstrapBrokers = [`127.0.0.1:${port}`]
  const base = { clientId: 'platformatic', bootstrapBrokers, autocreateTopics: true }
  const producer = new Producer({ ...base, serializers: stringSerializers, idempotent: true })
  await producer.send({ messages: [{ topic: 'platformatic', key: 'a', value: 'one' }] })
  await producer.close()
  const consumer = new Consumer({ ...base, groupId: 'p', deserializers: stringDeserializers })
  const stream = await consumer.consume({ topics: ['platformatic'], mode: 'earliest' })
  await once(stream, 'data')
  await stream.close()
  await consumer.close()
}

async function closed(server: Server): Promise<void> {
  server.close()
  await once(server, 'close')
}
