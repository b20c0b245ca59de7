/** What callers of `send` are owed at a close, by a broken message, and by a transaction that is not whole. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { listTransactions } from '../../../src/client/producer/list-transactions.ts'
import { producer } from '../../../src/streams/runtime/producer.ts'
import { keepAwake } from '../../client-suite/peer.ts'
import { connect, inPlace, values } from '../../streams-suite/place.ts'
import { checkout, order } from '../../streams-suite/sending.ts'
import { Orders } from '../../types/shop.ts'
import { embeddedPlace } from './suite/embedded-place.ts'

keepAwake()

test('a close ends the transaction that runs: it is rejected, and nothing is left open', () =>
  inPlace(embeddedPlace, async (place) => {
    const sender = producer(checkout, { ...place, closeTimeoutMs: 200 })
    const write = sender.transaction(async (tx) => {
      tx.send(Orders, order(1))
      await delay(1_500)
    })
    const rejected = assert.rejects(write, { code: 'producer-closed', outcome: 'not-written' })
    await delay(150)
    await sender.close()
    await rejected
    await using cluster = await connect(place)
    const states = (await listTransactions(cluster)).map(({ state }) => state)
    assert.deepEqual(states, ['CompleteAbort'])
    assert.deepEqual(await values(place, Orders), [])
  }))

test('a transaction does not count without an event that it was refused, caught or not', () =>
  inPlace(embeddedPlace, async (place) => {
    await using sender = producer(checkout, place)
    const write = sender.transaction((tx) => {
      tx.send(Orders, order(1))
      assert.throws(() => tx.send(Orders, { ...order(2), orderId: '\ud800' }))
    })
    await assert.rejects(write, { code: 'record-invalid', outcome: 'not-written' })
    assert.deepEqual(await values(place, Orders), [])
  }))

test('a transaction holds no more than bufferBytesMax, receipts included', () =>
  inPlace(embeddedPlace, async (place) => {
    const bufferBytesMax = 100_000
    await using sender = producer(checkout, { ...place, bufferBytesMax })
    let count = 0
    const write = sender.transaction((tx) => {
      for (; ; count++) tx.send(Orders, order(1))
    })
    await assert.rejects(write, { code: 'buffer-full', retriable: false, outcome: 'not-written' })
    assert.ok(count > 100 && count < bufferBytesMax / 256, `${count} events`)
  }))

test('a message that throws is thrown when the others of its list are settled', () =>
  inPlace(embeddedPlace, async (place) => {
    await using sender = producer(checkout, { ...place, bufferBytesMax: 10_000 })
    const bad = {
      ...order(1),
      get address(): string {
        throw new TypeError('made when it is asked for')
      },
    }
    const list = [bad, ...Array.from({ length: 500 }, (_, n) => order(n))]
    await assert.rejects(sender.sendAll(Orders, list), TypeError)
    assert.equal((await values(place, Orders)).length, 500)
  }))

test('a list with an event that never fits the buffer is rejected', () =>
  inPlace(embeddedPlace, async (place) => {
    await using sender = producer(checkout, { ...place, bufferBytesMax: 1_024 })
    const large = { ...order(1), address: 'x'.repeat(2_000) }
    const refused = { code: 'record-invalid', outcome: 'not-written', message: /bufferBytesMax/ }
    await assert.rejects(sender.sendAll(Orders, [large]), refused)
    await assert.rejects(sender.send(Orders, large), refused)
  }))
