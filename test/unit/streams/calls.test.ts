/** Calls that go outside: their order, their bounds, what a failure does, and what is told of them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { deadLettersOf } from '../../../src/events/dead-letters.ts'
import { service } from '../../../src/service/service.ts'
import type { Builder, Queries } from '../../../src/streams/topology/builder.ts'
import type { CallOptions } from '../../../src/streams/topology/call-options.ts'
import type { CallContext } from '../../../src/streams/topology/topology.ts'
import { TopologyDriver } from '../../../src/testing/topology-driver.ts'
import { OrderId, Orders, Payments, Shipments } from '../../types/shop.ts'

type Topology = Builder<'payments', 'shipments'>
type Call = (orderId: string, id: string, call: CallContext) => Promise<unknown>

/** A service that calls for each payment, ships what comes of it, and counts the shipped per order. */
function shipping(f: Call, options: CallOptions = {}) {
  return only((s) => {
    const made = s.stream(Payments).mapAsync(
      'charge',
      async ({ orderId, paymentId }, _key, call) => {
        await f(orderId, paymentId, call)
        return { orderId, amount: Number(paymentId), address: '' }
      },
      options,
    )
    made.to(Shipments)
    return { shipped: made.count('shipped') }
  })
}

function only(topology: (s: Topology) => Queries) {
  return service('shipping', { reads: [Payments], writes: [Shipments], topology })
}

/** `'a1 b2'`: a payment of order a with id 1, then one of order b with id 2. */
function pay(driver: TopologyDriver, text: string): void {
  for (const [orderId, paymentId] of text.split(' ').map((each) => [each[0]!, each.slice(1)])) {
    driver.send(Payments, {
      paymentId: paymentId!,
      orderId: orderId!,
      status: 'X',
      amount: 1,
      paidAt: 1_000n,
    })
  }
}

/** Keys of one partition. */
const [a, b, c] = ['e', 'i', 'j']

describe('calls', () => {
  it('of one key go out one after the other, others meanwhile', async () => {
    const out: string[] = []
    const events: string[] = []
    const driver = new TopologyDriver(
      shipping(async (orderId, id) => {
        out.push(orderId + id)
        events.push(`+${orderId}${id}`)
        assert.equal(out.filter((each) => each.startsWith(orderId)).length, 1)
        await sleep(orderId === a ? 20 : 1)
        out.splice(out.indexOf(orderId + id), 1)
        events.push(`-${orderId}${id}`)
      }),
    )
    pay(driver, `${a}1 ${b}2 ${a}3 ${b}4 ${c}5`)
    await driver.settled()
    assert.ok(events.indexOf(`+${b}4`) < events.indexOf(`-${a}1`), 'the other key waits for none')
    assert.ok(events.indexOf(`-${a}1`) < events.indexOf(`+${a}3`))
    const rows = driver.rows('shipped').map(({ key, value }) => [key, value])
    assert.deepEqual(
      new Map(rows as [string, number][]),
      new Map([
        [a, 2],
        [b, 2],
        [c, 1],
      ]),
    )
  })

  it('are no more at once than concurrency says, all partitions together', async () => {
    let out = 0
    let most = 0
    const driver = new TopologyDriver(
      shipping(
        async () => {
          most = Math.max(most, ++out)
          await sleep(2)
          out--
        },
        { concurrency: 3 },
      ),
    )
    pay(driver, 'a1 b2 c3 d4 e5 f6 g7 h8 i9')
    await driver.settled()
    assert.equal(most, 3)
    assert.equal(driver.read(Shipments).length, 9)
  })

  it('of a partition wait for each other, or none do, as order says', async () => {
    const mostOf = async (order: 'partition' | 'none'): Promise<number> => {
      let out = 0
      let most = 0
      const call = async (): Promise<void> => {
        most = Math.max(most, ++out)
        await sleep(2)
        out--
      }
      const driver = new TopologyDriver(shipping(call, { order }))
      pay(driver, `${a}1 ${a}2 ${b}3 ${b}4`)
      await driver.settled()
      return most
    }
    assert.equal(await mostOf('none'), 4)
    assert.equal(await mostOf('partition'), 1)
  })

  it('are applied in the order of the records, whichever ends first', async () => {
    const driver = new TopologyDriver(
      shipping((_order, id) => sleep(Number(id) === 1 ? 20 : 0), { order: 'none' }),
    )
    pay(driver, `${a}1 ${a}2 ${a}3`)
    await driver.settled()
    assert.deepEqual(
      driver.read(Shipments).map(({ amount }) => amount),
      [1, 2, 3],
    )
  })

  it('have a key that stays the same over attempts and starts, and differs between records', async () => {
    const seen: string[] = []
    const keys = new Map<string, Set<string>>()
    let failures = 1
    const driver = new TopologyDriver(
      shipping(
        async (_order, id, { idempotencyKey, attempt }) => {
          seen.push(`${id}:${attempt}`)
          keys.set(id, (keys.get(id) ?? new Set()).add(idempotencyKey))
          if (failures-- > 0) throw new Error('not now')
          if (id === '2' && attempt === 1 && failures > -3) await new Promise(() => undefined)
        },
        { retry: { backoff: '1ms' } },
      ),
    )
    pay(driver, `${a}1 ${b}2`)
    driver.settle()
    await sleep(20)
    driver.restart()
    failures = -10
    await driver.settled()
    assert.deepEqual(
      [...keys.values()].map(({ size }) => size),
      [1, 1],
    )
    const [first] = keys.get('1')!
    assert.match(first!, /^shipping\/charge\/payments\/\d+\/0$/)
    assert.notEqual(first, [...keys.get('2')!][0])
    assert.ok(seen.includes('1:2'), 'the second attempt')
    assert.equal(driver.read(Shipments).length, 2)
  })

  it('of several values of one record have keys of their own, and count all together', async () => {
    const keys: string[] = []
    const driver = new TopologyDriver(
      only((s) => {
        s.stream(Payments)
          .flatMap(({ orderId }) => [1, 2, 3].map((amount) => ({ orderId, amount })))
          .mapAsync(
            'each',
            async (value, _key, call) => {
              keys.push(call.idempotencyKey.split('/').slice(4).join('/'))
              await sleep(value.amount)
              return { ...value, address: '' }
            },
            { order: 'none' },
          )
          .to(Shipments)
        return {}
      }),
    )
    pay(driver, 'a1')
    await driver.settled()
    assert.deepEqual(keys, ['0', '0/1', '0/2'])
    assert.deepEqual(
      driver.read(Shipments).map(({ amount }) => amount),
      [1, 2, 3],
    )
  })

  it('enter 1,024 at a time at most', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    let begun = 0
    const driver = new TopologyDriver(
      shipping(
        () => {
          begun++
          return promise
        },
        { order: 'none', concurrency: 10_000 },
      ),
    )
    for (let i = 0; i < 1_500; i++) pay(driver, `${a}1`)
    driver.settle()
    assert.equal(begun, 1_024)
    resolve()
    await driver.settled()
    assert.equal(begun, 1_500)
    assert.equal(driver.read(Shipments).length, 1_500)
  })

  it('enter with 16 MiB of values at most, and 32 records more', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    let begun = 0
    const driver = new TopologyDriver(
      shipping(
        () => {
          begun++
          return promise
        },
        { order: 'none', concurrency: 10_000 },
      ),
    )
    const status = 'x'.repeat(1024 * 1024)
    for (let i = 0; i < 100; i++) {
      driver.send(Payments, { paymentId: '1', orderId: a, status, amount: 1, paidAt: 1_000n })
    }
    driver.settle()
    assert.ok(begun >= 16 && begun <= 16 + 32, `${begun}`)
    resolve()
    await driver.settled()
    assert.equal(begun, 100)
  })
})

describe('a call that fails', () => {
  const failing = (times: number, error: () => unknown = () => new RangeError('closed')) => {
    let left = times
    return async (): Promise<void> => {
      if (left-- > 0) throw error()
      await sleep(0)
    }
  }
  const quick = { backoff: '1ms' } as const

  it('is tried again as often as retry says, and then stops the service at its record', async () => {
    const twice = new TopologyDriver(shipping(failing(2), { retry: { ...quick, attempts: 3 } }))
    pay(twice, 'a1')
    await twice.settled()
    assert.equal(twice.read(Shipments).length, 1)
    const thrice = new TopologyDriver(shipping(failing(3), { retry: { ...quick, attempts: 3 } }))
    pay(thrice, 'a1')
    await assert.rejects(
      thrice.settled(),
      (error) =>
        isHeadwaterError(error, 'operator-failed') &&
        /service 'shipping' stopped at record 0 of partition \d+ of topic 'payments': mapAsync 'charge', tried 3 times, threw: closed/.test(
          error.message,
        ),
    )
  })

  it('is not tried again when that is of no use', async () => {
    let calls = 0
    const call = (): Promise<void> => {
      calls++
      throw new RangeError('no such card')
    }
    const retry = { ...quick, when: (error: unknown) => !(error instanceof RangeError) }
    const driver = new TopologyDriver(shipping(call, { retry, onError: 'skip' }))
    pay(driver, 'a1')
    await driver.settled()
    assert.equal(calls, 1)
    assert.equal(driver.counts.failures.skipped, 1)
  })

  it('is a dead letter with the record’s bytes, when that is its policy', async () => {
    const driver = new TopologyDriver(
      shipping(failing(9), { retry: { ...quick, attempts: 2 }, onError: 'deadLetter' }),
    )
    pay(driver, 'a1')
    await driver.settled()
    const [letter] = driver.read(deadLettersOf('shipping'))
    assert.equal(letter?.fact.case, 'failed')
    const failed = letter.fact.value
    assert.equal(failed.operator, "mapAsync 'charge'")
    assert.equal(failed.message, "mapAsync 'charge', tried 2 times, threw: closed")
    assert.equal(Payments.codec.decode(failed.value!).orderId, 'a')
    assert.equal(failed.processedInPart, false)
    assert.equal(driver.read(Shipments).length, 0)
  })

  it('by its time is told so, whatever it does then', async () => {
    const reasons: unknown[] = []
    const call: Call = async (_order, _id, { signal, attempt }) => {
      if (attempt > 1) return
      signal.addEventListener('abort', () => reasons.push(signal.reason))
      await sleep(60)
      throw new Error('too late to be heard')
    }
    const driver = new TopologyDriver(shipping(call, { timeout: '10ms', retry: quick }))
    pay(driver, 'a1')
    await driver.settled()
    assert.equal(driver.read(Shipments).length, 1)
    assert.ok(isHeadwaterError(reasons[0], 'timeout'))
    await sleep(60)
  })

  it('that never returns holds up its own key and lets others go on', async () => {
    const driver = new TopologyDriver(
      shipping((_order, id) => (id === '1' ? new Promise(() => undefined) : sleep(0))),
    )
    pay(driver, `${a}1 ${b}2 ${a}3`)
    driver.settle()
    await sleep(5)
    driver.settle()
    assert.equal(driver.read(Shipments).filter(({ orderId }) => orderId === a).length, 0)
  })

  it('waits longer before each attempt, up to backoffMax', async () => {
    const at: number[] = []
    const call = async (): Promise<void> => {
      at.push(performance.now())
      if (at.length < 5) throw new Error('again')
      await sleep(0)
    }
    const retry = { backoff: '20ms', backoffMax: '50ms' } as const
    const driver = new TopologyDriver(shipping(call, { retry }))
    pay(driver, 'a1')
    await driver.settled()
    const pauses = at.slice(1).map((time, i) => time - at[i]!)
    for (const [i, least] of [20, 40, 50, 50].entries()) {
      assert.ok(pauses[i]! >= least - 2, `pause ${i} is ${pauses[i]}, at least ${least}`)
    }
    assert.ok(pauses[3]! < 160 - 2, `the last pause is ${pauses[3]}`)
  })
})

describe('forEach', () => {
  it('does something outside for each value, and nothing comes of it', async () => {
    const sent: string[] = []
    const driver = new TopologyDriver(
      only((s) => {
        s.stream(Payments).forEach('mail', async ({ orderId }) => {
          await sleep(1)
          sent.push(orderId)
        })
        return {}
      }),
    )
    pay(driver, `${a}1 ${a}2 b3`)
    await driver.settled()
    assert.deepEqual(
      sent.toSorted((x, y) => (x < y ? -1 : 1)),
      ['b', a, a],
    )
  })
})

describe('calls are refused', () => {
  const build = (topology: (s: Topology) => Queries): (() => unknown) => {
    return () => only(topology).build()
  }
  const call = async ({ orderId }: { orderId: string }): Promise<string> => Promise.resolve(orderId)

  it('where their records have something else to do, too', () => {
    assert.throws(
      build((s) => {
        const payments = s.stream(Payments)
        payments.forEach('mail', call)
        return { n: payments.count('n') }
      }),
      /the calls of 'mail' end in any order.*the stream 'payments' goes elsewhere, too: put a rekey before/,
    )
  })

  it('behind state, a join or other calls', () => {
    const both = service('shipping', {
      reads: [Payments, Orders],
      writes: [],
      topology: (s) => {
        const joined = s.stream(Payments).join(s.table(Orders), (payment) => payment)
        joined.forEach('mail', call)
        return {}
      },
    })
    assert.throws(() => both.build(), /but it follows the result of a join: put a rekey before/)
    assert.throws(
      build((s) => {
        const once = s.stream(Payments).mapAsync('first', (payment) => Promise.resolve(payment))
        once.forEach('second', call)
        return {}
      }),
      /the calls of 'second'.*it follows the result of mapAsync 'first'/,
    )
  })

  it('of a stream that is a table, too', () => {
    const both = service('shipping', {
      reads: [Orders],
      writes: [],
      topology: (s) => {
        s.stream(Orders).forEach('mail', call)
        return { orders: s.table(Orders) }
      },
    })
    assert.throws(() => both.build(), /the stream 'orders' is a table, too/)
  })

  it('unless their options are within their bounds', () => {
    const refused = (options: CallOptions): (() => unknown) =>
      build((s) => {
        s.stream(Payments).forEach('mail', call, options)
        return {}
      })
    assert.throws(
      refused({ concurrency: 0 }),
      /of 'mail' concurrency is 0: give a whole number from 1 to 10000/,
    )
    assert.throws(refused({ concurrency: 10_001 }), /from 1 to 10000/)
    assert.throws(refused({ timeout: '0ms' }), /timeout in milliseconds is 0/)
    assert.throws(refused({ timeout: '25h' }), /from 1 to 86400000/)
    assert.throws(
      refused({ retry: { attempts: 0 } }),
      /retry.attempts is 0: give a whole number from 1 on/,
    )
    assert.throws(
      refused({ order: 'keys' as 'key' }),
      /order is 'keys': write 'key', 'partition' or 'none'/,
    )
    refused({ retry: { attempts: Infinity } })()
  })

  it('but not behind a rekey of a stream that others read, too', async () => {
    const driver = new TopologyDriver(
      only((s) => {
        const payments = s.stream(Payments)
        payments
          .rekey('to-charge', OrderId, ({ orderId }) => orderId)
          .mapAsync('charge', async ({ orderId }) => {
            await sleep(1)
            return { orderId, amount: 7, address: '' }
          })
          .to(Shipments)
        return { n: payments.count('n') }
      }),
    )
    pay(driver, 'a1 b2')
    await driver.settled()
    assert.equal(driver.read(Shipments).length, 2)
    assert.equal(driver.get('n', 'a'), 1)
  })
})
