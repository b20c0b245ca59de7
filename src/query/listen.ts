/** The query server's one address: the application of `server.ts`, listening through the HTTP port. */
import { addressText, dialable, hostText, isBlockedByFetch } from '../base/address.ts'
import { HeadwaterError, isHeadwaterError } from '../base/errors.ts'
import { nodeHttp } from '../io/node-http.ts'
import type { Http } from '../io/ports.ts'
import { queryApp } from './server.ts'
import { asQueryService } from './view.ts'
import type { QueryService, RunningQueries } from './view.ts'

export interface QueryServer {
  /**
   * `http://127.0.0.1:8092`, without a slash at its end: where this machine reaches it, whatever other
   * addresses of it do.
   */
  readonly url: string
  readonly port: number
  /** Stops accepting and ends every connection. */
  close(): Promise<void>
}

/**
 * Serves the views of `services` on `host` and `port` (0 takes a free one), through this machine's HTTP
 * unless `http` is given. `port-in-use` and, where `fetch` would not ask, `config-invalid` name the port and the fix.
 * @param o.services those that `run` gave, `app.services`, or what says as much of itself; asked at each request
 * @param o.beside answers what is no query, and is asked first
 */
export async function serveQueries(o: {
  readonly host: string
  readonly port: number
  readonly services: () => readonly (QueryService | RunningQueries)[]
  readonly beside?: (request: Request) => Response | Promise<Response> | undefined
  readonly http?: Http
}): Promise<QueryServer> {
  const http = o.http ?? nodeHttp
  if (o.port !== 0 && isBlockedByFetch(o.port)) throw portBlocked(o.port)
  const app = queryApp(() => o.services().map(asQueryService), http.ask)
  const listener = await http
    .listen(o.host, o.port, (request) => o.beside?.(request) ?? app.fetch(request))
    .catch((error: unknown) => {
      throw isHeadwaterError(error, 'port-in-use') ? portInUse(error, o) : error
    })
  return {
    url: `http://${addressText(dialable(listener))}`,
    port: listener.port,
    close: () => listener.close(),
  }
}

function portBlocked(port: number): HeadwaterError {
  return new HeadwaterError(
    'config-invalid',
    `the query port is ${port}, which browsers and fetch refuse to ask (WHATWG's blocked ports): choose ` +
      'another one with --query-port (0 takes a free one)',
  )
}

function portInUse(cause: HeadwaterError, o: { host: string; port: number }): HeadwaterError {
  return new HeadwaterError(
    'port-in-use',
    `the query port ${o.port} on ${hostText(o.host)} is in use by another program: ` +
      'stop that program or choose another port with --query-port (0 takes a free one)',
    { cause },
  )
}
