/** The query server's one socket: the HTTP application of `server.ts` behind Hono's Node server. */
import { createAdaptorServer } from '@hono/node-server'
import { HeadwaterError } from '../base/errors.ts'
import { queryApp } from './server.ts'
import type { QueryService } from './view.ts'

export interface QueryServer {
  /** `http://127.0.0.1:8092`, without a slash at its end. */
  readonly url: string
  /** Stops accepting, lets answers under way end and drops idle connections. */
  close(): Promise<void>
}

/**
 * Serves the views of `services` on `host` and `port` (0 takes a free one).
 * `port-in-use` names the port and the fix.
 */
export async function serveQueries(o: {
  readonly host: string
  readonly port: number
  readonly services: () => readonly QueryService[]
}): Promise<QueryServer> {
  const server = createAdaptorServer({ fetch: queryApp(o.services).fetch })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(refused(error, o)))
    server.listen(o.port, o.host, resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : o.port
  const host = o.host.includes(':') ? `[${o.host}]` : o.host
  return {
    url: `http://${host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        if ('closeAllConnections' in server) server.closeAllConnections()
      }),
  }
}

function refused(error: NodeJS.ErrnoException, o: { host: string; port: number }): HeadwaterError {
  if (error.code === 'EADDRINUSE') {
    return new HeadwaterError(
      'port-in-use',
      `the query port ${o.port} on ${o.host} is in use by another program: ` +
        'stop that program or choose another port with --query-port (0 takes a free one)',
      { cause: error },
    )
  }
  return new HeadwaterError(
    'connection-failed',
    `the query server cannot listen on ${o.host}:${o.port}: ${error.message}`,
    { cause: error },
  )
}
