/** Clients that write: an idempotent producer, one with transactions, and someone who makes topics. */
import { utf8Bytes } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { createTopics, deleteTopics } from '../../../src/client/admin.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import type { TransactionEntry } from './ledger.ts'
import { partitionCount } from './ledger.ts'
import type { Stage } from './stage.ts'
import { attempt, connect, persist } from './stage.ts'

const transactionTimeoutMs = 8000
const pauseMsMax = 30

/** The topics everyone else needs. */
export async function makeTopics(stage: Stage): Promise<void> {
  const cluster = await connect(stage.world.start('founder'))
  for (const name of ['orders', 'copies', 'sums', 'notes']) {
    await make(stage, cluster, name, name === 'orders' || name === 'copies' ? partitionCount : 1)
  }
  await cluster.close()
}

/** Topics that come, and one that goes again. */
export async function changeTopics(stage: Stage, count: number): Promise<void> {
  const { clock, draw } = stage.world
  const cluster = await connect(stage.world.start('operator'))
  for (let i = 0; i < count; i++) {
    await sleep(clock, draw() * pauseMsMax)
    await make(stage, cluster, `extra-${i}`, 1)
  }
  stage.ledger.topics.set('extra-0', 'going')
  try {
    await deleteTopics(cluster, ['extra-0'])
  } catch (error) {
    // The answer to a first attempt that worked may have been lost.
    if (!isHeadwaterError(error, 'not-found')) throw error
  }
  stage.ledger.topics.set('extra-0', 'gone')
  await cluster.close()
}

async function make(stage: Stage, cluster: Cluster, name: string, partitions: number) {
  stage.ledger.topics.set(name, 'asked')
  await persist(stage.world.clock, () => createTopics(cluster, [{ name, partitions }]))
  stage.ledger.topics.set(name, 'there')
}

/** Numbered records, in order, each acknowledged in the end: this producer may not fail. */
export async function writeOrders(stage: Stage, rounds: number): Promise<void> {
  const { ledger, world } = stage
  const process = world.start('writer')
  const cluster = await connect(process)
  const producer = new Producer(cluster, { lingerMs: 1, batchBytes: 400 })
  await persist(process.clock, () => producer.init())
  for (let round = 0; round < rounds; round++) {
    await sleep(process.clock, world.draw() * pauseMsMax)
    for (let i = 0; i < 3 + (round % 4); i++) {
      const number = ledger.ordersWritten++
      const value = utf8Bytes(`${number}`)
      producer.append('orders', number % partitionCount, process.clock.now(), null, value)
    }
    // Now and then records are left to be sent by themselves, with others behind them.
    if (round % 3 === 1) continue
    await producer.flush()
    ledger.ordersAcknowledged = ledger.ordersWritten
  }
  await producer.flush()
  ledger.ordersAcknowledged = ledger.ordersWritten
  await producer.close()
  await cluster.close()
}

/** Transactions over two topics, every third aborted; after a failure another producer goes on. */
export async function keepAccounts(stage: Stage, count: number): Promise<void> {
  const { ledger, world } = stage
  const process = world.start('accountant')
  const cluster = await connect(process)
  let producer = await newProducer(cluster)
  for (let number = 0; number < count; number++) {
    await sleep(process.clock, world.draw() * pauseMsMax)
    const entry: TransactionEntry = { commit: number % 3 !== 2, outcome: 'open' }
    ledger.transactions.push(entry)
    try {
      await account(producer, process.clock.now(), number, entry)
    } catch (error) {
      if (!isHeadwaterError(error)) throw error
      if (producer.failure === undefined) {
        // Nothing was asked for yet; or it was, and the abort is what decides.
        const isAborted = await attempt(producer.abort())
        if (isAborted) entry.outcome = 'open'
      }
      if (producer.failure !== undefined) {
        await attempt(producer.close())
        producer = await newProducer(cluster)
      }
    }
  }
  await producer.close()
  await cluster.close()
}

async function account(
  producer: Producer,
  timestamp: number,
  number: number,
  entry: TransactionEntry,
): Promise<void> {
  producer.begin()
  for (const topic of ['sums', 'notes']) {
    producer.append(topic, 0, timestamp, null, utf8Bytes(`${number}`))
  }
  // An abort sometimes finds records on their way, sometimes stored.
  if (number % 2 === 0) await producer.flush()
  if (entry.commit) entry.outcome = 'unknown'
  await (entry.commit ? producer.commit() : producer.abort())
  entry.outcome = 'ended'
}

async function newProducer(cluster: Cluster): Promise<Producer> {
  for (;;) {
    const producer = new Producer(cluster, {
      transactionalId: 'accountant',
      lingerMs: 1,
      transactionTimeoutMs,
    })
    if (await attempt(producer.init())) return producer
  }
}
