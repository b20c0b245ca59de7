/** The services, and the web application in front of them, in one process until Ctrl-C. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import type { ServerType } from '@hono/node-server'
import { HeadwaterError } from '../../src/index.ts'
import { Host, Lifetime, print } from '../../src/cli/index.ts'
import type { HostOptions } from '../../src/cli/index.ts'
import { booking } from './booking.ts'
import { seating } from './seating.ts'
import { webApplication } from './web.ts'
import type { WebApplication } from './web.ts'

export interface StartOptions extends HostOptions {
  readonly webPort: number
}

export async function start(options: StartOptions): Promise<void> {
  using lifetime = new Lifetime()
  await using host = await lifetime.unlessOver(Host.open(options))
  const starting = host.start([booking, seating], lifetime)
  const app = await lifetime.unlessOver(Promise.race([starting, host.failed]))
  using application = webApplication(app, (error) => {
    host.log.warn({ error }, 'open pages are not kept up to date for now: it is tried again')
  })
  await using web = await listen(application.fetch, options)
  const data = options.broker === undefined ? `, data ${options.dir}` : ''
  host.log.info({}, `Kafka ${host.kafka}, queries ${host.queryUrl}${data}`)
  print(`Book seats at ${web.url}`)
  print('Ctrl-C stops it; started again, it goes on from here.')
  await Promise.race([lifetime.over, host.failed])
}

/** Throws `port-in-use`. */
async function listen(
  fetch: WebApplication['fetch'],
  { host = '127.0.0.1', webPort }: StartOptions,
) {
  const server: ServerType = serve({ fetch, hostname: host, port: webPort })
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new HeadwaterError(
      'port-in-use',
      `the web application cannot listen on ${host}:${webPort}: give another --web-port, or 0 for a free one`,
      { cause },
    )
  }
  const { port } = server.address() as AddressInfo
  const name = host.includes(':') ? `[${host}]` : host
  return {
    url: `http://${name}:${port}`,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      // Feeds last as long as their readers; what was asked for is answered within a moment, or asked again.
      if ('closeAllConnections' in server) server.closeAllConnections()
      await closed
    },
  }
}
