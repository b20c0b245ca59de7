/** What becomes of each record when batches come back, by a broker that answers what a test wants. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadwaterError } from '../../../src/base/errors.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { keepAwake } from '../../client-suite/peer.ts'
import { noAnswer, producerAt, stored } from './delivering.ts'

keepAwake()

test('each record is told the offset it has', async () => {
  let end = 0
  const {
    producer,
    send,
    told,
    produced,
    end: close,
  } = await producerAt(({ values }) => {
    end += values.length
    return stored(end - values.length)
  })
  for (const value of ['a', 'b', 'c']) send(0, value)
  await producer.told()
  send(0, 'd')
  await producer.told()
  assert.deepEqual(told, { a: '0/0', b: '0/1', c: '0/2', d: '0/3' })
  assert.deepEqual(
    produced.map(({ baseSequence }) => baseSequence),
    [0, 3],
  )
  await close()
})

test('a repetition whose offset the broker has forgotten is stored somewhere', async () => {
  const { producer, send, told, end } = await producerAt((_, turn) =>
    turn === 1 ? noAnswer : { code: ErrorCode.DUPLICATE_SEQUENCE_NUMBER },
  )
  send(0, 'a')
  await producer.told()
  assert.deepEqual(told, { a: '0/-1' })
  await end()
})

test('a refused record fails alone; what waits behind it is numbered anew under another id', async () => {
  const { producer, send, told, produced, end } = await producerAt(({ values }) =>
    values.includes('bad') ? { code: ErrorCode.INVALID_RECORD } : stored(7),
  )
  send(0, 'a')
  await producer.told()
  send(0, 'bad')
  send(1, 'b')
  setImmediate(() => setImmediate(() => send(0, 'c')))
  await producer.told()
  while (told['c'] === undefined) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(told, { a: '0/7', bad: 'record-invalid', b: '1/7', c: '0/7' })
  const last = produced.find(({ values }) => values.includes('c'))!
  assert.deepEqual([last.producerId, last.baseSequence], [2, 0])
  await end()
})

test('of a batch, the record at fault fails and no other', async () => {
  let next = 0
  const { producer, send, told, end } = await producerAt(({ values }) => {
    if (values.includes('bad')) return { code: ErrorCode.INVALID_TIMESTAMP }
    next += values.length
    return stored(next - values.length)
  })
  const values = ['a', 'b', 'c', 'bad', 'd', 'e', 'f', 'g', 'h']
  for (const value of values) send(0, value)
  await producer.told()
  assert.deepEqual(told, {
    ...Object.fromEntries('abcdefgh'.split('').map((value, at) => [value, `0/${at}`])),
    bad: 'record-invalid',
  })
  await end()
})

test('what may be stored is never sent under another id', async () => {
  const { producer, send, told, produced, end } = await producerAt((batch) => {
    if (batch.values.includes('lost')) return { code: ErrorCode.REQUEST_TIMED_OUT }
    return batch.values.includes('bad') ? { code: ErrorCode.INVALID_RECORD } : stored(0)
  })
  send(0, 'lost')
  while (produced.length < 2) await new Promise((resolve) => setImmediate(resolve))
  send(1, 'bad')
  await producer.told()
  send(0, 'a')
  await producer.told()
  assert.deepEqual(told, {
    lost: 'connection-lost, unknown',
    bad: 'record-invalid',
    a: '0/0',
  })
  assert.ok(produced.every(({ values, producerId: id }) => !values.includes('lost') || id === 1))
  await end()
})

test('a leader that has lost its role has stored a batch if it says where', async () => {
  const { producer, send, told, end } = await producerAt(
    ({ partition }) => ({
      code: ErrorCode.NOT_LEADER_OR_FOLLOWER,
      baseOffset: partition === 0 ? -1 : 7,
    }),
    { deliveryTimeoutMs: 200 },
  )
  send(0, 'a')
  send(1, 'b')
  await producer.told()
  assert.equal(told['a'], 'timeout')
  assert.match(told['b']!, /, unknown$/)
  await end()
})

for (const [name, code] of [
  ['a gap that the broker sees', ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER],
  ['a producer that the broker has forgotten', ErrorCode.UNKNOWN_PRODUCER_ID],
] as const) {
  test(`${name} costs nobody a record`, async () => {
    const { producer, send, told, produced, end } = await producerAt(({ producerId, values }) =>
      producerId === 1 && values.includes('b') ? { code } : stored(3),
    )
    send(0, 'a')
    await producer.told()
    send(0, 'b')
    await producer.told()
    assert.deepEqual(told, { a: '0/3', b: '0/3' })
    assert.deepEqual([produced.at(-1)!.producerId, produced.at(-1)!.baseSequence], [2, 0])
    await end()
  })
}

test('a record is told in time when its answer never comes, and what comes later is no matter', async () => {
  const { producer, send, told, end } = await producerAt(
    ({ values }) => (values.includes('a') ? { code: ErrorCode.REQUEST_TIMED_OUT } : stored(0)),
    { deliveryTimeoutMs: 200 },
  )
  const startedAt = performance.now()
  send(0, 'a')
  await producer.told()
  assert.ok(performance.now() - startedAt < 1_500)
  assert.equal(told['a'], 'timeout, unknown')
  send(0, 'b')
  await producer.told()
  assert.equal(told['b'], '0/0')
  await end()
})

test('records are sent when what has to be prepared is, and fail when it cannot be', async () => {
  let tries = 0
  const { producer, send, told, end } = await producerAt(() => stored(0), {
    prepare: async () => {
      const isLast = ++tries === 3
      throw new HeadwaterError('state-mismatch', 'not yet', { retriable: !isLast })
    },
  })
  send(0, 'a')
  await producer.told()
  assert.deepEqual(told, { a: 'state-mismatch' })
  assert.equal(tries, 3)
  await end()
})

test('what is not told when it is closed is told then', async () => {
  const { send, told, produced, end } = await producerAt(() => ({
    code: ErrorCode.REQUEST_TIMED_OUT,
  }))
  send(0, 'sent')
  while (produced.length < 1) await new Promise((resolve) => setImmediate(resolve))
  send(1, 'never sent')
  await end()
  assert.deepEqual(told, {
    sent: 'producer-closed, unknown',
    'never sent': 'producer-closed',
  })
})

test('no more is held than may be, and room is told of', async () => {
  const { producer, send, told, end } = await producerAt(() => stored(0), { bufferBytesMax: 1_000 })
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((value) => send(0, value)),
    [true, true, true, false],
  )
  await producer.room()
  assert.equal(send(0, 'd'), true)
  await producer.told()
  assert.deepEqual(Object.keys(told), ['a', 'b', 'c', 'd'])
  await end()
})
