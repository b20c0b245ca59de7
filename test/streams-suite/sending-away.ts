/** Sending while answers get lost, connections break and the broker is away. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { HeadwaterError, isHeadwaterError } from '../../src/base/errors.ts'
import type { Dial } from '../../src/io/ports.ts'
import { apis } from '../../src/protocol/api.ts'
import { producer } from '../../src/streams/runtime/producer.ts'
import type { ProducerOptions } from '../../src/streams/runtime/producer.ts'
import { SendAllError } from '../../src/streams/sending/sends.ts'
import { Orders } from '../types/shop.ts'
import { Line } from './line.ts'
import type { OpenPlace, Place } from './place.ts'
import { inPlace, values } from './place.ts'
import { checkout, order } from './sending.ts'

export function sendingAwaySuite(open: OpenPlace): void {
  describe('sending to a broker that is away', { timeout: 120_000 }, () => {
    it('stores each event once and in order, however many answers are lost', () =>
      inPlace(open, async (place) => {
        const { dial, lost } = losingAnswers(place.broker.dial, 7)
        await using sender = producer(checkout, { broker: { ...place.broker, dial } })
        const acknowledged: number[] = []
        const callers = Array.from({ length: 40 }, async (_, caller) => {
          for (let n = 0; n < 50; n++) {
            await sender.send(Orders, { ...order(caller), total: n })
            acknowledged.push(n)
          }
        })
        await Promise.all(callers)
        assert.ok(lost() >= 5, `${lost()} answers were lost`)
        assert.equal(acknowledged.length, 2_000)
        await assertEach(place, 40, 50)
      }))

    it('holds ten thousand events back and sends them when it is there again', () =>
      inPlace(open, async (place) => {
        const line = new Line(place.broker.dial)
        line.break()
        await using sender = producer(checkout, options(place, line))
        const all = Array.from({ length: 10_000 }, (_, n) => ({
          ...order(n % 100),
          total: Math.floor(n / 100),
        }))
        const sent = Promise.all(all.map((each) => sender.send(Orders, each)))
        assert.equal(sender.stats().waiting, 10_000)
        await delay(300)
        line.heal()
        await sent
        assert.deepEqual(sender.stats(), { count: 10_000, waiting: 0, rejected: 0 })
        await assertEach(place, 100, 100)
      }))

    it('rejects ten thousand events in time when it stays away, and goes on after', () =>
      inPlace(open, async (place) => {
        const line = new Line(place.broker.dial)
        await using sender = producer(checkout, options(place, line, { deliveryTimeoutMs: 500 }))
        await warmUp(place)
        await sender.send(Orders, { ...order(0), total: 1 })
        line.break()
        // Once it has seen the connection break, it knows of each that it has not left.
        await delay(50)
        const startedAt = performance.now()
        const results = await Promise.allSettled(
          Array.from({ length: 10_000 }, (_, n) => sender.send(Orders, order(n))),
        )
        assert.ok(performance.now() - startedAt < 5_000)
        const codes = new Set(results.map(describeResult))
        assert.deepEqual([...codes], ['timeout not-written retriable'])
        line.heal()
        await sender.send(Orders, { ...order(0), total: 2 })
        await assertEach(place, 1, 3)
        assert.deepEqual(sender.stats(), { count: 2, waiting: 0, rejected: 10_000 })
      }))

    it('holds no more than its buffer, and refuses what is more at once', () =>
      inPlace(open, async (place) => {
        const line = new Line(place.broker.dial)
        line.break()
        const bufferBytesMax = 100_000
        await using sender = producer(checkout, options(place, line, { bufferBytesMax }))
        const results = Array.from({ length: 10_000 }, (_, n) => {
          return sender.send(Orders, order(n)).then(() => 'sent', describeError)
        })
        // An event of some 40 bytes counts with what is kept for it.
        const { waiting, rejected } = sender.stats()
        assert.ok(waiting > 200 && waiting < bufferBytesMax / 256, `${waiting} wait`)
        assert.equal(rejected, 10_000 - waiting)
        line.heal()
        const counts = Object.groupBy(await Promise.all(results), (result) => result)
        assert.equal(counts['sent']!.length, waiting)
        assert.equal(counts['buffer-full not-written retriable']!.length, rejected)
        // A list waits for room, and has more than the buffer holds.
        assert.equal((await sender.sendAll(Orders, many(5_000))).length, 5_000)
        assert.equal((await values(place, Orders)).length, waiting + 5_000)
        const whole = sender.transaction((tx) => {
          for (const each of many(10_000)) tx.send(Orders, each)
        })
        await assert.rejects(whole, { code: 'buffer-full', outcome: 'not-written' })
        assert.equal((await values(place, Orders)).length, waiting + 5_000)
      }))

    it('begins nothing more of a list once one of it was too late', () =>
      inPlace(open, async (place) => {
        const line = new Line(place.broker.dial)
        line.break()
        const few = { bufferBytesMax: 20_000, deliveryTimeoutMs: 300 }
        await using sender = producer(checkout, options(place, line, few))
        const startedAt = performance.now()
        const error: unknown = await sender.sendAll(Orders, many(2_000)).catch((e: unknown) => e)
        assert.ok(performance.now() - startedAt < 3_000)
        assert.ok(error instanceof SendAllError)
        assert.equal(error.failures.size, 2_000)
        assert.equal(describeError(error), 'timeout not-written retriable')
      }))

    it('says unknown where nobody can tell, and stores nothing twice that it acknowledged', () =>
      inPlace(open, async (place) => {
        const line = new Line(place.broker.dial)
        await using sender = producer(checkout, options(place, line, { deliveryTimeoutMs: 600 }))
        await warmUp(place)
        await sender.send(Orders, order(0))
        line.freeze()
        const held = sender.send(Orders, order(1)).then(() => 'sent', describeError)
        await delay(50)
        // These wait behind it, or have never left.
        const behind = many(200).map((each) =>
          sender.send(Orders, each).then(() => 'sent', describeError),
        )
        assert.match(await held, /^(timeout|connection-lost) unknown retriable$/)
        line.thaw()
        const outcomes = await Promise.all(behind)
        await sender.send(Orders, order(2))
        const stored = (await values(place, Orders)).map(({ orderId }) => orderId)
        for (const [n, outcome] of outcomes.entries()) {
          const times = stored.filter((id) => id === `o${1_000 + n}`).length
          const allowed: Record<string, readonly number[]> = {
            sent: [1],
            'timeout not-written retriable': [0],
          }
          assert.ok((allowed[outcome] ?? [0, 1]).includes(times), `${outcome}: ${times} times`)
        }
        assert.equal(stored.filter((id) => id === 'o2').length, 1)
      }))

    it('closes in time, and rejects what is left', () =>
      inPlace(open, async (place) => {
        const line = new Line(place.broker.dial)
        line.break()
        const sender = producer(checkout, options(place, line, { closeTimeoutMs: 300 }))
        const waiting = [
          ...many(10).map((each) => sender.send(Orders, each)),
          sender.transaction((tx) => tx.send(Orders, order(1))),
          sender.transaction((tx) => tx.send(Orders, order(2))),
        ].map((sent) => sent.then(() => 'sent', describeError))
        const startedAt = performance.now()
        await sender.close()
        assert.ok(performance.now() - startedAt < 3_000)
        assert.deepEqual(
          [...new Set(await Promise.all(waiting))],
          ['producer-closed not-written final'],
        )
      }))

    it('ends transactions in time, too, and says what became of them', () =>
      inPlace(open, async (place) => {
        const line = new Line(place.broker.dial)
        await using sender = producer(checkout, options(place, line, { deliveryTimeoutMs: 500 }))
        await warmUp(place)
        await sender.transaction((tx) => tx.send(Orders, order(1)))
        line.fate = (api) => (api === 'EndTxn' ? 'lose' : 'pass')
        const ending = sender.transaction((tx) => tx.send(Orders, order(2)))
        assert.match(await ending.then(() => 'sent', describeError), /^timeout unknown/)
        line.break()
        const away = sender.transaction((tx) => tx.send(Orders, order(3)))
        assert.match(await away.then(() => 'sent', describeError), / not-written retriable$/)
        line.heal()
        await sender.transaction((tx) => tx.send(Orders, order(4)))
        // What nobody ended is aborted by its coordinator, and is read by nobody meanwhile.
        const ids = (await values(place, Orders)).map(({ orderId }) => orderId).toSorted()
        assert.deepEqual(ids, ['o0', 'o1', 'o4'])
      }))
  })
}

function options(
  { broker }: Place,
  { dial }: Line,
  more: Partial<ProducerOptions> = {},
): ProducerOptions {
  return { broker: { ...broker, dial }, ...more }
}

/** Sends the first event, for which Kafka may take longer than a test's events may: it makes the topic. */
async function warmUp(place: Place): Promise<void> {
  await using sender = producer(checkout, place)
  await sender.send(Orders, { ...order(0), total: 0 })
}

function many(count: number) {
  return Array.from({ length: count }, (_, n) => order(1_000 + n))
}

/** Every total of every key is there once, in order. */
async function assertEach(place: Place, keys: number, each: number): Promise<void> {
  const stored = await values(place, Orders)
  assert.equal(stored.length, keys * each)
  for (let key = 0; key < keys; key++) {
    const totals = stored.filter(({ orderId }) => orderId === `o${key}`).map((o) => o.total)
    assert.deepEqual(
      totals,
      Array.from({ length: each }, (_, n) => n),
    )
  }
}

function describeResult(result: PromiseSettledResult<unknown>): string {
  return result.status === 'fulfilled' ? 'sent' : describeError(result.reason)
}

function describeError(error: unknown): string {
  if (!isHeadwaterError(error)) throw error
  return `${error.code} ${error.outcome} ${error.retriable ? 'retriable' : 'final'}`
}

/** A dial whose connections break when the answer to every `nth` Produce is to come: it has been carried out. */
function losingAnswers(dial: Dial, nth: number): { dial: Dial; lost: () => number } {
  let produced = 0
  let lost = 0
  return {
    lost: () => lost,
    dial: async (host, port) => {
      const duplex = await dial(host, port)
      let isDoomed = false
      return {
        remote: duplex.remote,
        local: duplex.local,
        write: (chunks) => {
          const [first] = chunks
          const key = first === undefined ? -1 : (first[4]! << 8) | first[5]!
          if (key === apis.Produce.key && ++produced % nth === 0) isDoomed = true
          return duplex.write(chunks)
        },
        drained: () => duplex.drained(),
        onBytes: (reader) =>
          duplex.onBytes((chunk) => {
            if (!isDoomed) return reader(chunk)
            lost++
            duplex.destroy()
          }),
        onClose: (callback) =>
          duplex.onClose((error) => callback(error ?? (isDoomed ? broken() : undefined))),
        pause: () => duplex.pause(),
        resume: () => duplex.resume(),
        close: () => duplex.close(),
        destroy: () => duplex.destroy(),
      }
    },
  }
}

function broken(): HeadwaterError {
  return new HeadwaterError('connection-lost', 'the line broke', { retriable: true })
}
