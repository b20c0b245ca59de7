/** The process: a broker, the service, and HTTP in front of it. Ctrl-C stops it in good order. */
import { once } from 'node:events'
import { serve } from '@hono/node-server'
import { embedded, kafka, run } from 'headwater'
import { http } from './http.ts'
import { shop } from './shop.ts'

// `headwater dev` names its broker here, and so may you: an Apache Kafka, for example.
const address = process.env['HEADWATER_BROKER']
await using broker = address === undefined ? await embedded('data') : undefined
await using app = await run(shop, { broker: broker ?? kafka(address!) })

const port = Number(process.env['PORT'] ?? 3000)
const server = serve({ fetch: http(app).fetch, hostname: '127.0.0.1', port })
await once(server, 'listening')
console.log(`shop: http://127.0.0.1:${port}`)

await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM'), app.failed])
server.close()
