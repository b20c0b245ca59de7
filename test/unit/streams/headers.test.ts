/** Headers of a record go on with what is made of it, through inner topics too. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Writer } from '../../../src/base/bytes.ts'
import type { AnyEvent } from '../../../src/events/event.ts'
import { service } from '../../../src/service/service.ts'
import type { Builder, Queries } from '../../../src/streams/topology/builder.ts'
import type { OnError } from '../../../src/streams/topology/topology.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import { TopologyDriver } from '../../../src/testing/topology-driver.ts'
import { CustomerWindows, OrderId, Payments, Shipments } from '../../types/shop.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

type Topology = Builder<'payments', 'shipments' | 'customer-windows'>

function driverOf(build: (s: Topology) => Queries, onError: OnError = 'stop'): TopologyDriver {
  return new TopologyDriver(
    service('shipping', {
      reads: [Payments],
      writes: [Shipments, CustomerWindows],
      topology: build,
      onError,
    }),
  )
}

/** Writes payments with headers; null has none. */
function pay(driver: TopologyDriver, headers: readonly (string | null)[]): void {
  for (const [i, text] of headers.entries()) {
    const writer = new Writer()
    const orderId = `o${i}`
    Payments.codec.encode({ paymentId: 'p', orderId, status: 'X', amount: i }, writer)
    const record = {
      key: bytes(orderId),
      value: writer.finish(),
      headers: text === null ? [] : [{ key: 'traceparent', value: bytes(text) }],
    }
    // The second is older than the first, so that its inner record carries the time as well.
    driver.sendRecord(Payments, record, 1_000 - i)
  }
  driver.settle()
}

function headersIn(driver: TopologyDriver, event: AnyEvent): string[][] {
  return driver
    .readRecords(event)
    .map(({ headers }) =>
      headers.map(({ key, value }) => `${key}=${String(value && Buffer.from(value))}`),
    )
}

const shipmentOf = ({ orderId, amount }: { orderId: string; amount: number }) => {
  return { orderId, amount, address: '' }
}

it('go on with what is made of it, and only with that', () => {
  const driver = driverOf((s) => {
    s.stream(Payments)
      .flatMap((payment) => [payment, payment])
      .map(shipmentOf)
      .to(Shipments)
    return {}
  })
  pay(driver, ['t-0', null, 't-2'])
  assert.deepEqual(headersIn(driver, Shipments).flat().toSorted(byText), [
    'traceparent=t-0',
    'traceparent=t-0',
    'traceparent=t-2',
    'traceparent=t-2',
  ])
})

it('go through an inner topic, without those of the platform', () => {
  const driver = driverOf((s) => {
    const moved = s.stream(Payments).rekey('again', OrderId, ({ orderId }) => orderId)
    moved.map(shipmentOf).to(Shipments)
    return { n: moved.window(tumbling('1m', { grace: '1m' })).count('n') }
  })
  pay(driver, ['t-0', 't-1'])
  assert.deepEqual(
    headersIn(driver, Shipments).toSorted((a, b) => byText(a[0]!, b[0]!)),
    [['traceparent=t-0'], ['traceparent=t-1']],
  )
})

it('end where a value becomes part of a row', () => {
  const driver = driverOf((s) => {
    const n = s.stream(Payments).count('n')
    n.to(Shipments, (amount, orderId) => ({ orderId, amount, address: '' }))
    return { n }
  })
  pay(driver, ['t-0', 't-1'])
  assert.deepEqual(headersIn(driver, Shipments).flat(), [])
})

it('are bounded, as all that is made of a record has them: more is an error of its record', () => {
  const longest = 64 * 1024 - 'traceparent'.length - 16
  const ways: Readonly<Record<string, (s: Topology) => Queries>> = {
    to: (s) => {
      s.stream(Payments).map(shipmentOf).to(Shipments)
      return {}
    },
    rekey: (s) => {
      const moved = s.stream(Payments).rekey('again', OrderId, ({ orderId }) => orderId)
      moved.map(shipmentOf).to(Shipments)
      return {}
    },
  }
  for (const [way, build] of Object.entries(ways)) {
    const driver = driverOf(build, 'skip')
    pay(driver, ['x'.repeat(longest), 'x'.repeat(longest + 1), null])
    assert.equal(driver.readRecords(Shipments).length, 2, way)
    assert.equal(driver.counts.failures.skipped, 1, way)
  }
  const stopping = driverOf(ways['to']!, 'stop')
  assert.throws(() => pay(stopping, ['x'.repeat(longest + 1)]), {
    message: /has 1 headers of 65537 bytes, and 65536 go on/,
  })
  // Where nothing is made of it, there may be as many as there are.
  const counting = driverOf((s) => ({ n: s.stream(Payments).count('n') }), 'stop')
  pay(counting, ['x'.repeat(longest + 1)])
})

function byText(a: string, b: string): number {
  return a < b ? -1 : 1
}
