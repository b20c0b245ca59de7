/** A question is of the trace of who asks, also where another instance has the answer. */
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'
import { after, before, beforeEach, describe, it } from 'node:test'
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici'
import { connect } from '../../../src/query/client.ts'
import { remoteAsker } from '../../../src/query/remote-asker.ts'
import { OrderCommands, ordering, place } from '../../types/ordering.ts'
import { startTracing, stopTracing, traceparentOf } from '../streams/tracing/traced.ts'
import { asked } from './asked.ts'
import type { Asked } from './asked.ts'
import { board, pages, written } from './board.ts'
import { get, isWhole, until } from './group-of-instances.ts'

const quick = { sessionTimeoutMs: 60_000, heartbeatIntervalMs: 100 }
const traceparent = `00-${'4'.repeat(32)}-${'2'.repeat(16)}-01`
const tracestate = 'vendor=a'

describe('a question to one of two instances', () => {
  let services: Asked
  let url = ''
  let app: Awaited<ReturnType<typeof startBoard>>['app']
  /** What requests carry as they arrive at servers of this process. */
  const arrived: { readonly port: number; readonly trace: readonly unknown[] }[] = []
  const note = (message: unknown): void => {
    const { request } = message as { readonly request: IncomingMessage }
    const { headers, socket } = request
    const trace = [headers['traceparent'], headers['tracestate']]
    arrived.push({ port: socket.localPort!, trace })
  }
  const startBoard = (instanceId: string) => {
    return services.start(board, { instanceId, ...quick }, { isShared: true })
  }
  before(async () => {
    subscribe('http.server.request.start', note)
    services = await asked()
    await written(services)
    const a = await startBoard('a')
    const b = await startBoard('b')
    ;[url, app] = [a.url, a.app]
    await until(() => isWhole([a.app, b.app], 8))
    await Promise.all([a.app.caughtUp(), b.app.caughtUp()])
  })
  after(async () => {
    unsubscribe('http.server.request.start', note)
    stopTracing()
    await services[Symbol.asyncDispose]()
  })
  beforeEach(() => {
    stopTracing()
    arrived.length = 0
  })

  /** What arrived at the other instance than the one that is asked. */
  function passedOn(): (readonly unknown[])[] {
    const { port } = new URL(url)
    return arrived.filter((each) => each.port !== Number(port)).map(({ trace }) => trace)
  }

  it('takes its context on to the other, for a key as for a list, also where nobody traces', async () => {
    for (const page of pages) await get(`${url}/perPage?key=${page}`, { traceparent, tracestate })
    const ofKeys = passedOn()
    assert.ok(ofKeys.length > 0, 'some keys are with the other')
    assert.deepEqual(new Set(ofKeys.map(String)), new Set([`${traceparent},${tracestate}`]))
    arrived.length = 0
    await get(`${url}/perPage?limit=60`, { traceparent })
    assert.deepEqual(passedOn(), [[traceparent, undefined]])
  })

  it('takes nothing on that is no context', async () => {
    await get(`${url}/perPage?limit=60`, { traceparent: 'made-up', tracestate })
    assert.deepEqual(passedOn(), [[undefined, undefined]])
  })

  it('says in which span it is asked: in the process, and by the typed client', async () => {
    const traced = startTracing()
    await traced.within('a request', () => Array.fromAsync(app.query.perPage.scan()))
    await traced.within('a client', () => connect<typeof board>(url).perPage.get('none'))
    const [request] = traced.named('a request')
    const [client] = traced.named('a client')
    const ofBoth = [request, client].map((span) => traceparentOf(span!))
    assert.deepEqual(new Set(arrived.map(({ trace }) => trace[0])), new Set(ofBoth))
    assert.deepEqual(passedOn()[0], [ofBoth[0], undefined])
  })

  it('carries one context, also where fetch is instrumented', async () => {
    const traced = startTracing()
    const undici = new UndiciInstrumentation()
    undici.setTracerProvider(traced.provider)
    try {
      await traced.within('a request', () => Array.fromAsync(app.query.perPage.scan()))
      await traced.within('another', () => fetch(url).then((answer) => answer.text()))
    } finally {
      undici.disable()
    }
    const [request] = traced.named('a request')
    assert.deepEqual(passedOn(), [[traceparentOf(request!), undefined]])
    // It is at work: what is not ours has a span of its own.
    const [others] = traced.named('GET')
    assert.equal(arrived.at(-1)?.trace[0], traceparentOf(others!))
  })
})

it('a command that is asked over HTTP is of the trace of its request', async () => {
  stopTracing()
  await using services = await asked()
  const { url, app } = await services.start(ordering())
  const traced = startTracing()
  const request = {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent },
    body: JSON.stringify({ orderId: 'o-1', place: { total: 7 } }),
  }
  assert.equal((await fetch(`${url}/order-commands`, request)).status, 200)
  const shop = remoteAsker(url)
  await traced.within('a client', () => shop.ask(OrderCommands, place('o-2')))
  await app.caughtUp()
  const [client] = traced.named('a client')
  // The server has no span of its own here: both are children of who has asked.
  assert.deepEqual(
    new Set(traced.named('process order-commands').map((each) => each.parentSpanContext?.spanId)),
    new Set([traceparent.split('-')[2], client!.spanContext().spanId]),
  )
  stopTracing()
})
