/**
 * `node bench/send-peers.ts [seconds] [rounds] [kafka]`: our producer, kafkajs and @platformatic/kafka, with
 * 1, 64 and 1,000 callers in one process that send one record after the other, each awaited, to 12 partitions
 * of the same broker in a process of its own: ours, durable, or Apache Kafka with its defaults (Java 17,
 * Maven). All of them acks=all and idempotent, each client a fresh one in every round, one after the other.
 * The others are given bytes that are encoded already; ours makes them of messages.
 *
 * Confluent's client, which is librdkafka and must be built, takes part where `CONFLUENT` names a directory that
 * it is installed in: `docs/performance.md` says how.
 */
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { ProduceAcks, Producer } from '@platformatic/kafka'
import kafkajs from 'kafkajs'
import { Writer } from '../src/base/bytes.ts'
import { entity, kafka, keyspace, producer, service } from '../src/index.ts'
import { startKafka } from '../scripts/kafka.ts'
import { OrderSchema } from '../test/gen/shop/v1/shop_pb.ts'
import { startBroker } from './headwater.ts'
import { spread } from './measure.ts'
import { order } from './orders.ts'

const seconds = Number(process.argv[2] ?? 3)
const rounds = Number(process.argv[3] ?? 3)
const isOnKafka = process.argv[4] === 'kafka'
const confluentAt = process.env['CONFLUENT']

const OrderId = keyspace.string('OrderId', { partitions: 12 })
const Orders = entity('orders', OrderSchema, { key: OrderId, by: 'orderId', owner: 'checkout' })
const checkout = service('checkout', { reads: [], writes: [Orders], topology: () => ({}) })

interface Client {
  /** Sends one record for a caller; resolves when it is acknowledged. */
  readonly send: (caller: number) => Promise<unknown>
  readonly close: () => Promise<unknown>
}

interface Figures {
  readonly perSecond: number[]
  readonly p50Ms: number[]
  readonly p99Ms: number[]
}

/** What the others send: the key and message of each caller. */
const records = Array.from({ length: 1_000 }, (_, n) => {
  const writer = new Writer(128)
  Orders.codec.encode(order(n), writer)
  return { key: Buffer.from(`order-${n}`), value: Buffer.from(writer.finish()) }
})

const node = await (isOnKafka ? startKafka() : startBroker())
const address = `127.0.0.1:${node.port}`
const clients: Readonly<Record<string, () => Promise<Client>>> = {
  headwater,
  kafkaJs,
  platformatic,
  ...(confluentAt !== undefined && { confluent }),
}
const figures = new Map<string, Figures>()
try {
  // The first round warms up and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const callers of [1, 64, 1_000]) {
      for (const [name, open] of Object.entries(clients)) {
        await measure(`${callers} callers, ${name}`, callers, open, round > 0)
      }
    }
  }
} finally {
  await node.stop()
}
const on = isOnKafka ? 'Apache Kafka, page cache' : 'headwater broker, synced'
console.log(`${on}; ${seconds} s each, ${rounds} rounds: median (min–max)`)
for (const [name, { perSecond, p50Ms, p99Ms }] of figures) {
  console.log(
    `  ${name.padEnd(28)} ${spread(perSecond)} sends/s, p50 ${spread(p50Ms, 2)} ms, p99 ${spread(p99Ms, 2)} ms`,
  )
}

async function measure(
  name: string,
  callers: number,
  open: () => Promise<Client>,
  counts: boolean,
): Promise<void> {
  const client = await open()
  await client.send(0)
  const took: number[] = []
  const startedAt = performance.now()
  const end = startedAt + seconds * 1_000
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let now = performance.now(); now < end;) {
        await client.send(caller)
        const then = performance.now()
        took.push(then - now)
        now = then
      }
    }),
  )
  const perSecond = (took.length / (performance.now() - startedAt)) * 1_000
  await client.close()
  if (!counts) return
  took.sort((a, b) => a - b)
  let all = figures.get(name)
  if (all === undefined) figures.set(name, (all = { perSecond: [], p50Ms: [], p99Ms: [] }))
  all.perSecond.push(perSecond)
  all.p50Ms.push(took[Math.floor(took.length * 0.5)]!)
  all.p99Ms.push(took[Math.floor(took.length * 0.99)]!)
}

async function headwater(): Promise<Client> {
  const sender = producer(checkout, { broker: kafka(address) })
  return {
    send: (caller) => sender.send(Orders, order(caller)),
    close: () => sender.close(),
  }
}

async function kafkaJs(): Promise<Client> {
  const client = new kafkajs.Kafka({ brokers: [address], logLevel: kafkajs.logLevel.NOTHING })
  const sender = client.producer({
    idempotent: true,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  })
  await sender.connect()
  return {
    send: (caller) => sender.send({ topic: 'orders', acks: -1, messages: [records[caller]!] }),
    close: () => sender.disconnect(),
  }
}

async function platformatic(): Promise<Client> {
  const sender = new Producer({ clientId: 'bench', bootstrapBrokers: [address], idempotent: true })
  return {
    send: (caller) =>
      sender.send({
        acks: ProduceAcks.ALL,
        messages: [{ topic: 'orders', ...records[caller]! }],
      }),
    close: () => sender.close(),
  }
}

/** What of Confluent's client is used here; it is not among our dependencies. */
interface Confluent {
  readonly KafkaJS: {
    readonly Kafka: new (config: object) => { producer(config: object): ConfluentProducer }
  }
}

interface ConfluentProducer {
  connect(): Promise<void>
  send(batch: object): Promise<unknown>
  disconnect(): Promise<void>
}

async function confluent(): Promise<Client> {
  const from = createRequire(join(resolve(confluentAt!), 'package.json'))
  const { KafkaJS } = from('@confluentinc/kafka-javascript') as Confluent
  const sender = new KafkaJS.Kafka({
    kafkaJS: { brokers: [address], logLevel: 0 },
  }).producer({ kafkaJS: { acks: -1, idempotent: true } })
  await sender.connect()
  return {
    // It writes into what it is given.
    send: (caller) => sender.send({ topic: 'orders', messages: [{ ...records[caller]! }] }),
    close: () => sender.disconnect(),
  }
}
