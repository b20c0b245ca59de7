/** One trace from a request through two services to what the second one calls, on a real broker. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici'
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace'
import { embedded } from '../../../../src/broker/embedded.ts'
import { isHeadwaterError } from '../../../../src/base/errors.ts'
import { Cluster } from '../../../../src/client/cluster/cluster.ts'
import { latestTimestamp, listOffsets } from '../../../../src/client/consumer/list-offsets.ts'
import type { AnyEvent } from '../../../../src/events/event.ts'
import { nodeClock, nodeRandom } from '../../../../src/io/node-clock.ts'
import { decodeRecords } from '../../../../src/records/record.ts'
import { service } from '../../../../src/service/service.ts'
import { producer } from '../../../../src/streams/runtime/producer.ts'
import { run } from '../../../../src/streams/runtime/run.ts'
import { readRanges } from '../../../../src/streams/reading.ts'
import { OrderId, Orders, Payments, Shipments } from '../../../types/shop.ts'
import { OrderCommands, OrderEvents, ordering } from '../../../types/ordering.ts'
import { lineOf, startTracing, stopTracing, traceparentOf } from './traced.ts'
import type { Traced } from './traced.ts'

const checkout = service('checkout', { reads: [], writes: [Orders], topology: () => ({}) })
const orderOf = (orderId: string) => ({ orderId, customerId: 'c', address: 'a', total: 1 })

let broker: Awaited<ReturnType<typeof embedded>>
let directory: string
let traced: Traced
let undici: UndiciInstrumentation

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-traces-'))
  broker = await embedded(directory, { durability: 'memory' })
  undici = new UndiciInstrumentation()
})
beforeEach(() => {
  stopTracing()
  traced = startTracing()
  undici.setTracerProvider(traced.provider)
})
after(async () => {
  undici.disable()
  stopTracing()
  await broker.close()
  await rm(directory, { recursive: true })
})

it('goes from a handler through a send, a service, a rekey, another service and its request', async () => {
  const asked: (string | undefined)[] = []
  await using bank = await listening((request, response) => {
    asked.push(request.headers['traceparent']?.toString())
    response.end('charged')
  })
  const billing = service('billing', {
    reads: [Orders],
    writes: [Payments],
    topology: (s) => {
      s.stream(Orders)
        .rekey('by-customer', OrderId, ({ customerId }) => customerId)
        .to(Payments, ({ orderId, total }) => {
          return { paymentId: 'p', orderId, status: 'CAPTURED', amount: total, paidAt: 0n }
        })
      return {}
    },
  })
  const shipping = service('shipping', {
    reads: [Payments],
    writes: [Shipments],
    topology: (s) => {
      s.stream(Payments)
        .mapAsync('charge', async ({ orderId, amount }) => {
          const answer = await fetch(`${bank.url}/charges`)
          return { orderId, amount, address: await answer.text() }
        })
        .to(Shipments)
      return {}
    },
  })
  await using app = await run([checkout, billing, shipping], { broker })
  await using web = await listening((request, response) => {
    const from = propagation.extract(ROOT_CONTEXT, request.headers)
    context.with(from, () =>
      trace.getTracer('web').startActiveSpan('POST /orders', { kind: SpanKind.SERVER }, (span) => {
        void app.send(Orders, orderOf('o-1')).then(() => {
          span.end()
          response.end()
        })
      }),
    )
  })
  await traced.within('the buyer', () => fetch(`${web.url}/orders`, { method: 'POST' }))
  await app.caughtUp()
  const all = traced.spans()
  const [buyer] = traced.named('the buyer')
  const { traceId } = buyer!.spanContext()
  assert.deepEqual(new Set(all.map((span) => span.spanContext().traceId)), new Set([traceId]))
  const request = all.find(({ kind, attributes }) => {
    return kind === SpanKind.CLIENT && String(attributes['url.full']).endsWith('/charges')
  })
  assert.equal(
    lineOf(request!, all),
    [
      'GET',
      'mapAsync charge',
      'process payments',
      'process billing-by-customer-repartition',
      'process orders',
      'send orders',
      'POST /orders',
      'POST',
      'the buyer',
    ].join(' < '),
  )
  assert.deepEqual(asked, [traceparentOf(request!)])
  const [sent] = traced.named('send orders')
  assert.equal(sent!.kind, SpanKind.PRODUCER)
  const [processed] = traced.named('process orders')
  for (const name of ['messaging.destination.partition.id', 'kafka.offset']) {
    assert.equal(sent!.attributes[name], processed!.attributes[name])
  }
  const made = (await readAll(Shipments)).flatMap(({ headers }) => headers)
  const [shipped] = traced.named('process payments')
  assert.deepEqual(
    made.map(({ key, value }) => [key, Buffer.from(value!).toString()]),
    [['traceparent', traceparentOf(shipped!)]],
  )
})

it('in which a service is started has nothing of what that processes', async () => {
  const seen: unknown[] = []
  const looking = service('billing', {
    reads: [Orders],
    writes: [],
    topology: (s) => {
      s.stream(Orders).forEach('look', async () => {
        seen.push(trace.getActiveSpan())
      })
      return {}
    },
  })
  await using sends = producer(checkout, { broker })
  await sends.send(Orders, orderOf('o-2'))
  await using app = await traced.within('the start', () => run(looking, { broker }))
  await sends.send(Orders, orderOf('o-3'))
  await app.caughtUp()
  assert.ok(seen.length >= 2)
  assert.deepEqual(new Set(seen), new Set([undefined]))
})

it('goes through a command that is asked to the events it is decided into', async () => {
  await using app = await run(ordering(), { broker })
  const placing = { case: 'place', value: { total: 7 } } as const
  await traced.within('a request', () =>
    app.ask(OrderCommands, { orderId: 'o-9', command: placing }),
  )
  await app.caughtUp()
  const all = traced.spans()
  const [decided] = traced.named('process order-commands')
  assert.equal(lineOf(decided!, all), 'process order-commands < send order-commands < a request')
  const [event] = await readAll(OrderEvents)
  const carried = event!.headers.find(({ key }) => key === 'traceparent')?.value
  assert.equal(Buffer.from(carried!).toString(), traceparentOf(decided!))
  const [sent] = traced.named('send order-commands')
  assert.equal(sent!.attributes['kafka.offset'], decided!.attributes['kafka.offset'])
})

describe('what is sent', () => {
  async function carriedOf(orderId: string): Promise<Record<string, string>[]> {
    const records = await readAll(Orders)
    return records
      .filter(({ key }) => Buffer.from(key!).toString() === orderId)
      .map(({ headers }) => {
        const texts = headers.map(({ key, value }) => [key, Buffer.from(value!).toString()])
        return Object.fromEntries(texts) as Record<string, string>
      })
  }

  it('outside of any span is of no trace', async () => {
    await using sends = producer(checkout, { broker })
    await sends.send(Orders, orderOf('alone'))
    assert.deepEqual(await carriedOf('alone'), [{}])
    assert.deepEqual(traced.spans(), [])
  })

  it('in a span that is not sampled carries that, and has no span', async () => {
    stopTracing()
    traced = startTracing(new AlwaysOffSampler())
    await using sends = producer(checkout, { broker })
    await traced.within('quiet', (span) => {
      const { traceId, spanId } = span.spanContext()
      return sends.send(Orders, orderOf('quiet')).then(async () => {
        const traceparent = `00-${traceId}-${spanId}-00`
        assert.deepEqual(await carriedOf('quiet'), [{ traceparent }])
      })
    })
    assert.deepEqual(traced.spans(), [])
  })

  it('with a context of its own keeps it, and other headers stay beside one', async () => {
    await using sends = producer(checkout, { broker })
    const traceparent = `00-${'4'.repeat(32)}-${'2'.repeat(16)}-01`
    await traced.within('a request', async () => {
      await sends.send(Orders, orderOf('own'), { headers: { traceparent } })
      await sends.send(Orders, orderOf('other'), { headers: { tenant: 't' } })
    })
    const [sent, ...more] = traced.named('send orders')
    assert.deepEqual(more, [])
    assert.deepEqual(await carriedOf('own'), [{ traceparent }])
    assert.deepEqual(await carriedOf('other'), [{ tenant: 't', traceparent: traceparentOf(sent!) }])
  })

  it('together has one span, with how many there were', async () => {
    await using sends = producer(checkout, { broker })
    const orders = ['all-1', 'all-2'].map(orderOf)
    await traced.within('a request', () => sends.sendAll(Orders, orders))
    const [sent, ...more] = traced.named('send orders')
    assert.deepEqual(more, [])
    assert.equal(sent!.attributes['messaging.batch.message_count'], 2)
    for (const { orderId } of orders) {
      assert.deepEqual(await carriedOf(orderId), [{ traceparent: traceparentOf(sent!) }])
    }
  })

  it('in a transaction has a span each, which ends with it', async () => {
    await using sends = producer(checkout, { broker })
    await traced.within('a request', async () => {
      await sends.transaction(async (tx) => {
        tx.send(Orders, orderOf('tx-1'))
        tx.send(Orders, orderOf('tx-2'))
        assert.deepEqual(traced.named('send orders'), [])
      })
      await assert.rejects(
        sends.transaction(async (tx) => {
          tx.send(Orders, orderOf('tx-3'))
          throw new RangeError('not this time')
        }),
        RangeError,
      )
    })
    const [first, second, third] = traced.named('send orders')
    assert.deepEqual(await carriedOf('tx-1'), [{ traceparent: traceparentOf(first!) }])
    assert.deepEqual(await carriedOf('tx-2'), [{ traceparent: traceparentOf(second!) }])
    assert.equal(second!.status.code, SpanStatusCode.UNSET)
    assert.equal(typeof second!.attributes['kafka.offset'], 'number')
    assert.deepEqual(
      [third!.status.code, third!.attributes['error.type']],
      [SpanStatusCode.ERROR, 'RangeError'],
    )
  })

  it('and is refused says so in its span', async () => {
    const small = { messageBytesMax: 100 }
    await using sends = producer(checkout, { broker, ...small })
    await traced.within('a request', async () => {
      const large = { ...orderOf('large'), address: 'x'.repeat(200) }
      await assert.rejects(sends.send(Orders, large), isHeadwaterError)
      await assert.rejects(sends.sendAll(Orders, [large]), isHeadwaterError)
    })
    assert.deepEqual(
      traced.named('send orders').map(({ attributes }) => attributes['error.type']),
      ['record-invalid', 'record-invalid'],
    )
  })
})

/** Every record of a stream. */
async function readAll({ name, partitions }: AnyEvent) {
  const cluster = await Cluster.connect({ ...broker, clock: nodeClock, random: nodeRandom })
  try {
    const places = Array.from({ length: partitions }, (_, partition) => ({
      topic: name,
      partition,
    }))
    const ends = await listOffsets(cluster, places, latestTimestamp, 'read_committed')
    const ranges = ends.map(({ topic, partition, offset }) => {
      return { topic, partition, offset: 0, until: offset }
    })
    const found: ReturnType<typeof decodeRecords>[] = []
    await readRanges(cluster, ranges, ({ batches }) => {
      found.push(...batches.map(decodeRecords))
      return undefined
    })
    return found.flat()
  } finally {
    await cluster.close()
  }
}

interface Listening extends AsyncDisposable {
  readonly url: string
}

async function listening(answer: RequestListener): Promise<Listening> {
  const server: Server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
