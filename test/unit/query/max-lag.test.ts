import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { create } from '@bufbuild/protobuf'
import { TimestampSchema } from '@bufbuild/protobuf/wkt'
import { HeadwaterError } from '../../../src/base/errors.ts'
import type { BrokerAddress } from '../../../src/client/security/kafka.ts'
import { keyspace } from '../../../src/events/event.ts'
import type { Duplex } from '../../../src/io/ports.ts'
import { service } from '../../../src/service/service.ts'
import { producer } from '../../../src/streams/runtime/producer.ts'
import { asked, Clicks, web } from './asked.ts'
import { get } from './group-of-instances.ts'

const Letter = keyspace.string('Letter', { partitions: 3 })
const quick = { sessionTimeoutMs: 6_000, heartbeatIntervalMs: 100 }

/** Counts clicks as soon as `open` resolves, and not before. */
function slowBoard(open: Promise<void>) {
  return service('board', {
    reads: [Clicks],
    writes: [],
    topology: (s) => {
      const clicks = s.stream(Clicks).mapAsync('gate', async (click) => {
        await open
        return click
      })
      return {
        perPage: clicks.count('per-page'),
        perLetter: clicks.rekey('by-letter', Letter, ({ page }) => page[0]!).count('per-letter'),
      }
    },
  })
}

describe('a query that bounds how far the view may be behind', () => {
  it('has an answer within the bound, and beyond it the lag', async () => {
    await using services = await asked()
    const gate = Promise.withResolvers<void>()
    const { app, url } = await services.start(slowBoard(gate.promise), quick)
    await using sender = producer(web([]), { broker: services.broker })
    const at = create(TimestampSchema, { seconds: 90n })
    const last = await sender.sendAll(
      Clicks,
      Array.from({ length: 5 }, () => ({ page: 'p', times: 1, at })),
    )
    for (const view of ['perPage', 'perLetter']) {
      assert.equal((await get(`${url}/${view}?key=p&maxLag=5`)).status, 404)
      const { status, retryAfter, body } = await get(`${url}/${view}?key=p&maxLag=4`)
      assert.deepEqual([status, retryAfter], [503, '1'])
      assert.match(body.error.message, /is 5 records behind, and may be 4/)
      assert.equal((await get(`${url}/${view}?limit=2&maxLag=4`)).status, 503)
    }
    await assert.rejects(app.query.perPage.get('p', { maxLag: 0 }), { code: 'not-ready' })
    gate.resolve()
    assert.equal(await app.query.perLetter.get('p', { after: last }), 5)
    await app.caughtUp()
    assert.equal(await app.query.perLetter.get('p', { maxLag: 9 }), 5)
    const { status, body } = await get(`${url}/perPage?key=p&maxLag=many`)
    assert.deepEqual([status, body.error.code], [400, 'bad-request'])
  })

  it('has none when nobody can say how far it is', async () => {
    await using services = await asked()
    const line = cuttable(services.broker)
    const options = { broker: line.broker, closeTimeoutMs: 1_000, ...quick }
    const { app, url } = await services.start(slowBoard(Promise.resolve()), options)
    assert.equal((await get(`${url}/perPage?limit=1&maxLag=0`)).status, 200)
    line.cut()
    const from = performance.now()
    await assert.rejects(app.query.perPage.get('p', { maxLag: 1_000_000, waitMs: 300 }), {
      code: 'not-ready',
      message: /cannot tell how far it is/,
    })
    assert.ok(performance.now() - from < 5_000)
    // It answers who does not mind.
    assert.equal(await app.query.perPage.get('p'), undefined)
  })
})

/** A broker that can be lost. */
function cuttable({ bootstrap, dial }: BrokerAddress) {
  const open = new Set<Duplex>()
  let isCut = false
  const broker: BrokerAddress = {
    bootstrap,
    dial: async (host, port) => {
      if (isCut) throw new HeadwaterError('connection-failed', 'it is away', { retriable: true })
      const connection = await dial(host, port)
      open.add(connection)
      return connection
    },
  }
  const cut = (): void => {
    isCut = true
    for (const connection of open) connection.destroy()
  }
  return { broker, cut }
}
