/** What becomes of records that cannot be processed: `onError`, in every place where one can fail. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Writer } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { deadLettersOf } from '../../../src/events/dead-letters.ts'
import type { AnyEvent, InitOf, ValueOf } from '../../../src/events/event.ts'
import { service } from '../../../src/service/service.ts'
import { encodeKey } from '../../../src/streams/stores/serde.ts'
import type { Builder, Queries } from '../../../src/streams/topology/builder.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import type { OnError } from '../../../src/streams/topology/topology.ts'
import { TopologyDriver } from '../../../src/testing/topology-driver.ts'
import { CustomerId, Orders, Payments, Shipments } from '../../types/shop.ts'

const letters = deadLettersOf('shipping')
const bytes = (text: string): Uint8Array => Buffer.from(text)
const bad = 'bad'

type Payment = ValueOf<typeof Payments>
type Handled = { onError?: OnError }
type Topology = Builder<'payments' | 'orders', 'shipments'>

/** A shipment of each payment; one of the order 'bad' throws. */
function shippingThat(onError: OnError, ofMap?: OnError) {
  return service('shipping', {
    reads: [Payments, Orders],
    writes: [Shipments],
    onError,
    topology: (s) => {
      s.stream(Payments)
        .map((payment) => refuse(payment) && payment, ofMap && { onError: ofMap })
        .to(Shipments, (payment) => shipmentOf(payment as Payment))
      return { orders: s.table(Orders) }
    },
  })
}

/** A service with one operator under test. */
function only(build: (s: Topology, o: Handled) => Queries | void, onError: OnError = 'skip') {
  return service('shipping', {
    reads: [Payments, Orders],
    writes: [Shipments],
    topology: (s) => {
      const returned = build(s, { onError })
      const views = returned ?? {}
      return 'orders' in views ? views : { ...views, orders: s.table(Orders) }
    },
  })
}

function refuse({ orderId }: Payment): true {
  if (orderId === bad) throw new RangeError('bad is bad')
  return true
}

function refusedKey(payment: Payment): string {
  refuse(payment)
  return payment.orderId
}

function shipmentOf({ orderId, amount }: Payment) {
  return { orderId, address: 'a', amount }
}

function pay(driver: TopologyDriver, orderId: string, at = 1): void {
  const paidAt = BigInt(at)
  driver.send(Payments, { paymentId: 'p', orderId, status: 'CAPTURED', amount: 1, paidAt })
}

function shipped(driver: TopologyDriver): string[] {
  return driver
    .read(Shipments)
    .map(({ orderId }) => orderId)
    .toSorted()
}

function failureIn(letter: ValueOf<typeof letters> | undefined) {
  assert.equal(letter?.fact.case, 'failed')
  return letter.fact.value
}

function encoded<E extends AnyEvent>(event: E, message: InitOf<E>): Uint8Array {
  const writer = new Writer()
  event.codec.encode(message, writer)
  return writer.finish()
}

function partitionOf(key: string, { partitions }: AnyEvent): number {
  return encodeKey('string', key).hash % partitions
}

describe('onError', () => {
  it('is stop unless said otherwise, and the error names the ways out', () => {
    const driver = new TopologyDriver(shippingThat('stop'))
    pay(driver, bad)
    assert.throws(
      () => driver.settle(),
      (error) =>
        isHeadwaterError(error, 'operator-failed') &&
        /service 'shipping' stopped at record 0 of partition \d+ of topic 'payments'/.test(
          error.message,
        ) &&
        error.message.includes("let such records pass (onError: 'skip' or 'deadLetter')"),
    )
  })

  it('skip: leaves the value out, counts it, and goes on with the next', () => {
    const driver = new TopologyDriver(shippingThat('skip'))
    for (const id of ['o1', bad, 'o2']) pay(driver, id)
    driver.settle()
    assert.deepEqual(shipped(driver), ['o1', 'o2'])
    assert.deepEqual(driver.counts.failures, { skipped: 1, deadLettered: 0 })
  })

  it('deadLetter: keeps the record as it was, its place, the operator, the error and its stack', () => {
    const driver = new TopologyDriver(shippingThat('deadLetter'))
    driver.send(Orders, { orderId: 'o1', customerId: 'c', address: 'a', total: 1 })
    for (const id of ['o1', bad, 'o2']) pay(driver, id, 1_000)
    driver.settle()
    assert.deepEqual(shipped(driver), ['o1', 'o2'])
    assert.deepEqual(driver.counts.failures, { skipped: 0, deadLettered: 1 })
    const [letter, ...more] = driver.read(letters)
    assert.deepEqual(more, [])
    const failed = failureIn(letter)
    assert.equal(letter!.id, `payments/${failed.partition}/${failed.offset}/0`)
    assert.equal(failed.stream, 'payments')
    assert.equal(failed.timestampMs, 1_000n)
    assert.equal(String(Buffer.from(failed.key!)), bad)
    assert.equal(Payments.codec.decode(failed.value!).orderId, bad)
    assert.equal(failed.operator, 'map 1')
    assert.equal(failed.code, 'operator-failed')
    assert.equal(failed.message, 'map 1 threw: bad is bad')
    assert.match(failed.stack, /RangeError: bad is bad\n.*on-error\.test/s)
    assert.equal(failed.instanceId, 'driver')
    assert.equal(failed.processedInPart, false)
    assert.equal(failed.bytesLeftOut, undefined)
  })

  it('of an operator comes before that of its service', () => {
    const driver = new TopologyDriver(shippingThat('stop', 'skip'))
    pay(driver, bad)
    driver.settle()
    assert.equal(driver.counts.failures.skipped, 1)
  })

  it('says whether something else was done with the record', () => {
    const driver = new TopologyDriver(
      service('shipping', {
        reads: [Payments],
        writes: [Shipments],
        onError: 'deadLetter',
        topology: (s) => {
          const payments = s.stream(Payments)
          payments.map((payment) => refuse(payment) && shipmentOf(payment)).to(Shipments)
          return { perOrder: payments.count('per-order') }
        },
      }),
    )
    pay(driver, bad)
    driver.settle()
    assert.equal(failureIn(driver.read(letters)[0]).processedInPart, true)
    assert.equal(driver.get('perOrder', bad), 1)
  })

  it('that is none of the three is refused where the topology is built', () => {
    const wrong = shippingThat('ignore' as OnError)
    assert.throws(() => wrong.build(), /onError is 'ignore': write 'stop', 'skip' or 'deadLetter'/)
  })
})

describe('a record that does not decode', () => {
  const poison = (driver: TopologyDriver): void => {
    driver.sendRecord(Payments, { key: bytes('o1'), value: bytes('\xff\xff\xff') })
    driver.sendRecord(Payments, { key: new Uint8Array([0xff]), value: null })
    pay(driver, 'o2')
  }

  it('stops the service by default', () => {
    const driver = new TopologyDriver(shippingThat('stop'))
    poison(driver)
    assert.throws(
      () => driver.settle(),
      (error) =>
        isHeadwaterError(error, 'record-invalid') &&
        error.message.includes('the value does not decode') &&
        error.message.includes("or is let pass (onError: 'skip' or 'deadLetter')"),
    )
  })

  it('is passed over, whether its key or its value is wrong', () => {
    const driver = new TopologyDriver(shippingThat('skip'))
    poison(driver)
    driver.settle()
    assert.deepEqual(shipped(driver), ['o2'])
    assert.equal(driver.counts.failures.skipped, 2)
  })

  it('is put aside with the bytes and headers that it had', () => {
    const driver = new TopologyDriver(shippingThat('deadLetter'))
    const headers = [
      { key: 'trace', value: bytes('t-1') },
      { key: 'none', value: null },
    ]
    const value = new Uint8Array([0xff, 0xff, 0xff])
    driver.sendRecord(Payments, { key: null, value, headers, partition: 2 }, 7)
    driver.settle()
    const failed = failureIn(driver.read(letters)[0])
    assert.equal(failed.operator, 'decoding the value')
    assert.equal(failed.key, undefined)
    assert.deepEqual(Buffer.from(failed.value!), Buffer.from(value))
    assert.deepEqual(
      failed.headers.map(({ key, value: held }) => [key, held && String(Buffer.from(held))]),
      [
        ['trace', 't-1'],
        ['none', undefined],
      ],
    )
    assert.equal(failed.partition, 2)
  })

  it('leaves a table as it was, also after a restart', () => {
    const driver = new TopologyDriver(
      service('shipping', {
        reads: [Orders],
        writes: [],
        topology: (s) => ({ orders: s.table(Orders, { onError: 'skip' }) }),
      }),
    )
    driver.send(Orders, { orderId: 'o1', customerId: 'c', address: 'a', total: 1 })
    driver.settle()
    const partition = partitionOf('o1', Orders)
    driver.sendRecord(Orders, { key: bytes('o1'), value: bytes('\xff\xff'), partition })
    driver.settle()
    assert.equal((driver.get('orders', 'o1') as { total: number }).total, 1)
    driver.restart()
    assert.equal((driver.get('orders', 'o1') as { total: number }).total, 1)
    assert.equal(driver.counts.failures.skipped, 1)
  })

  it('is treated alike by all who read the stream in one service', () => {
    const two = service('shipping', {
      reads: [Orders],
      writes: [],
      topology: (s) => {
        s.stream(Orders, { onError: 'skip' }).count('n')
        return { orders: s.table(Orders, { onError: 'deadLetter' }) }
      },
    })
    assert.throws(
      () => two.build(),
      /it reads stream 'orders' with onError 'skip' and with 'deadLetter'/,
    )
  })
})

describe('what fails in', () => {
  const places: Readonly<Record<string, Parameters<typeof only>[0]>> = {
    'filter 1': (s, o) => s.stream(Payments).filter(refuse, o).map(shipmentOf).to(Shipments),
    'flatMap 1': (s, o) =>
      s
        .stream(Payments)
        .flatMap((payment) => [refuse(payment) && shipmentOf(payment)], o)
        .to(Shipments),
    "rekey 'by-customer'": (s, o) => {
      const moved = s.stream(Payments).rekey('by-customer', CustomerId, refusedKey, o)
      return { n: moved.count('n') }
    },
    leftJoin: (s, o) => {
      const orders = s.table(Orders)
      s.stream(Payments)
        .leftJoin(orders, (payment) => refuse(payment) && shipmentOf(payment), o)
        .map((made) => made || undefined)
        .to(Shipments)
      return { orders }
    },
    "aggregate 'n'": (s, o) => ({
      n: s.stream(Payments).reduce(
        'n',
        () => 0,
        (n, payment) => (refuse(payment) ? n + 1 : n),
        o,
      ),
    }),
    "aggregate 'windows'": (s, o) => ({
      n: s
        .stream(Payments)
        .window(tumbling('1m', { grace: '0ms' }))
        .reduce(
          'windows',
          () => 0,
          (n, payment) => (refuse(payment) ? n + 1 : n),
          o,
        ),
    }),
    "to 'shipments'": (s, o) =>
      s.stream(Payments).to(
        Shipments,
        (payment) => {
          refuse(payment)
          return shipmentOf(payment)
        },
        o,
      ),
  }
  for (const [operator, build] of Object.entries(places)) {
    it(`${operator} is skipped, or put aside, there`, () => {
      for (const onError of ['skip', 'deadLetter'] as const) {
        const driver = new TopologyDriver(only(build, onError))
        for (const id of ['o1', bad, 'o2']) pay(driver, id)
        driver.settle()
        const isSkip = onError === 'skip'
        const failures = { skipped: isSkip ? 1 : 0, deadLettered: isSkip ? 0 : 1 }
        assert.deepEqual(driver.counts.failures, failures)
        if (isSkip) continue
        const failed = failureIn(driver.read(letters)[0])
        if (operator !== 'leftJoin') assert.equal(failed.operator, operator)
        assert.equal(Payments.codec.decode(failed.value!).orderId, bad)
      }
    })
  }

  it('a stream whose message cannot be written is skipped, too', () => {
    const driver = new TopologyDriver(
      only((s, o) => {
        s.stream(Payments)
          .map((payment) => ({
            ...shipmentOf(payment),
            address: payment.orderId === bad ? 1 : 'a',
          }))
          .to(Shipments, (made) => made as ReturnType<typeof shipmentOf>, o)
      }, 'skip'),
    )
    for (const id of [bad, 'o2']) pay(driver, id)
    driver.settle()
    assert.deepEqual(shipped(driver), ['o2'])
    assert.equal(driver.counts.failures.skipped, 1)
  })

  it('a table’s way out leaves the stream with what it had, and its letter names the row', () => {
    const driver = new TopologyDriver(
      service('shipping', {
        reads: [Payments],
        writes: [Shipments],
        onError: 'deadLetter',
        topology: (s) => {
          const n = s.stream(Payments).count('n')
          n.to(Shipments, (count, orderId) => {
            if (count > 1) throw new RangeError('too many')
            return { orderId, address: String(count), amount: count }
          })
          return { n }
        },
      }),
    )
    pay(driver, 'o1')
    driver.settle()
    pay(driver, 'o1')
    driver.settle()
    assert.deepEqual(
      driver.read(Shipments).map(({ address }) => address),
      ['1'],
    )
    const failed = failureIn(driver.read(letters)[0])
    assert.equal(failed.stream, 'shipping-n-changelog')
    assert.equal(failed.offset, undefined)
    assert.equal(String(Buffer.from(failed.key!)), 'o1')
    assert.equal(failed.operator, "to 'shipments'")
  })
})

it('a fold that changes its state and then throws leaves the state as it was', () => {
  const driver = new TopologyDriver(
    only(
      (s, o) => ({
        seen: s.stream(Payments).reduce(
          'seen',
          () => ({ ids: [] as string[] }),
          (state, { paymentId }) => {
            state.ids.push(paymentId)
            if (paymentId.startsWith('bad')) throw new RangeError('bad')
            return state
          },
          o,
        ),
      }),
      'skip',
    ),
  )
  for (const paymentId of ['p1', 'bad1', 'p2', 'bad2']) {
    driver.send(Payments, { paymentId, orderId: 'o1', status: 'X', amount: 1, paidAt: 1n })
  }
  driver.settle()
  assert.deepEqual(driver.get('seen', 'o1'), { ids: ['p1', 'p2'] })
  driver.restart()
  assert.deepEqual(driver.get('seen', 'o1'), { ids: ['p1', 'p2'] })
})

it('a letter holds 768 KiB of a record at most, and says how much it leaves out', () => {
  const driver = new TopologyDriver(shippingThat('deadLetter'))
  for (const size of [768 * 1024, 768 * 1024 + 1]) {
    driver.sendRecord(Payments, { key: null, value: new Uint8Array(size).fill(0xff) })
  }
  driver.settle()
  const [whole, cut] = driver.read(letters).map(failureIn)
  assert.equal(whole!.value!.length, 768 * 1024)
  assert.equal(whole!.bytesLeftOut, undefined)
  assert.equal(cut!.value, undefined)
  assert.equal(cut!.bytesLeftOut, BigInt(768 * 1024 + 1))
})

it('a letter holds 8 Ki characters of a message and of a stack at most', () => {
  const driver = new TopologyDriver(
    only((s, o) => {
      s.stream(Payments)
        .map((): ReturnType<typeof shipmentOf> => {
          throw new RangeError('x'.repeat(20_000))
        }, o)
        .to(Shipments)
    }, 'deadLetter'),
  )
  pay(driver, 'o1')
  driver.settle()
  const failed = failureIn(driver.read(letters)[0])
  assert.equal(failed.message.length, 8 * 1024)
  assert.equal(failed.stack.length, 8 * 1024)
})

it('the replay of another service’s letter is passed over, and one of its own is processed', () => {
  const driver = new TopologyDriver(shippingThat('stop'))
  for (const [name, id] of [
    ['billing', 'o1'],
    ['shipping', 'o2'],
  ] as const) {
    const value = encoded(Payments, { paymentId: id, orderId: id, status: 'X', amount: 1 })
    const headers = [{ key: 'headwater-replay-for', value: bytes(name) }]
    driver.sendRecord(Payments, { key: bytes(id), value, headers })
  }
  driver.settle()
  assert.deepEqual(shipped(driver), ['o2'])
})

it('a join that finds no row counts what it drops', () => {
  const driver = new TopologyDriver(
    service('shipping', {
      reads: [Orders, Payments],
      writes: [Shipments],
      topology: (s) => {
        s.stream(Payments).join(s.table(Orders), shipmentOf).to(Shipments)
        return {}
      },
    }),
  )
  pay(driver, 'o1')
  driver.settle()
  assert.equal(driver.counts.drops.unmatched, 1)
  assert.equal(driver.counts.dropped, 0)
})

it('a letter fits into a record whatever headers say, and however many they are', () => {
  const driver = new TopologyDriver(shippingThat('deadLetter'))
  const value = Uint8Array.of(0xff)
  const long = { key: 'headwater-replay-of', value: new Uint8Array(700 * 1024).fill(97) }
  driver.sendRecord(Payments, { key: null, value, headers: [long] })
  const headers = Array.from({ length: 250_000 }, () => ({ key: 'a', value: Buffer.alloc(0) }))
  driver.sendRecord(Payments, { key: null, value, headers })
  driver.settle()
  const [replayed, many] = driver.readRecords(letters)
  assert.ok(replayed!.value!.length < 1024 * 1024, `${replayed!.value!.length}`)
  assert.ok(many!.value!.length < 1024 * 1024, `${many!.value!.length}`)
})

it('a function may throw what cannot be printed', () => {
  const driver = new TopologyDriver(
    only((s, o) => {
      s.stream(Payments)
        .map((): ReturnType<typeof shipmentOf> => {
          throw Object.create(null)
        }, o)
        .to(Shipments)
    }),
  )
  pay(driver, 'o1')
  driver.settle()
  assert.equal(driver.counts.failures.skipped, 1)
})

it('state that cannot be stored is named by its store, also where folds may fail', () => {
  const driver = new TopologyDriver(
    only((s, o) => {
      const unstorable = (): never => new Map() as never
      return { n: s.stream(Payments).reduce('n', unstorable, unstorable, o) }
    }),
  )
  pay(driver, 'o1')
  pay(driver, 'o1')
  assert.throws(() => driver.settle(), /state of 'n' for key 'o1': it is a Map/)
})
