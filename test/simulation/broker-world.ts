/**
 * The scripted workload of the broker simulation, seen from a client, and what it must find again.
 *
 * A producer writes numbered records with idempotence. A transactional worker reads them in thought: each
 * of its transactions writes one record to each of two topics and moves its group by one, and every third
 * is aborted. The ledger keeps what was asked and what was answered; it survives every crash.
 */
import assert from 'node:assert/strict'
import { utf8String } from '../../src/base/bytes.ts'
import { Broker } from '../../src/broker/broker.ts'
import type { Clock, Random } from '../../src/io/ports.ts'
import { ErrorCode } from '../../src/protocol/errors.ts'
import { isControl, readBatchHeader, splitBatches } from '../../src/records/batch.ts'
import { decodeRecords } from '../../src/records/record.ts'
import type { SimDisk } from '../../src/testing/sim-disk.ts'
import { batchOf, createTopic, produce, RawClient } from '../conformance/raw-client.ts'

const transactionalId = 'worker'
const groupId = 'workers'
const timestamp = 1000

/** What the world outside knows. */
export class Ledger {
  readonly topics = new Map<string, 'asked' | 'there' | 'going' | 'gone'>()
  /** Offset and value of what the idempotent producer was told is stored. */
  readonly written = new Map<number, string>()
  /** By number: the outcome asked for, and whether the answer came. */
  readonly transactions: { readonly commit: boolean; ended: 'open' | 'asked' | 'answered' }[] = []
}

export function openBroker(disk: SimDisk): Promise<Broker> {
  return Broker.open({
    disk,
    clock: turnClock,
    random: countingRandom(),
    directory: '/data',
    config: { coordinatorLogBytesMax: 3000, turnItems: 2 },
  })
}

/** Topics, records, transactions, a topic that goes again, and a restart in the middle. */
export async function runScript(disk: SimDisk, ledger: Ledger): Promise<void> {
  for (let part = 0; part < 2; part++) {
    const broker = await openBroker(disk)
    const client = new RawClient(await broker.dial('simulated', 1))
    if (part === 0)
      for (const topic of ['orders', 'sums', 'notes']) await create(client, ledger, topic)
    await write(client, ledger, 4)
    await work(client, ledger, 4)
    if (part === 0) await create(client, ledger, 'brief')
    else await remove(client, ledger, 'brief')
    await broker.close()
  }
}

async function create(client: RawClient, ledger: Ledger, topic: string): Promise<void> {
  ledger.topics.set(topic, 'asked')
  await createTopic(client, topic)
  ledger.topics.set(topic, 'there')
}

async function remove(client: RawClient, ledger: Ledger, topic: string): Promise<void> {
  ledger.topics.set(topic, 'going')
  const { responses } = await client.ask('DeleteTopics', 6, { topics: [{ name: topic }] })
  assert.equal(responses[0]?.errorCode, ErrorCode.NONE)
  ledger.topics.set(topic, 'gone')
}

/** Each record twice, as a client does that has lost an answer. */
async function write(client: RawClient, ledger: Ledger, count: number): Promise<void> {
  const { producerId, producerEpoch } = await client.ask('InitProducerId', 4, {
    transactionalId: null,
  })
  assert(producerId >= 0)
  for (let sequence = 0; sequence < count; sequence++) {
    const value = `${producerId}/${sequence}`
    const identity = { producerId, producerEpoch, baseSequence: sequence, timestamp }
    const answers = await Promise.all([
      produce(client, 'orders', batchOf([value], identity)),
      produce(client, 'orders', batchOf([value], identity)),
    ])
    for (const { errorCode, baseOffset } of answers) {
      assert.equal(errorCode, ErrorCode.NONE)
      assert.equal(baseOffset, answers[0].baseOffset)
      ledger.written.set(baseOffset, value)
    }
  }
}

/** Transactions of version 2: writes add what they touch, every end raises the epoch. */
async function work(client: RawClient, ledger: Ledger, count: number): Promise<void> {
  const who = { transactionalId, ...(await initialise(client)) }
  for (let i = 0; i < count; i++) {
    const number = ledger.transactions.length
    const entry: Ledger['transactions'][number] = { commit: number % 3 !== 2, ended: 'open' }
    ledger.transactions.push(entry)
    for (const topic of ['sums', 'notes']) {
      const batch = batchOf([`${number}`], {
        ...who,
        baseSequence: 0,
        transactional: true,
        timestamp,
      })
      const { errorCode } = await produce(client, topic, batch, { version: 12, transactionalId })
      assert.equal(errorCode, ErrorCode.NONE)
    }
    const { topics } = await client.ask('TxnOffsetCommit', 5, {
      ...who,
      groupId,
      topics: [
        { name: 'orders', partitions: [{ partitionIndex: 0, committedOffset: number + 1 }] },
      ],
    })
    assert.equal(topics[0]?.partitions[0]?.errorCode, ErrorCode.NONE)
    entry.ended = 'asked'
    const ended = await client.ask('EndTxn', 5, { ...who, committed: entry.commit })
    assert.equal(ended.errorCode, ErrorCode.NONE)
    entry.ended = 'answered'
    who.producerEpoch = ended.producerEpoch
  }
}

async function initialise(client: RawClient) {
  for (;;) {
    const { errorCode, producerId, producerEpoch } = await client.ask('InitProducerId', 4, {
      transactionalId,
      transactionTimeoutMs: 900_000,
    })
    if (errorCode === ErrorCode.CONCURRENT_TRANSACTIONS) continue
    assert.equal(errorCode, ErrorCode.NONE)
    return { producerId, producerEpoch }
  }
}

/** Compares a broker that came back with the ledger, and takes over what was in doubt. */
export async function checkBroker(broker: Broker, ledger: Ledger): Promise<void> {
  const client = new RawClient(await broker.dial('simulated', 1))
  await checkTopics(client, ledger)
  if (ledger.topics.get('orders') === 'there') await checkWritten(client, ledger)
  if (ledger.topics.get('notes') !== 'there') return
  // Whoever comes next ends what was left open, so that nothing holds readers back.
  if (ledger.transactions.length > 0) await initialise(client)
  const sums = await committedNumbers(client, 'sums')
  const notes = await committedNumbers(client, 'notes')
  assert.deepEqual(notes, sums, 'a transaction is in one topic and not in the other')
  const expected: number[] = []
  for (const [number, { commit, ended }] of ledger.transactions.entries()) {
    const isThere = sums.includes(number)
    if (!commit || ended === 'open') assert(!isThere, `transaction ${number} shows unasked`)
    if (commit && ended === 'answered') assert(isThere, `transaction ${number} is lost`)
    if (isThere) expected.push(number)
  }
  assert.deepEqual(sums, expected, 'transactions are out of order or twice')
  const last = sums.at(-1)
  assert.equal(await committedOffset(client), last === undefined ? -1 : last + 1)
}

async function checkTopics(client: RawClient, ledger: Ledger): Promise<void> {
  const { topics } = await client.ask('Metadata', 12, { topics: null })
  const names = topics.map(({ name }) => name!)
  for (const [name, state] of ledger.topics) {
    const isThere = names.includes(name)
    if (state === 'there') assert(isThere, `topic ${name} is lost`)
    if (state === 'gone') assert(!isThere, `topic ${name} came back`)
    if (state === 'asked' || state === 'going') ledger.topics.set(name, isThere ? 'there' : 'gone')
  }
  for (const name of names) assert(ledger.topics.has(name), `topic ${name} is unknown`)
}

async function checkWritten(client: RawClient, ledger: Ledger): Promise<void> {
  const found = await readAll(client, 'orders')
  const values = new Map(found.map(({ offset, value }) => [offset, value]))
  for (const [offset, value] of ledger.written) assert.equal(values.get(offset), value)
  assert.equal(
    new Set(values.values()).size,
    found.length,
    `a record is there twice: ${JSON.stringify(found)}`,
  )
}

async function committedNumbers(client: RawClient, topic: string): Promise<number[]> {
  return (await readAll(client, topic)).map(({ value }) => Number(value))
}

async function committedOffset(client: RawClient): Promise<number> {
  const { groups } = await client.ask('OffsetFetch', 8, {
    groups: [{ groupId, topics: [{ name: 'orders', partitionIndexes: [0] }] }],
    requireStable: true,
  })
  const partition = groups[0]?.topics[0]?.partitions[0]
  assert.equal(partition?.errorCode, ErrorCode.NONE)
  return partition.committedOffset
}

/** All that a read_committed consumer sees of partition 0, which must reach the end of the log. */
async function readAll(
  client: RawClient,
  topic: string,
): Promise<{ offset: number; value: string }[]> {
  const found: { offset: number; value: string }[] = []
  const aborted = new Set<string>()
  for (let fetchOffset = 0; ;) {
    const { responses } = await client.ask('Fetch', 12, {
      maxWaitMs: 0,
      minBytes: 1,
      isolationLevel: 1,
      topics: [{ topic, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 300 }] }],
    })
    const answer = responses[0]!.partitions[0]!
    assert.equal(answer.errorCode, ErrorCode.NONE)
    assert.equal(answer.lastStableOffset, answer.highWatermark, 'a transaction hangs')
    for (const each of answer.abortedTransactions ?? []) {
      aborted.add(`${each.producerId}/${each.firstOffset}`)
    }
    const batches = splitBatches(answer.records!)
    if (batches.length === 0) return found
    for (const batch of batches) {
      const { attributes, producerId, baseOffset, lastOffsetDelta } = readBatchHeader(batch)
      fetchOffset = baseOffset + lastOffsetDelta + 1
      // A transaction of the script has one batch in each topic, so its first offset names it.
      if (isControl(attributes) || aborted.has(`${producerId}/${baseOffset}`)) continue
      for (const { offset, value } of decodeRecords(batch)) {
        found.push({ offset, value: utf8String(value!) })
      }
    }
  }
}

/** Time goes on by a millisecond a look, and no timer of the script is ever due. */
let ticks = 1_000_000
const turnClock: Clock = {
  now: () => ticks++,
  monotonic: () => ticks++,
  after: () => ({ cancel: () => {} }),
  soon: (callback) => void setImmediate(callback),
}

function countingRandom(): Random {
  return {
    bytes: (count) => {
      const bytes = new Uint8Array(count)
      new DataView(bytes.buffer).setUint32(count - 4, ticks++)
      return bytes
    },
  }
}
