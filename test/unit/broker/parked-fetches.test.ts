/** Fetches that wait for records, and members for others: what they hold, and that it keeps nobody from working. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RequestInput } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { batchOf, createTopic, produce, type RawClient } from '../../conformance/raw-client.ts'
import { openBroker } from './open-broker.ts'
import { settle } from './one-connection.ts'

const mebibyte = 1024 * 1024

/** A broker with so much memory for requests, and a topic. */
async function withRoom(requestBytesMax: number, partitions = 1) {
  const { broker, ...open } = await openBroker({ config: { memoryBytesMax: 3 * requestBytesMax } })
  const client = await open.client()
  await createTopic(client, 't', partitions)
  return { client, another: () => open.client(), close: () => broker.close() }
}

type Topics = NonNullable<RequestInput<'Fetch'>['topics']>

function topicOf(partitions: number): Topics {
  const one = { fetchOffset: 0, partitionMaxBytes: 1000 }
  const all = Array.from({ length: partitions }, (_, partition) => ({ ...one, partition }))
  return [{ topic: 't', partitions: all }]
}

/** A fetch that waits for a minute, and whether it does. */
async function park(client: RawClient, topics: Topics) {
  const parked = { isOver: false, answer: undefined as Promise<unknown> | undefined }
  const request = { minBytes: 1_000_000, maxWaitMs: 60_000, maxBytes: 1e6, topics }
  parked.answer = client.ask('Fetch', 12, request).then((answer) => {
    parked.isOver = true
    return answer
  })
  parked.answer.catch(() => {})
  for (let times = 0; times < 20; times++) await settle()
  return parked
}

function produceMuch(client: RawClient) {
  return produce(client, 't', batchOf(['x'.repeat(10_000)]))
}

test('of a parked fetch nothing is held but what it waits for', { timeout: 20_000 }, async () => {
  const { client, another, close } = await withRoom(4 * mebibyte)
  const empty: Topics = Array.from({ length: 50_000 }, () => ({ topic: '', partitions: [] }))
  const parked = []
  for (let at = 0; at < 6; at++) parked.push(await park(await another(), empty))
  assert.equal((await produceMuch(client)).errorCode, ErrorCode.NONE)
  assert(parked.every(({ isOver }) => !isOver))
  await close()
})

test('so it is while a fetch waits for the one before it', { timeout: 20_000 }, async () => {
  const { client, another, close } = await withRoom(4 * mebibyte)
  const empty: Topics = Array.from({ length: 50_000 }, () => ({ topic: '', partitions: [] }))
  const parked = []
  for (let at = 0; at < 6; at++) {
    const each = await another()
    parked.push(await park(each, topicOf(1)), await park(each, empty))
  }
  assert.equal((await produceMuch(client)).errorCode, ErrorCode.NONE)
  assert(parked.every(({ isOver }) => !isOver))
  await close()
})

test('a parked fetch that holds much is answered when others need it, the oldest first', async () => {
  const { client, another, close } = await withRoom(200_000, 300)
  const small = await park(await another(), topicOf(1))
  const large = await park(await another(), topicOf(300))
  const later = await park(await another(), topicOf(80))
  assert(!large.isOver, 'nobody needed what it holds')
  assert.equal((await produceMuch(client)).errorCode, ErrorCode.NONE)
  await large.answer
  assert.deepEqual([small.isOver, later.isOver], [false, false], 'no more than is needed')
  await close()
})

test('a parked fetch is answered when others need what came behind it', async () => {
  const { client, another, close } = await withRoom(2 * mebibyte)
  const front = await another()
  const small = await park(front, topicOf(1))
  const topics = Array.from({ length: 20_000 }, () => ({ name: 'unknown' }))
  const behind = front.ask('Metadata', 12, { topics, allowAutoTopicCreation: false })
  for (let times = 0; times < 20; times++) await settle()
  assert(!small.isOver)
  assert.equal((await produceMuch(client)).errorCode, ErrorCode.NONE)
  await small.answer
  await behind
  await close()
})

test('the next fetch of a session ends the one that waits, and so does its end', async () => {
  for (const partitions of [1, 200]) {
    const { client, another, close } = await withRoom(mebibyte, partitions)
    const opening = { maxWaitMs: 0, sessionEpoch: 0, topics: topicOf(partitions) }
    const { sessionId } = await client.ask('Fetch', 12, opening)
    const waiting = { sessionId, minBytes: 1, maxWaitMs: 60_000, maxBytes: 1e6, topics: [] }
    const first = (await another()).ask('Fetch', 12, { ...waiting, sessionEpoch: 1 })
    await settle()
    const second = (await another()).ask('Fetch', 12, { ...waiting, sessionEpoch: 2 })
    const { errorCode, responses } = await first
    assert.deepEqual([errorCode, responses], [ErrorCode.NONE, []])
    await produceMuch(client)
    assert.equal((await second).responses[0]!.partitions.length, 1)
    const more = { ...waiting, minBytes: 1_000_000, sessionEpoch: 3 }
    const third = (await another()).ask('Fetch', 12, more)
    await settle()
    await client.ask('Fetch', 12, { sessionId, sessionEpoch: -1, maxWaitMs: 0, topics: [] })
    assert.deepEqual((await third).responses, [])
    await close()
  }
})

test(
  'a member that waits for the others holds nothing of its request',
  { timeout: 10_000 },
  async () => {
    const { client, another, close } = await withRoom(400_000)
    const protocols = Array.from({ length: 900 }, (_, n) => ({ name: `protocol-${n}` }))
    const join = async (groupId: string, sessionTimeoutMs: number) => {
      const member = await another()
      const timeouts = { sessionTimeoutMs, rebalanceTimeoutMs: 60_000 }
      const joining = { groupId, ...timeouts, protocolType: 'consumer', protocols }
      const parked = { isOver: false }
      const ended = member.ask('JoinGroup', 3, joining).finally(() => (parked.isOver = true))
      ended.catch(() => {})
      return { parked, ended }
    }
    const waiting = []
    for (let at = 0; at < 8; at++) {
      await (
        await join(`g${at}`, 60_000)
      ).ended
      // The first one does not come back, and its session is long.
      waiting.push((await join(`g${at}`, 60_000)).parked)
    }
    assert.equal((await produceMuch(client)).errorCode, ErrorCode.NONE)
    assert(waiting.every(({ isOver }) => !isOver))
    await close()
  },
)
