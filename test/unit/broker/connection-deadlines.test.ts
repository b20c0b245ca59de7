/** What a client may leave undone, and for how long: by a simulated clock. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Answer } from '../../../src/broker/server/answer.ts'
import { SimClock } from '../../../src/testing/sim-clock.ts'
import { connect, frameOf, pass, settle } from './one-connection.ts'

const kib64 = 64 * 1024

test('a request that stops half way is given up, with what has come of it', async () => {
  const clock = new SimClock()
  const { duplex, closed } = connect(() => [], { clock, requestStallMsMax: 30_000 })
  duplex.write([frameOf(1, 900).subarray(0, 300)])
  await pass(clock, 29_000)
  assert.deepEqual(closed, [])
  await pass(clock, 2_000)
  assert.match(closed[0] ?? '', /did not go on in 30000 ms \(requestStallMsMax\): 300 of its 904/)
})

test('nor does it help to send a byte now and then', async () => {
  const clock = new SimClock()
  const { duplex, closed } = connect(() => [], { clock, requestStallMsMax: 30_000 })
  const frame = frameOf(1, 900)
  for (let at = 0; closed.length === 0 && at < 60; at++) {
    duplex.write([frame.subarray(at, at + 1)])
    await pass(clock, 1_000)
  }
  assert.equal(closed.length, 1)
  assert(clock.monotonic() <= 31_000)
})

test('one that goes on at a modest pace is served, however long it takes', async () => {
  const clock = new SimClock()
  const { duplex, received, closed } = connect((value) => [Uint8Array.of(value)], {
    clock,
    requestStallMsMax: 30_000,
    frameBytesMax: 1e7,
  })
  const frame = frameOf(7, 10 * kib64)
  for (let at = 0; at < frame.length; at += kib64) {
    duplex.write([frame.subarray(at, at + kib64)])
    await pass(clock, 29_000)
  }
  assert.deepEqual([received, closed], [[7], []])
})

test('the next request has its own time', async () => {
  const clock = new SimClock()
  const { duplex, received, closed } = connect((value) => [Uint8Array.of(value)], {
    clock,
    requestStallMsMax: 30_000,
  })
  for (let value = 0; value < 5; value++) {
    const frame = frameOf(value, 100)
    duplex.write([frame.subarray(0, 50)])
    await pass(clock, 20_000)
    duplex.write([frame.subarray(50)])
    await settle()
  }
  assert.deepEqual([received, closed], [[0, 1, 2, 3, 4], []])
})

test('a client that asks for nothing is closed in good order, and told apart from a fault', async () => {
  const clock = new SimClock()
  const endings: unknown[] = []
  const { duplex } = connect((value) => [Uint8Array.of(value)], {
    clock,
    connectionIdleMsMax: 600_000,
    onClosed: (_connection, ending) => endings.push(ending),
  })
  await pass(clock, 500_000)
  duplex.write([frameOf(1)])
  await pass(clock, 500_000)
  assert.deepEqual(endings, [])
  await pass(clock, 101_000)
  assert.deepEqual(endings, [
    { type: 'idle', reason: 'it asked for nothing in 600000 ms (connectionIdleMsMax)' },
  ])
})

test('one that waits for its answer is not idle', async () => {
  const clock = new SimClock()
  const late = Promise.withResolvers<Answer>()
  const { duplex, received, closed } = connect(() => late.promise, {
    clock,
    connectionIdleMsMax: 600_000,
  })
  duplex.write([frameOf(1)])
  await pass(clock, 1_000_000)
  late.resolve([Uint8Array.of(1)])
  await pass(clock, 599_000)
  assert.deepEqual([received, closed], [[1], []])
  await pass(clock, 2_000)
  assert.equal(closed.length, 1)
})

test('without a deadline it may be silent for ever', async () => {
  const clock = new SimClock()
  const { closed } = connect(() => [], { clock })
  await pass(clock, 1e9)
  assert.deepEqual(closed, [])
})

test('what came while the process was stopped is read before it is missed', async () => {
  const clock = new SimClock()
  let asleepMs = 0
  const { duplex, received, closed } = connect((value) => [Uint8Array.of(value)], {
    clock: { ...portOf(clock), monotonic: () => clock.monotonic() + asleepMs },
    requestStallMsMax: 30_000,
  })
  const frame = frameOf(1, 100)
  duplex.write([frame.subarray(0, 50)])
  await pass(clock, 29_000)
  asleepMs = 3_600_000
  await pass(clock, 2_000)
  duplex.write([frame.subarray(50)])
  await settle()
  assert.deepEqual([received, closed], [[1], []])
})

function portOf(clock: SimClock) {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (delayMs: number, callback: () => void) => clock.after(delayMs, callback),
    soon: (callback: () => void) => clock.soon(callback),
  }
}
