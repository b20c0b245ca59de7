/** The HTTP side: a request becomes an event, and another one asks the table that events were folded into. */
import { timestampNow } from '@bufbuild/protobuf/wkt'
import type { RunningService } from 'headwater'
import { Hono } from 'hono'
import { Orders } from '../gen/streams.ts'
import type { shop } from './shop.ts'

export function http(app: RunningService<typeof shop>): Hono {
  const routes = new Hono()

  routes.post('/customers/:id/orders', async (c) => {
    const { item, cents } = await c.req.json<{ item?: unknown; cents?: unknown }>()
    if (typeof item !== 'string' || !Number.isInteger(cents)) {
      return c.json({ error: 'send { "item": "a text", "cents": a whole number }' }, 400)
    }
    // Resolves when the event is on disk.
    const { partition, offset } = await app.send(Orders, {
      customerId: c.req.param('id'),
      item,
      cents: cents as number,
      placedAt: timestampNow(),
    })
    return c.json({ partition, offset: String(offset) }, 201)
  })

  routes.get('/customers/:id', async (c) => {
    const customer = await app.query.customers.get(c.req.param('id'))
    return customer === undefined ? c.json({ error: 'no orders' }, 404) : c.json(customer)
  })

  return routes
}
