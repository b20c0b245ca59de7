/** Sending a service's events from outside its topology: what is stored, what is refused, what is one. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { isHeadwaterError } from '../../src/base/errors.ts'
import { createTopics } from '../../src/client/admin.ts'
import type { EventInit } from '../../src/events/event.ts'
import { service } from '../../src/service/service.ts'
import { producer } from '../../src/streams/runtime/producer.ts'
import { run } from '../../src/streams/runtime/run.ts'
import { SendAllError } from '../../src/streams/sending/sends.ts'
import { Accounts, Orders, Payments, Shipments, Visits } from '../types/shop.ts'
import type { OpenPlace } from './place.ts'
import { connect, inPlace, read, values, write } from './place.ts'

export const checkout = service('checkout', {
  reads: [],
  writes: [Orders],
  topology: () => ({}),
})
const billing = service('billing', {
  reads: [],
  writes: [Payments, Accounts],
  topology: () => ({}),
})
const web = service('web', { reads: [], writes: [Visits], topology: () => ({}) })

export function order(n: number): EventInit<typeof Orders> {
  return { orderId: `o${n}`, customerId: `c${n % 7}`, address: `${n} Main St`, total: n }
}

function payment(n: number): EventInit<typeof Payments> {
  return {
    paymentId: `p${n}`,
    orderId: `o${n}`,
    amount: n,
    status: 'CAPTURED',
    paidAt: BigInt(n * 1000),
  }
}

export function sendingSuite(open: OpenPlace): void {
  describe('sending', { timeout: 120_000 }, () => {
    it('sends headers, which go on with what is made of the event, and reach calls outside', () =>
      inPlace(open, async (place) => {
        const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
        const headers = { traceparent, raw: new Uint8Array([0, 255]) }
        const seen: string[] = []
        const both = service('billing', {
          reads: [Payments],
          writes: [Payments, Accounts],
          topology: (s) => {
            s.stream(Payments).forEach('see', (_payment, _key, call) => {
              const trace = call.headers.find(({ key }) => key === 'traceparent')
              seen.push(String(trace?.value && Buffer.from(trace.value)))
              return Promise.resolve()
            })
            return {}
          },
        })
        await using app = await run(both, place)
        await app.send(Payments, payment(1), { headers })
        await app.sendAll(Payments, [payment(2)], { headers })
        await app.transaction(async (tx) => tx.send(Payments, payment(3), { headers }))
        await app.caughtUp()
        assert.deepEqual(seen, [traceparent, traceparent, traceparent])
        for (const wrong of [{ 'headwater-replay-for': 'x' }, { a: 1 as never }]) {
          await assert.rejects(
            app.send(Payments, payment(4), { headers: wrong }),
            (error) => isHeadwaterError(error, 'record-invalid') && error.outcome === 'not-written',
          )
        }
      }))

    it('counts headers in what an event may have', () =>
      inPlace(open, async (place) => {
        await using sender = producer(billing, { ...place, messageBytesMax: 1_000 })
        const headers = { large: 'x'.repeat(1_000) }
        await assert.rejects(
          sender.send(Payments, payment(1), { headers }),
          /its key, message and headers have \d+ bytes, and at most 1000 are sent/,
        )
        await sender.send(Payments, payment(1), { headers: { small: 'x'.repeat(800) } })
      }))

    it('stores events where `.to` would, with their key and time, and says where', () =>
      inPlace(open, async (place) => {
        await using sender = producer(billing, place)
        const receipts = await Promise.all(
          [1, 2, 3, 1].map((n) => sender.send(Payments, payment(n))),
        )
        const account = { accountNumber: 2n ** 60n, holder: 'h' }
        const before = Date.now()
        const receipt = await sender.send(Accounts, account)
        assert.ok(receipt.timestamp >= before && receipt.timestamp <= Date.now())
        assert.partialDeepStrictEqual(receipt, { stream: 'accounts', offset: 0 })
        await write(place, Payments, [1, 2, 3, 1].map(payment))
        await write(place, Accounts, [account])
        const stored = await read(place, Payments)
        // Twice each, by us and by a topology: in one partition, so side by side.
        assert.deepEqual(
          stored.map(({ key, timestamp }) => `${key} ${timestamp}`).toSorted(),
          [1, 1, 1, 1, 2, 2, 3, 3].map((n) => `o${n} ${n * 1000}`),
        )
        assert.equal((await read(place, Accounts)).length, 2)
        assert.equal(receipts[0]!.partition, receipts[3]!.partition)
        assert.equal(receipts[3]!.offset, receipts[0]!.offset + 1)
        assert.deepEqual(
          receipts.map(({ stream, timestamp }) => [stream, timestamp]),
          [1, 2, 3, 1].map((n) => ['payments', n * 1000]),
        )
        assert.deepEqual(sender.stats(), { count: 5, waiting: 0, rejected: 0 })
      }))

    it('keeps the order of a key, and shares requests among many', () =>
      inPlace(open, async (place) => {
        await using sender = producer(checkout, place)
        const all = Array.from({ length: 3_000 }, (_, n) => ({ ...order(n % 5), total: n }))
        const receipts = await Promise.all(all.map((each) => sender.send(Orders, each)))
        const stored = await read(place, Orders)
        for (let key = 0; key < 5; key++) {
          const totals = stored.filter((each) => each.key === `o${key}`).map((e) => e.value!.total)
          assert.deepEqual(
            totals,
            all.map(({ total }) => total).filter((total) => total % 5 === key),
          )
        }
        assert.equal(new Set(receipts.map((r) => `${r.partition}/${r.offset}`)).size, 3_000)
      }))

    it('spreads events without a key over all partitions', () =>
      inPlace(open, async (place) => {
        await using sender = producer(web, place)
        const all = Array.from({ length: 3_072 }, (_, n) => ({ path: `/${n}` }))
        const receipts = await sender.sendAll(Visits, all)
        const counts = [0, 1, 2].map((p) => receipts.filter((r) => r.partition === p).length)
        assert.deepEqual(counts, [1024, 1024, 1024])
      }))

    it('refuses what the types refuse, and says what is wrong with it', () =>
      inPlace(open, async (place) => {
        await using sender = producer(checkout, place)
        const send = untyped(sender)
        const refused = async (event: unknown, message: unknown, code: string, why: RegExp) => {
          const expected = { code, message: why, outcome: 'not-written', retriable: false }
          await assert.rejects(send(event, message), expected)
        }
        const invalid = (message: unknown, why: RegExp) =>
          refused(Orders, message, 'record-invalid', why)
        const other = "stream 'payments' is owned by 'billing', so 'checkout' may not send it"
        await refused(Payments, payment(1), 'config-invalid', new RegExp(other))
        await invalid({ ...order(1), total: undefined }, /'orders'.*field 'total' is missing/)
        await invalid({ ...order(1), tax: 1 }, /'tax' is no field of shop\.v1\.Order/)
        await invalid({ ...order(1), placedAt: { seconds: 1n } }, /'placedAt\.nanos' is missing/)
        await invalid({ ...order(1), total: 'many' }, /total/)
        await invalid(undefined, /the message is undefined/)
        await invalid({ ...order(1), orderId: '\ud800' }, /half a character|not well-formed/)
        await invalid({ ...order(1), address: 'x'.repeat(2 ** 20) }, /1048\d+ bytes.*1048576/)
        const more = keepingQuiet(billing, [Payments])
        await using narrow = producer(more, place)
        await assert.rejects(narrow.send(Accounts, { accountNumber: 1n, holder: 'h' }), {
          code: 'config-invalid',
          message: /'accounts' is not in the writes of service 'billing': add it there/,
        })
        assert.deepEqual(sender.stats(), { count: 0, waiting: 0, rejected: 8 })
      }))

    it('sends all, and says which of them could not be sent', () =>
      inPlace(open, async (place) => {
        await using sender = producer(checkout, place)
        const good = await sender.sendAll(Orders, [1, 2, 3].map(order))
        assert.equal(good.length, 3)
        const mixed = [order(4), { ...order(5), orderId: '\ud800' }, order(6)]
        const error: unknown = await sender.sendAll(Orders, mixed).catch((e: unknown) => e)
        assert.ok(error instanceof SendAllError && isHeadwaterError(error, 'record-invalid'))
        assert.match(error.message, /^1 of 3 events of stream 'orders'.*the one at 1: /)
        assert.deepEqual([...error.failures.keys()], [1])
        assert.deepEqual(
          error.receipts.map((receipt) => receipt?.stream),
          ['orders', undefined, 'orders'],
        )
        const ids = (await values(place, Orders)).map(({ orderId }) => orderId).toSorted()
        assert.deepEqual(ids, ['o1', 'o2', 'o3', 'o4', 'o6'])
      }))

    it('goes on when the topic refuses an event, which alone is rejected', () =>
      inPlace(open, async (place) => {
        await using admin = await connect(place)
        const configs = { 'max.message.bytes': '20000' }
        await createTopics(admin, [{ name: 'orders', partitions: 12, configs }])
        await using sender = producer(checkout, place)
        const all = Array.from({ length: 2_000 }, (_, n) => order(n))
        // Of one key, and so of one partition, with some that are sent before and after.
        const large = { ...order(1_000), address: 'x'.repeat(30_000) }
        all.splice(1_000, 0, large)
        const results = await Promise.allSettled(all.map((each) => sender.send(Orders, each)))
        const failed = results.flatMap((result, at) =>
          result.status === 'rejected' ? [{ at, reason: result.reason as unknown }] : [],
        )
        assert.deepEqual(
          failed.map(({ at }) => at),
          [1_000],
        )
        assert.ok(isHeadwaterError(failed[0]!.reason, 'record-invalid'))
        assert.equal(failed[0]!.reason.outcome, 'not-written')
        assert.match(failed[0]!.reason.message, /max\.message\.bytes/)
        const ids = (await values(place, Orders)).map(({ orderId }) => orderId)
        assert.equal(ids.length, 2_000)
        assert.equal(new Set(ids).size, 2_000)
        assert.equal((await sender.send(Orders, order(1))).stream, 'orders')
      }))

    it('makes one of what a transaction sends, or nothing of it', () =>
      inPlace(open, async (place) => {
        await using sender = producer(billing, place)
        const receipts = await sender.transaction(async (tx) => {
          tx.send(Payments, payment(1))
          await delay(5)
          tx.send(Accounts, { accountNumber: 7n, holder: 'h' })
        })
        assert.deepEqual(
          receipts.map(({ stream, offset }) => [stream, offset]),
          [
            ['payments', 0],
            ['accounts', 0],
          ],
        )
        const why = new Error('no money')
        const rejected = sender.transaction(async (tx) => {
          tx.send(Payments, payment(2))
          await delay(20)
          tx.send(Accounts, { accountNumber: 8n, holder: 'h' })
          throw why
        })
        await assert.rejects(rejected, (error) => error === why)
        const wrong = sender.transaction((tx) => {
          tx.send(Payments, payment(3))
          tx.send(Payments, { ...payment(4), orderId: '\ud800' })
        })
        await assert.rejects(wrong, { code: 'record-invalid', outcome: 'not-written' })
        await sender.transaction((tx) => tx.send(Payments, payment(5)))
        assert.deepEqual(await sender.transaction(() => undefined), [])
        assert.deepEqual(
          (await values(place, Payments)).map(({ paymentId }) => paymentId).toSorted(),
          ['p1', 'p5'],
        )
        assert.equal((await values(place, Accounts)).length, 1)
        assert.deepEqual(sender.stats(), { count: 3, waiting: 0, rejected: 3 })
      }))

    it('runs transactions one at a time in their order, as many as may wait', () =>
      inPlace(open, async (place) => {
        await using sender = producer(checkout, { ...place, transactionsWaitingMax: 20 })
        let running = 0
        const started: number[] = []
        const one = (n: number) =>
          sender.transaction(async (tx) => {
            assert.equal(++running, 1)
            started.push(n)
            tx.send(Orders, order(n))
            await delay(1)
            running--
          })
        const all = await Promise.allSettled(Array.from({ length: 22 }, (_, n) => one(n)))
        const last = all.pop()!
        assert.ok(all.every(({ status }) => status === 'fulfilled'))
        assert.ok(last.status === 'rejected' && isHeadwaterError(last.reason, 'buffer-full'))
        assert.match(last.reason.message, /20 wait for their turn.*transactionsWaitingMax/)
        assert.deepEqual(
          started,
          all.map((_, n) => n),
        )
        assert.equal((await values(place, Orders)).length, 21)
      }))

    it('gives a transaction up whose function never returns, and takes nothing from it', () =>
      inPlace(open, async (place) => {
        await using sender = producer(checkout, { ...place, deliveryTimeoutMs: 400 })
        await sender.transaction(() => undefined)
        const tried = Promise.withResolvers<unknown>()
        const startedAt = performance.now()
        const slow = sender.transaction(async (tx) => {
          tx.send(Orders, order(1))
          await delay(1_000)
          try {
            tx.send(Orders, order(2))
          } catch (error) {
            tried.resolve(error)
          }
        })
        await assert.rejects(slow, {
          code: 'timeout',
          outcome: 'not-written',
          message: /within 400 ms/,
        })
        assert.ok(performance.now() - startedAt < 5_000)
        await sender.transaction((tx) => tx.send(Orders, order(3)))
        assert.ok(isHeadwaterError(await tried.promise, 'producer-closed'))
        assert.deepEqual(
          (await values(place, Orders)).map(({ orderId }) => orderId),
          ['o3'],
        )
      }))

    it('tells who is fenced, and lets it go on', () =>
      inPlace(open, async (place) => {
        await using first = producer(checkout, { ...place, instanceId: 'a' })
        await using second = producer(checkout, { ...place, instanceId: 'a' })
        await first.transaction((tx) => tx.send(Orders, order(1)))
        await second.transaction((tx) => tx.send(Orders, order(2)))
        await assert.rejects(
          first.transaction((tx) => tx.send(Orders, order(3))),
          { code: 'fenced', outcome: 'not-written', retriable: true },
        )
        await first.transaction((tx) => tx.send(Orders, order(4)))
        await second.transaction((tx) => tx.send(Orders, order(5)))
        const ids = (await values(place, Orders)).map(({ orderId }) => orderId).toSorted()
        assert.deepEqual(ids, ['o1', 'o2', 'o4', 'o5'])
      }))

    it('sends from services that run, each in the name of the owner, also from two instances', () =>
      inPlace(open, async (place) => {
        await using one = await run(checkout, { ...place, instanceId: 'a' })
        await using two = await run(checkout, { ...place, instanceId: 'b' })
        await using both = await run([billing, web], place)
        const apps = [one, two]
        await Promise.all(
          Array.from({ length: 200 }, (_, n) => apps[n % 2]!.send(Orders, order(n))),
        )
        await Promise.all(
          apps.map((app, n) => app.transaction((tx) => tx.send(Orders, order(200 + n)))),
        )
        assert.equal(new Set((await values(place, Orders)).map((o) => o.orderId)).size, 202)
        assert.deepEqual(one.stats().sends, { count: 101, waiting: 0, rejected: 0 })
        await both.send(Payments, payment(1))
        await both.sendAll(Visits, [{ path: '/' }, { path: '/a' }])
        await both.sends.billing.transaction((tx) => tx.send(Payments, payment(2)))
        assert.equal(both.stats().billing.sends.count, 2)
        assert.equal(both.stats().web.sends.count, 2)
        await assert.rejects(untyped(both)(Shipments, {}), {
          code: 'config-invalid',
          message: /owned by 'shipping', which does not run here.*'billing', 'web'/,
        })
        await one.close()
        await assert.rejects(one.send(Orders, order(1)), { code: 'producer-closed' })
      }))

    it('has stored what was sent before it was closed, and takes nothing after', () =>
      inPlace(open, async (place) => {
        const sender = producer(checkout, place)
        const sent = Array.from({ length: 500 }, (_, n) => sender.send(Orders, order(n)))
        const transaction = sender.transaction((tx) => tx.send(Orders, order(500)))
        await sender.close()
        await Promise.all([...sent, transaction])
        const closed = { code: 'producer-closed', outcome: 'not-written', message: /'checkout'/ }
        await assert.rejects(sender.send(Orders, order(1)), closed)
        await assert.rejects(
          sender.transaction(() => undefined),
          closed,
        )
        assert.equal((await values(place, Orders)).length, 501)
        await sender.close()
      }))
  })
}

/** As plain JavaScript calls it. */
function untyped(sender: object): (event: unknown, message: unknown) => Promise<unknown> {
  const { send } = sender as { send: (event: unknown, message: unknown) => Promise<unknown> }
  return (event, message) => send(event, message)
}

/** The same service, whose declaration forgot a stream. */
function keepingQuiet(
  { name }: typeof billing,
  writes: readonly (typeof Payments)[],
): { readonly name: 'billing'; readonly writes: readonly (typeof Payments)[] } {
  return { name, writes }
}
