/** What connections hold together has a bound, whoever holds it, and everybody gets on. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Answer, RequestMemory } from '../../../src/broker/server/answer.ts'
import { SimClock } from '../../../src/testing/sim-clock.ts'
import { collectGarbage } from '../garbage.ts'
import {
  connect,
  frameOf,
  memoryOf,
  pass,
  patienceMs,
  settle,
  type Dispatch,
} from './one-connection.ts'

/** A request that is too large to be gathered without asking, and no larger than usual. */
const size = 70_000
const countMax = 16
const mebibyte = 1024 * 1024
const options = { frameBytesMax: 1e8, requestBytesInFlightMax: 1e8 }

/** Clients with room for sixteen requests and a half together, and as much for answers. */
function setting(dispatch: Dispatch, clock = new SimClock()) {
  const memory = memoryOf((countMax + 0.5) * size, clock)
  const client = (more = {}) => connect(dispatch, { ...options, memory, clock, ...more })
  const clients = (count: number, more = {}) => Array.from({ length: count }, () => client(more))
  return { clock, memory, client, clients }
}

const half = frameOf(1, size).subarray(0, size / 2)
const rest = frameOf(1, size).subarray(size / 2)
const full = countMax * (size + 4)

async function bytesInUse(): Promise<number> {
  await collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

describe('requests being gathered', () => {
  it('are read on only when there is room for all of them', async () => {
    const { memory, clients } = setting(() => [Uint8Array.of(1)])
    const all = clients(40)
    for (const { duplex } of all) duplex.write([half])
    await settle()
    assert.equal(memory.requests.usedBytes, full)
    for (const { duplex } of all) duplex.write([rest])
    for (let rounds = 0; rounds < 10; rounds++) await settle()
    for (const { received } of all) assert.deepEqual(received, [1])
    assert.equal(memory.requests.usedBytes, 0)
    assert.equal(memory.answers.usedBytes, 0)
  })

  it('take nothing once their client has left', async () => {
    let late: RequestMemory | undefined
    const { memory, client } = setting((_value, room) => {
      late = room
      return new Promise(() => {})
    })
    const { duplex } = client()
    duplex.write([frameOf(1)])
    await settle()
    late!.decoded(1000)
    assert.equal(memory.requests.usedBytes, 1001)
    duplex.destroy()
    await settle()
    late!.decoded(1000)
    assert.equal(memory.requests.usedBytes, 0)
  })

  it('are counted until their answers leave', async () => {
    const late = Promise.withResolvers<Answer>()
    const { memory, clients } = setting(() => late.promise)
    for (const { duplex } of clients(40)) duplex.write([half, rest])
    await settle()
    assert.equal(memory.requests.usedBytes, full)
    late.resolve(undefined)
    for (let rounds = 0; rounds < 10; rounds++) await settle()
    assert.equal(memory.requests.usedBytes, 0)
  })

  it('give their memory up when others have waited long enough', async () => {
    const { clock, memory, client, clients } = setting(() => [Uint8Array.of(1)])
    const slow = clients(countMax)
    for (const { duplex } of slow) duplex.write([half])
    await settle()
    const quick = client()
    quick.duplex.write([half, rest])
    await pass(clock, patienceMs - 1000)
    assert.deepEqual(quick.received, [])
    await pass(clock, 2000)
    assert.match(slow[0]!.closed[0] ?? '', /too slowly while others waited .* memoryBytesMax/)
    assert.deepEqual(quick.received, [1])
    assert.equal(slow.flatMap(({ closed }) => closed).length, 1, 'no more than is needed')
    assert.equal(memory.requests.usedBytes, full - size - 4)
  })

  it('keep the usual ones waiting for no large one', async () => {
    const { clock, memory, client } = setting(() => [Uint8Array.of(1)])
    const part = frameOf(1, 7 * size).subarray(0, size)
    for (let at = 0; at < 5; at++) {
      client().duplex.write([part])
      await settle()
      const usual = client()
      usual.duplex.write([half, rest])
      await settle()
      assert.deepEqual(usual.received, [1])
    }
    assert.equal(clock.monotonic(), 0)
    assert.equal(memory.requests.usedBytes, 7 * size + 4, 'two would leave too little to others')
  })

  it('are served one after the other when they are large', async () => {
    const { clients } = setting((value) => [Uint8Array.of(value)])
    const all = clients(5)
    const frame = frameOf(1, 15 * size)
    for (let at = 0; at < frame.length; at += size) {
      for (const { duplex } of all) duplex.write([frame.subarray(at, at + size)])
      await settle()
    }
    for (let rounds = 0; rounds < 10; rounds++) await settle()
    for (const { received } of all) assert.deepEqual(received, [1])
  })

  it('one larger than all memory is served when nothing else is held', async () => {
    const { client } = setting((value) => [Uint8Array.of(value)])
    const { duplex, received } = client()
    duplex.write([frameOf(1, 40 * size)])
    await settle()
    assert.deepEqual(received, [1])
  })

  it('keep their memory as long as they move on by a mebibyte', async () => {
    const clock = new SimClock()
    const memory = memoryOf(3e6, clock)
    const [first, second] = [1, 2].map(() =>
      connect(() => [Uint8Array.of(1)], { ...options, memory, clock }),
    )
    const frame = frameOf(1, 2_900_000)
    second!.duplex.pause()
    for (let at = 0; at < frame.length; at += 1_050_000) {
      first!.duplex.write([frame.subarray(at, at + 1_050_000)])
      await settle()
      if (at === 0) second!.duplex.write([frame])
      await pass(clock, patienceMs - 1000)
    }
    assert.deepEqual([first!.received, first!.closed], [[1], []])
  })

  it('keep it while nobody else wants it', async () => {
    const { clock, client } = setting(() => [])
    const slow = client()
    slow.duplex.write([half])
    await pass(clock, 5 * patienceMs)
    assert.deepEqual(slow.closed, [])
  })

  it('give it back when their connection ends', async () => {
    const { memory, clients } = setting(() => new Promise(() => {}))
    const all = clients(40)
    for (const [at, { duplex }] of all.entries()) duplex.write(at % 2 === 0 ? [half, rest] : [half])
    await settle()
    for (const { duplex } of all.toReversed()) duplex.destroy()
    await settle()
    assert.equal(memory.requests.usedBytes, 0)
  })

  it('do not keep small requests of others waiting', async () => {
    const { client, clients } = setting(() => [Uint8Array.of(1)])
    for (const { duplex } of clients(40)) duplex.write([half])
    await settle()
    const other = client()
    for (let at = 0; at < 3; at++) {
      other.duplex.write([frameOf(1, 4000)])
      await settle()
    }
    assert.deepEqual(other.received, [1, 1, 1])
  })

  it('cost what they are, in whatever pieces they come', async () => {
    const { memory, client } = setting(() => [Uint8Array.of(1)])
    const { duplex, received } = client()
    const frame = frameOf(1, 70_000)
    const before = await bytesInUse()
    for (let at = 0; at < frame.length - 1; at++) {
      duplex.write([frame.slice(at, at + 1)])
      if (at % 1000 === 0) await settle()
    }
    const bytes = (await bytesInUse()) - before
    assert.equal(memory.requests.usedBytes, 70_004)
    assert(bytes < 3e6, `${bytes} bytes for ${frame.length}`)
    duplex.write([frame.slice(-1)])
    await settle()
    assert.deepEqual(received, [1])
  })
})

describe('answers', () => {
  const large = async (_value: number, memory: RequestMemory): Promise<Answer> => {
    await memory.whenFirst()
    const bytes = await memory.reserve(size)
    memory.keep(bytes)
    return [new Uint8Array(bytes)]
  }
  const unread = { pipe: { bufferBytesMax: 10 } }

  it('are made when there is room, and let go as they are read', async () => {
    const { memory, clients } = setting(large)
    const all = clients(40, unread)
    for (const { duplex } of all) {
      duplex.pause()
      duplex.write([frameOf(1)])
    }
    await settle()
    assert.equal(memory.answers.usedBytes, countMax * size)
    for (const { duplex } of all) duplex.resume()
    for (let rounds = 0; rounds < 20; rounds++) await settle()
    for (const { received } of all) assert.equal(received.length, size)
    assert.equal(memory.answers.usedBytes, 0)
  })

  it('are let go a quarter of a mebibyte at a time', async () => {
    const clock = new SimClock()
    const memory = memoryOf(1e9, clock)
    const piece = mebibyte / 4
    const answer = (): Uint8Array[] => [new Uint8Array(3 * piece)]
    const { duplex } = connect(answer, { ...unread, memory, clock })
    let chunks = 0
    duplex.onBytes(() => {
      chunks++
      duplex.pause()
    })
    duplex.write([frameOf(1)])
    await settle()
    assert.deepEqual([chunks, memory.answers.usedBytes], [1, 2 * piece])
    duplex.resume()
    await settle()
    assert.deepEqual([chunks, memory.answers.usedBytes], [2, piece])
  })

  it('are given up when others have waited long enough for their readers', async () => {
    const { clock, client, clients } = setting(large)
    const slow = clients(countMax, unread)
    for (const { duplex } of slow) {
      duplex.pause()
      duplex.write([frameOf(1)])
    }
    await settle()
    const quick = client()
    quick.duplex.write([frameOf(1)])
    await pass(clock, patienceMs - 1000)
    assert.equal(quick.received.length, 0)
    await pass(clock, 2000)
    assert.match(slow[0]!.closed[0] ?? '', /unread while others waited .* memoryBytesMax/)
    assert.equal(quick.received.length, size)
  })

  it('do not wait for each other on one connection', async () => {
    const parked = Promise.withResolvers<void>()
    const { memory, clients } = setting(async (value, room) => {
      if (value === 1) await parked.promise
      return large(value, room)
    })
    const all = clients(40)
    for (const { duplex } of all) duplex.write([frameOf(1), frameOf(2), frameOf(2)])
    await settle()
    assert.equal(memory.answers.usedBytes, 0, 'what comes behind a parked request holds nothing')
    parked.resolve()
    for (let rounds = 0; rounds < 20; rounds++) await settle()
    for (const { received } of all) assert.equal(received.length, 3 * size)
  })

  it('hold back more requests of a connection that has many', async () => {
    const parked = Promise.withResolvers<Answer>()
    let begun = 0
    const { client } = setting((value) => {
      begun++
      return value === 1 ? parked.promise : [new Uint8Array(1000)]
    })
    const { duplex } = client({ requestsInFlightMax: 100, requestBytesInFlightMax: 5000 })
    duplex.write([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((value) => frameOf(value)))
    await settle()
    assert.equal(begun, 6)
    parked.resolve(undefined)
    await settle()
    assert.equal(begun, 10)
  })
})
