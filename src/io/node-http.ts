/** HTTP as a port, on Node's server behind Hono's adapter to `Request` and `Response`. */
import { createAdaptorServer } from '@hono/node-server'
import { listenError } from './node-network.ts'
import type { Http } from './ports.ts'

export const nodeHttp: Http = {
  listen: async (host, port, answer) => {
    const server = createAdaptorServer({ fetch: answer })
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(listenError(error, host, port)))
      server.listen(port, host, resolve)
    })
    const address = server.address()
    const bound = typeof address === 'object' && address !== null ? address.port : port
    return {
      host,
      port: bound,
      close: () =>
        new Promise((resolve) => {
          server.close(() => resolve())
          if ('closeAllConnections' in server) server.closeAllConnections()
        }),
    }
  },
}
