/** The query server's one address: the application of `server.ts`, listening through the HTTP port. */
import { addressText, dialable, hostText } from '../base/address.ts'
import { HeadwaterError, isHeadwaterError } from '../base/errors.ts'
import { nodeHttp } from '../io/node-http.ts'
import type { Http } from '../io/ports.ts'
import { queryApp } from './server.ts'
import type { QueryService } from './view.ts'

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
 * unless `http` is given. `port-in-use` names the port and the fix.
 * @param o.beside answers what is no query, and is asked first
 */
export async function serveQueries(o: {
  readonly host: string
  readonly port: number
  readonly services: () => readonly QueryService[]
  readonly beside?: (request: Request) => Response | Promise<Response> | undefined
  readonly http?: Http
}): Promise<QueryServer> {
  const http = o.http ?? nodeHttp
  const app = queryApp(o.services, http.ask)
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

function portInUse(cause: HeadwaterError, o: { host: string; port: number }): HeadwaterError {
  return new HeadwaterError(
    'port-in-use',
    `the query port ${o.port} on ${hostText(o.host)} is in use by another program: ` +
      'stop that program or choose another port with --query-port (0 takes a free one)',
    { cause },
  )
}
