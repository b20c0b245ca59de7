/** What a delivering producer owes its callers when time is up, names change, or a broker knows nobody. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { HeadwaterError } from '../../../src/base/errors.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { encodeResponse } from '../../../src/protocol/frame.ts'
import { keepAwake } from '../../client-suite/peer.ts'
import { producerAt, stored } from './delivering.ts'
import type { Asked } from './scripted-broker.ts'
import { metadataOf } from './scripted-broker.ts'

keepAwake()

const brokers = [{ nodeId: 1, host: 'one', port: 1 }]
const topicId = 'AAAAAAAAAAAAAAAAAAAAAQ'

test('a record that is filled behind another is told in time, though a younger one left before', async () => {
  const silent = { Produce: () => undefined }
  const options = { deliveryTimeoutMs: 1_000 }
  const { producer, send, told, end } = await producerAt(() => stored(0), options, silent)
  send(0, 'first')
  await delay(50)
  send(0, 'behind')
  const sentAt = performance.now()
  await delay(800)
  send(1, 'younger')
  while (told['behind'] === undefined) await delay(10)
  assert.ok(performance.now() - sentAt < 1_400, `after ${performance.now() - sentAt} ms`)
  await producer.told()
  await end()
})

test('what waits behind a record that was too late is sent when there is a leader again', async () => {
  let leaderId = 1
  const { producer, cluster, send, told, end } = await producerAt(
    () => stored(0),
    { deliveryTimeoutMs: 3_000 },
    { Metadata: (asked) => metadataOf(asked, brokers, leaderId) },
  )
  send(1, 'warm')
  await producer.told()
  leaderId = -1
  cluster.markStale()
  await cluster.refresh()
  send(0, 'too late')
  await delay(2_500)
  send(0, 'behind')
  await delay(600)
  assert.match(told['too late']!, /timeout/)
  leaderId = 1
  await producer.told()
  assert.equal(told['behind'], '0/0')
  await end()
})

test('an answer counts by the id that was asked with, whatever the topic is called now', async () => {
  let isForgotten = false
  let held: Asked | undefined
  const { producer, cluster, send, told, end } = await producerAt(
    () => stored(0),
    {},
    {
      Metadata: (asked) => {
        const metadata = metadataOf(asked, brokers, 1)
        const errorCode = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        const gone = { errorCode, partitions: [] }
        const topics = metadata.topics?.map((topic) =>
          isForgotten ? { ...topic, ...gone } : { ...topic, topicId },
        )
        return { ...metadata, topics }
      },
      Produce: (asked) => void (held = asked),
    },
  )
  send(0, 'stored')
  while (held === undefined) await delay(5)
  isForgotten = true
  cluster.markStale()
  await cluster.refresh()
  const { api, version, correlationId, duplex } = held as Asked<'Produce'>
  const partitionResponses = [{ index: 0, errorCode: 0, baseOffset: 7 }]
  const answer = { responses: [{ topicId, partitionResponses }] }
  duplex.write(encodeResponse(api, version, correlationId, answer))
  await producer.told()
  assert.deepEqual(told, { stored: '0/7' })
  await end()
})

test('what an answer says nothing of may be stored', async () => {
  const nothing = { Produce: () => ({ responses: [] }) }
  const options = { deliveryTimeoutMs: 500 }
  const { producer, send, told, end } = await producerAt(() => stored(0), options, nothing)
  send(0, 'a')
  await producer.told()
  assert.match(told['a']!, /, unknown$/)
  await end()
})

test('a broker that knows none of the ids it gives is not asked for them without pause', async () => {
  let answers = 0
  const { producer, broker, send, told, end } = await producerAt(
    () => {
      assert.ok(answers++ < 10_000, 'asked on and on')
      return { code: ErrorCode.UNKNOWN_PRODUCER_ID }
    },
    { deliveryTimeoutMs: 1_000 },
  )
  send(0, 'a')
  await producer.told()
  assert.match(told['a']!, /timeout|unknown/)
  const ids = broker.asked.filter(({ api }) => api === 'InitProducerId').length
  assert.ok(ids < 50, `${ids} producer ids in a second`)
  await end()
})

test('a record that never fits the buffer is refused, and who waits for room hears of the close', async () => {
  const silent = { Produce: () => undefined }
  const options = { bufferBytesMax: 1_024 }
  const { producer, send, end } = await producerAt(() => stored(0), options, silent)
  assert.throws(() => send(0, 'x'.repeat(1_000)), { code: 'record-invalid' })
  const room = producer.room()
  producer.close(new HeadwaterError('producer-closed', 'closed'))
  await room
  await end()
})

test('after a long silence a batch goes alone first, as brokers forget producers', async () => {
  let sleptMs = 0
  let held: Asked | undefined
  const clock = { ...nodeClock, monotonic: () => nodeClock.monotonic() + sleptMs }
  const produce = (asked: Asked) => {
    held = asked
    if (sleptMs === 0) return { responses: [{ name: 't', partitionResponses: [{ index: 0 }] }] }
    return undefined
  }
  const { producer, broker, send, end } = await producerAt(
    () => stored(0),
    {},
    { Produce: produce },
    clock,
  )
  send(0, 'before')
  await producer.told()
  const requests = () => broker.asked.filter(({ api }) => api === 'Produce').length
  const before = requests()
  sleptMs = 600_001
  for (const value of ['a', 'b', 'c']) send(0, value.repeat(200_000))
  await delay(100)
  assert.equal(requests() - before, 1)
  held?.duplex.destroy()
  await end()
})
