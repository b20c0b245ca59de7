/** Spans of records and of the calls that go out for them: which there are, and what they say. */
import assert from 'node:assert/strict'
import { after, beforeEach, describe, it } from 'node:test'
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace'
import { Writer } from '../../../../src/base/bytes.ts'
import { deadLettersOf } from '../../../../src/events/dead-letters.ts'
import type { AnyEvent } from '../../../../src/events/event.ts'
import { service } from '../../../../src/service/service.ts'
import type { Builder, Queries } from '../../../../src/streams/topology/builder.ts'
import type { OnError } from '../../../../src/streams/topology/topology.ts'
import { TopologyDriver } from '../../../../src/testing/topology-driver.ts'
import { OrderId, Payments, Shipments } from '../../../types/shop.ts'
import { startTracing, stopTracing, traceparentOf } from './traced.ts'
import type { Traced } from './traced.ts'

type Topology = Builder<'payments', 'shipments'>

const letters = deadLettersOf('shipping')
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const parentId = '00f067aa0ba902b7'
const sampled = `00-${traceId}-${parentId}-01`
const unsampled = `00-${traceId}-${parentId}-00`

let traced: Traced
beforeEach(() => {
  stopTracing()
  traced = startTracing()
})
after(stopTracing)

function driverOf(topology: (s: Topology) => Queries, onError: OnError = 'stop'): TopologyDriver {
  return new TopologyDriver(
    service('shipping', { reads: [Payments], writes: [Shipments], onError, topology }),
  )
}

/** A payment of order `o<n>` for each text, which is its `traceparent`; undefined has none. */
function pay(driver: TopologyDriver, texts: readonly (string | undefined)[]): void {
  for (const [n, text] of texts.entries()) {
    const writer = new Writer()
    const orderId = `o${n}`
    Payments.codec.encode({ paymentId: 'p', orderId, status: 'X', amount: n }, writer)
    const headers = text === undefined ? [] : [{ key: 'traceparent', value: Buffer.from(text) }]
    const record = { key: Buffer.from(orderId), value: writer.finish(), headers }
    driver.sendRecord(Payments, record, 1_000)
  }
}

function traceparentsIn(driver: TopologyDriver, event: AnyEvent): (string | undefined)[] {
  return driver.readRecords(event).map(({ headers }) => {
    const found = headers.filter(({ key }) => key === 'traceparent')
    assert.ok(found.length <= 1, 'a record has one context')
    return found[0]?.value ? Buffer.from(found[0].value).toString() : undefined
  })
}

const shipmentOf = ({ orderId, amount }: { orderId: string; amount: number }) => {
  return { orderId, amount, address: '' }
}

const copy = (s: Topology): Queries => {
  s.stream(Payments).map(shipmentOf).to(Shipments)
  return {}
}

describe('a record that carries a sampled context', () => {
  it('has a span: the child of what it carries, linked to it, and what it makes carries that', () => {
    const driver = driverOf(copy)
    pay(driver, [sampled])
    driver.settle()
    const [span, ...others] = traced.spans()
    assert.deepEqual(others, [])
    assert.deepEqual([span!.name, span!.kind], ['process payments', SpanKind.CONSUMER])
    assert.equal(span!.spanContext().traceId, traceId)
    assert.equal(span!.parentSpanContext?.spanId, parentId)
    assert.equal(span!.parentSpanContext?.isRemote, true)
    assert.deepEqual(
      span!.links.map(({ context }) => context.spanId),
      [parentId],
    )
    const partition = span!.attributes['messaging.destination.partition.id']
    assert.match(String(partition), /^\d+$/)
    assert.deepEqual(
      { ...span!.attributes },
      {
        'messaging.system.name': 'kafka',
        'messaging.operation.name': 'process',
        'messaging.operation.type': 'process',
        'messaging.destination.name': 'payments',
        'messaging.destination.partition.id': partition,
        'messaging.consumer.group.name': 'shipping',
        'kafka.offset': 0,
      },
    )
    assert.deepEqual(traceparentsIn(driver, Shipments), [traceparentOf(span!)])
  })

  it('has one in each task that it goes through', () => {
    const driver = driverOf((s) => {
      const moved = s.stream(Payments).rekey('again', OrderId, ({ orderId }) => orderId)
      moved.map(shipmentOf).to(Shipments)
      return {}
    })
    pay(driver, [sampled])
    driver.settle()
    const [first, second] = traced.spans()
    assert.deepEqual(
      [first!.name, second!.name],
      ['process payments', 'process shipping-again-repartition'],
    )
    assert.equal(second!.parentSpanContext?.spanId, first!.spanContext().spanId)
    assert.deepEqual(traceparentsIn(driver, Shipments), [traceparentOf(second!)])
  })

  it('is where its functions stand', () => {
    const seen: (string | undefined)[] = []
    const driver = driverOf((s) => {
      const looked = s.stream(Payments).map((payment) => {
        seen.push(trace.getActiveSpan()?.spanContext().spanId)
        return payment
      })
      looked.map(shipmentOf).to(Shipments)
      return {}
    })
    pay(driver, [sampled, undefined])
    driver.settle()
    assert.deepEqual(new Set(seen), new Set([traced.spans()[0]!.spanContext().spanId, undefined]))
    assert.equal(trace.getActiveSpan(), undefined)
  })
})

describe('no span', () => {
  const texts = [undefined, unsampled, 't-0']

  it('has a record without a context, or with one that is not sampled: it goes on as it is', () => {
    const driver = driverOf(copy)
    pay(driver, texts)
    driver.settle()
    assert.deepEqual(traced.spans(), [])
    assert.deepEqual(new Set(traceparentsIn(driver, Shipments)), new Set(texts))
  })

  it('has any where nobody traces: headers go on as they came', () => {
    stopTracing()
    const driver = driverOf(copy)
    const headers = ['traceparent', 'tenant', 'tracestate'].map((key) => {
      return { key, value: Buffer.from(key === 'traceparent' ? sampled : key) }
    })
    const writer = new Writer()
    Payments.codec.encode({ paymentId: 'p', orderId: 'o', status: 'X', amount: 1 }, writer)
    driver.sendRecord(Payments, { key: Buffer.from('o'), value: writer.finish(), headers }, 1_000)
    driver.settle()
    const [made] = driver.readRecords(Shipments)
    assert.deepEqual(
      made!.headers.map(({ key, value: text }) => [key, Buffer.from(text!).toString()]),
      headers.map(({ key, value: text }) => [key, text.toString()]),
    )
  })

  it('is exported that the sampler here leaves out, and what is made then is not sampled either', () => {
    stopTracing()
    traced = startTracing(new AlwaysOffSampler())
    const driver = driverOf(copy)
    pay(driver, [sampled])
    driver.settle()
    assert.deepEqual(traced.spans(), [])
    const [made] = traceparentsIn(driver, Shipments)
    assert.match(made!, new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`))
  })
})

describe('a call outside', () => {
  it('has a span for each attempt, in which the function stands until it ends', async () => {
    const seen: (string | undefined)[] = []
    const driver = driverOf((s) => {
      const called = s.stream(Payments).mapAsync(
        'charge',
        async (payment, _key, { attempt }) => {
          await new Promise((resolve) => void setTimeout(resolve, 1))
          seen.push(trace.getActiveSpan()?.spanContext().spanId)
          if (attempt < 3) throw new RangeError(`not yet: ${attempt}`)
          return shipmentOf(payment)
        },
        { retry: { backoff: '1ms' } },
      )
      called.to(Shipments)
      return {}
    })
    pay(driver, [sampled])
    await driver.settled()
    const attempts = traced.named('mapAsync charge')
    const [record] = traced.named('process payments')
    assert.deepEqual(
      attempts.map(({ attributes, status }) => [attributes['headwater.attempt'], status.code]),
      [
        [1, SpanStatusCode.ERROR],
        [2, SpanStatusCode.ERROR],
        [3, SpanStatusCode.UNSET],
      ],
    )
    assert.deepEqual(
      attempts.map((span) => span.spanContext().spanId),
      seen,
    )
    assert.deepEqual(attempts[0]!.attributes['error.type'], 'RangeError')
    assert.equal(attempts[0]!.events[0]?.attributes?.['exception.message'], 'not yet: 1')
    assert.equal(
      attempts[0]!.attributes['headwater.idempotency_key'],
      'shipping/charge/payments/' + place(record!),
    )
    for (const span of attempts) {
      assert.equal(span.parentSpanContext?.spanId, record!.spanContext().spanId)
    }
    // The record is through when its calls are, and it has not failed: a later attempt went well.
    assert.equal(traced.spans().at(-1), record)
    assert.equal(record!.status.code, SpanStatusCode.UNSET)
    assert.deepEqual(traceparentsIn(driver, Shipments), [traceparentOf(record!)])
  })

  it('of a record that is not traced stands in no span', async () => {
    const seen: unknown[] = []
    const driver = driverOf((s) => {
      s.stream(Payments).forEach('look', async () => {
        await Promise.resolve()
        seen.push(trace.getActiveSpan())
      })
      return {}
    })
    pay(driver, [unsampled, undefined])
    await driver.settled()
    assert.deepEqual(seen, [undefined, undefined])
    assert.deepEqual(traced.spans(), [])
  })

  it('that is given up ends with its record, and is called again in another span', async () => {
    let calls = 0
    const driver = driverOf((s) => {
      s.stream(Payments).forEach('wait', () => {
        return ++calls === 1 ? new Promise<void>(() => undefined) : Promise.resolve()
      })
      return {}
    })
    pay(driver, [sampled])
    driver.settle()
    assert.deepEqual(traced.spans(), [])
    driver.restart()
    const givenUp = traced.spans()
    assert.deepEqual(
      givenUp.map(({ name, status }) => [name, status.code]),
      [
        ['forEach wait', SpanStatusCode.ERROR],
        ['process payments', SpanStatusCode.ERROR],
      ],
    )
    await driver.settled()
    const again = traced.spans().slice(givenUp.length)
    assert.deepEqual(
      again.map(({ name, status }) => [name, status.code]),
      [
        ['forEach wait', SpanStatusCode.UNSET],
        ['process payments', SpanStatusCode.UNSET],
      ],
    )
  })

  it('that outlasts its time ends then', async () => {
    const driver = driverOf((s) => {
      s.stream(Payments).forEach('wait', () => new Promise<void>(() => undefined), {
        timeout: '5ms',
        retry: { attempts: 1 },
        onError: 'skip',
      })
      return {}
    })
    pay(driver, [sampled])
    await driver.settled()
    const [call, record] = traced.spans()
    assert.deepEqual([call!.name, record!.name], ['forEach wait', 'process payments'])
    assert.equal(call!.attributes['error.type'], 'timeout')
    assert.equal(record!.attributes['error.type'], 'operator-failed')
  })
})

describe('a record that fails', () => {
  it('says so in its span, and its letter is of the same trace', async () => {
    const driver = driverOf((s) => {
      const called = s.stream(Payments).mapAsync(
        'charge',
        async (payment) => {
          if (payment.amount === 0) throw new RangeError('no such country')
          return shipmentOf(payment)
        },
        { retry: { attempts: 1 } },
      )
      called.to(Shipments)
      return {}
    }, 'deadLetter')
    pay(driver, [sampled])
    await driver.settled()
    const [record] = traced.named('process payments')
    assert.equal(record!.status.code, SpanStatusCode.ERROR)
    assert.match(record!.status.message ?? '', /^mapAsync 'charge' threw: no such country$/)
    assert.equal(record!.attributes['error.type'], 'operator-failed')
    const [thrown] = record!.events
    assert.equal(thrown?.attributes?.['exception.message'], 'no such country')
    assert.match(String(thrown?.attributes?.['exception.stacktrace']), /record-spans\.test/)
    assert.deepEqual(traceparentsIn(driver, letters), [traceparentOf(record!)])
    // Written once more, it goes on from where it first came from.
    const [letter] = driver.read(letters)
    const fact = letter!.fact
    assert.equal(fact.case, 'failed')
    const headers = fact.case === 'failed' ? fact.value.headers : []
    assert.deepEqual(
      headers.map(({ key, value }) => [key, Buffer.from(value!).toString()]),
      [['traceparent', sampled]],
    )
  })

  it('says so as well when it does not decode, and when it stops the service', () => {
    const bad = {
      key: Buffer.from('o'),
      value: Buffer.from([0xff]),
      headers: [{ key: 'traceparent', value: Buffer.from(sampled) }],
    }
    const passing = driverOf(copy, 'deadLetter')
    passing.sendRecord(Payments, bad, 1_000)
    passing.settle()
    const stopping = driverOf(copy)
    assert.throws(() => {
      stopping.sendRecord(Payments, bad, 1_000)
      stopping.settle()
    }, /stopped at record 0/)
    const failing = driverOf((s) => {
      s.stream(Payments)
        .map((payment) => {
          if (payment.amount === 0) throw new TypeError('zero')
          return shipmentOf(payment)
        })
        .to(Shipments)
      return {}
    })
    assert.throws(() => {
      pay(failing, [sampled])
      failing.settle()
    }, /stopped at record 0/)
    assert.deepEqual(
      traced
        .spans()
        .map(({ name, status, attributes, events }) => [
          name,
          status.code,
          attributes['error.type'],
          events.length,
        ]),
      [
        ['process payments', SpanStatusCode.ERROR, 'record-invalid', 1],
        ['process payments', SpanStatusCode.ERROR, 'record-invalid', 1],
        ['process payments', SpanStatusCode.ERROR, 'operator-failed', 1],
      ],
    )
    assert.deepEqual(traceparentsIn(passing, letters), [traceparentOf(traced.spans()[0]!)])
  })

  it('where nobody traces, or it is not sampled, its letter keeps what it carried', () => {
    const failing = (s: Topology): Queries => {
      s.stream(Payments)
        .map((): { orderId: string; amount: number; address: string } => {
          throw new TypeError('never')
        })
        .to(Shipments)
      return {}
    }
    const unwatched = driverOf(failing, 'deadLetter')
    pay(unwatched, [unsampled])
    unwatched.settle()
    assert.deepEqual(traceparentsIn(unwatched, letters), [unsampled])
    stopTracing()
    const untraced = driverOf(failing, 'deadLetter')
    pay(untraced, [sampled])
    untraced.settle()
    assert.deepEqual(traceparentsIn(untraced, letters), [sampled])
  })
})

function place({ attributes }: { attributes: Readonly<Record<string, unknown>> }): string {
  return `${String(attributes['messaging.destination.partition.id'])}/${String(attributes['kafka.offset'])}`
}
