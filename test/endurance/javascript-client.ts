/**
 * A client of one of the two JavaScript libraries, in a process of its own.
 *
 *   node javascript-client.ts kafkajs|platformatic write ADDRESS TOPIC RATE
 *   node javascript-client.ts kafkajs|platformatic read  ADDRESS TOPIC GROUP
 *
 * Prints `acknowledged NUMBER PARTITION OFFSET`, `given-up NUMBER WHY` and `seen VALUE`.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  Consumer,
  MessagesStreamModes,
  ProduceAcks,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import kafkajs from 'kafkajs'
import { javascriptPartitions, valueOf } from './families.ts'

const batchRecords = 5
const retryMs = 200

type Send = (topic: string, partition: number, values: readonly string[]) => Promise<number>

const [library, what, address, topic, last] = process.argv.slice(2) as [
  'kafkajs' | 'platformatic',
  'write' | 'read',
  string,
  string,
  string,
]

if (what === 'write') {
  const open = { kafkajs: kafkajsSender, platformatic: platformaticSender }[library]
  await write(await open(), Number(last))
} else {
  const open = { kafkajs: kafkajsReader, platformatic: platformaticReader }[library]
  await open(last, (value) => console.log(`seen ${value}`))
}

async function write(send: Send, rate: number): Promise<never> {
  for (let number = 0; ; number += batchRecords) {
    const partition = (number / batchRecords) % javascriptPartitions
    const numbers = Array.from({ length: batchRecords }, (_, at) => number + at)
    try {
      const base = await send(
        topic,
        partition,
        numbers.map((each) => valueOf(topic, each)),
      )
      for (const each of numbers) {
        console.log(`acknowledged ${each} ${partition} ${base + each - number}`)
      }
    } catch (error) {
      for (const each of numbers) console.log(`given-up ${each} ${String(error)}`)
      await sleep(retryMs)
    }
    await sleep((batchRecords * 1_000) / rate)
  }
}

function kafkajsClient() {
  return new kafkajs.Kafka({
    clientId: 'endurance',
    brokers: [address],
    logLevel: kafkajs.logLevel.NOTHING,
    // The broker is away for as long as it is killed or asleep.
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 200 },
  })
}

async function kafkajsSender(): Promise<Send> {
  const producer = kafkajsClient().producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  return async (to, partition, values) => {
    const messages = values.map((value) => ({ value, partition }))
    const [said] = await producer.send({ topic: to, acks: -1, messages })
    return Number(said!.baseOffset)
  }
}

async function kafkajsReader(groupId: string, seen: (value: string) => void): Promise<void> {
  const consumer = kafkajsClient().consumer({ groupId, sessionTimeout: 10_000 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommitInterval: 1_000,
    eachMessage: ({ message }) => {
      seen(message.value!.toString())
      return Promise.resolve()
    },
  })
}

function platformaticSender(): Promise<Send> {
  const producer = new Producer({
    clientId: 'endurance',
    bootstrapBrokers: [address],
    serializers: stringSerializers,
    idempotent: true,
    retries: 1_000,
    retryDelay: retryMs,
  })
  return Promise.resolve(async (to, partition, values) => {
    const messages = values.map((value) => ({ topic: to, partition, value }))
    const { offsets } = await producer.send({ acks: ProduceAcks.ALL, messages })
    return Number(offsets![0]!.offset)
  })
}

async function platformaticReader(groupId: string, seen: (value: string) => void): Promise<void> {
  const consumer = new Consumer({
    clientId: 'endurance',
    groupId,
    bootstrapBrokers: [address],
    deserializers: stringDeserializers,
    sessionTimeout: 10_000,
    heartbeatInterval: 1_000,
    retries: 1_000,
    retryDelay: retryMs,
  })
  const stream = await consumer.consume({
    topics: [topic],
    autocommit: 1_000,
    mode: MessagesStreamModes.COMMITTED,
    fallbackMode: 'earliest',
  })
  stream.on('data', ({ value }) => seen(value))
  // Whoever runs it starts it again, in the same group.
  stream.on('error', (error) => {
    console.error(error)
    process.exit(1)
  })
}
