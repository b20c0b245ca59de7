/**
 * The typed client of the query server: `connect<typeof board>('http://127.0.0.1:8092/v1/board')` has one
 * view for each table the service returned, with its key and value types, from a type import alone.
 */
import { HeadwaterError } from '../base/errors.ts'
import { nodeHttpAsk } from '../io/node-http-ask.ts'
import { ask, askTimeoutMsDefault, losslessType } from '../streams/asking/ask.ts'
import { RemoteView } from '../streams/asking/remote-view.ts'
import type { Queries } from '../streams/topology/builder.ts'
import type { Views } from '../streams/views/views.ts'

export interface ConnectOptions {
  /** How long an answer may take; 30,000 when left out. */
  readonly timeoutMs?: number
}

/**
 * The views of the service at `url`, which ends in `/v1/<service>`. Nothing is asked until a view is read.
 * A read rejects with `query-failed` when the server refuses it or is none, with `not-ready` and
 * `partition-elsewhere` as in the process of the service, with `connection-failed` when there is none, and
 * with `timeout`. Throws `config-invalid` for a `timeoutMs` that is no whole number of at least 1.
 */
export function connect<S extends { readonly queries?: Queries }>(
  url: string,
  { timeoutMs = askTimeoutMsDefault }: ConnectOptions = {},
): Views<S> {
  if (!(Number.isSafeInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= timeoutMsMax)) {
    throw new HeadwaterError(
      'config-invalid',
      `timeoutMs is ${timeoutMs}: give whole milliseconds from 1 to ${timeoutMsMax}`,
    )
  }
  const base = url.replace(/\/+$/, '')
  const service = base.slice(base.lastIndexOf('/') + 1)
  const viewOf = (name: string): RemoteView => {
    const place = `${base}/${encodeURIComponent(name)}`
    return new RemoteView(service, name, (query, waitMs) => {
      const options = { accept: losslessType, timeoutMs: timeoutMs + waitMs }
      return ask(nodeHttpAsk, `${place}?${query}`, options)
    })
  }
  return new Proxy({} as Views<S>, {
    get: (_target, name) => (typeof name === 'string' ? viewOf(name) : undefined),
  })
}

/** A day, as for every duration. */
const timeoutMsMax = 86_400_000
