/** The HTTP side: a request becomes an event, and another one asks the table that events were folded into. */
import { timestampNow } from '@bufbuild/protobuf/wkt'
import { isHeadwaterError } from 'headwater'
import type { RunningService } from 'headwater'
import { Hono } from 'hono'
import { Orders } from '../gen/streams.ts'
import type { shop } from './shop.ts'

export function http(app: RunningService<typeof shop>): Hono {
  const routes = new Hono()

  routes.post('/customers/:id/orders', async (c) => {
    const { item, cents } = (await c.req.json().catch(() => ({}))) as Record<string, unknown>
    if (typeof item !== 'string' || typeof cents !== 'number' || !Number.isInteger(cents)) {
      return c.json({ error: 'send { "item": "a text", "cents": a whole number }' }, 400)
    }
    // Resolves when the event is on disk.
    const { partition, offset } = await app.send(Orders, {
      customerId: c.req.param('id'),
      item,
      cents,
      placedAt: timestampNow(),
    })
    return c.json({ partition, offset: String(offset) }, 201)
  })

  routes.get('/customers/:id', async (c) => {
    const customer = await app.query.customers.get(c.req.param('id'))
    return customer === undefined ? c.json({ error: 'no orders' }, 404) : c.json(customer)
  })

  routes.onError((error, c) => {
    // What was sent cannot be an event: a number that is too large, for example.
    if (isHeadwaterError(error, 'record-invalid')) return c.json({ error: error.message }, 400)
    // The broker is away, partitions are moving: it passes, and whoever asks may ask again.
    if (isHeadwaterError(error) && error.retriable) {
      return c.json({ error: error.message }, 503, { 'retry-after': '1' })
    }
    console.error(error)
    return c.json({ error: 'that failed; the log says why' }, 500)
  })

  return routes
}
