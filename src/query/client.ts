/**
 * The typed client of the query server: `connect<typeof board>('http://127.0.0.1:8092/v1/board')` has one
 * view for each table the service returned, with its key and value types, from a type import alone.
 */
import { HeadwaterError } from '../base/errors.ts'
import { nodeClock, nodeRandom } from '../io/node-clock.ts'
import { nodeHttpAsk, nodeHttpFollow } from '../io/node-http-ask.ts'
import { ask, askTimeoutMsDefault, losslessType } from '../streams/asking/ask.ts'
import { RemoteView } from '../streams/asking/remote-view.ts'
import type { Queries } from '../streams/topology/builder.ts'
import type { Key } from '../streams/stores/serde.ts'
import type { ChangesOptions, RemoteViews } from '../streams/views/views.ts'
import { remoteChanges } from './remote-feed.ts'

export interface ConnectOptions {
  /** How long an answer may take; 30,000 when left out. */
  readonly timeoutMs?: number
}

/** What `connect` gives when it is not told of which service. */
type Named<S extends Askable> = [S] extends [Unnamed]
  ? 'say whose views they are: connect<typeof theService>(url), with the type of the service'
  : RemoteViews<S>

interface Askable {
  readonly queries?: Queries
}

interface Unnamed extends Askable {
  readonly isUnnamed: never
}

/**
 * The views of the service at `url`, which ends in `/v1/<service>`. Nothing is asked until a view is read.
 * A read rejects with `query-failed` when the server refuses it or is none, with `not-ready` and
 * `partition-elsewhere` as in the process of the service, with `connection-failed` when there is none, and
 * with `timeout`. Throws `config-invalid` for a `timeoutMs` that is no whole number of at least 1, and for a
 * `url` that is none of a service.
 */
export function connect<S extends Askable = Unnamed>(
  url: string,
  { timeoutMs = askTimeoutMsDefault }: ConnectOptions = {},
): Named<S> {
  if (!(Number.isSafeInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= timeoutMsMax)) {
    throw new HeadwaterError(
      'config-invalid',
      `timeoutMs is ${timeoutMs}: give whole milliseconds from 1 to ${timeoutMsMax}`,
    )
  }
  const base = baseOf(url)
  const service = base.slice(base.lastIndexOf('/') + 1)
  const viewOf = (name: string) => {
    const place = `${base}/${encodeURIComponent(name)}`
    const view = new RemoteView(service, name, (query, waitMs) => {
      const options = { accept: losslessType, timeoutMs: timeoutMs + waitMs }
      return ask(nodeHttpAsk, `${place}?${query}`, options)
    })
    const of = { url: `${place}/changes`, timeoutMs, follow: nodeHttpFollow }
    return Object.assign(view, {
      changes: (wish?: ChangesOptions<Key>) =>
        remoteChanges({ ...of, clock: nodeClock, random: nodeRandom }, wish),
    })
  }
  const views = new Proxy({} as RemoteViews<S>, {
    get: (_target, name) => (typeof name === 'string' ? viewOf(name) : undefined),
  })
  return views as Named<S>
}

/** A day, as for every duration. */
const timeoutMsMax = 86_400_000

/** The address of a service, without slashes at its end. */
function baseOf(url: string): string {
  const base = String(url).replace(/\/+$/, '')
  const { protocol, pathname, search, hash } = URL.parse(base) ?? {}
  const isHttp = protocol === 'http:' || protocol === 'https:'
  const isPlain = search === '' && hash === ''
  if (isHttp && isPlain && /\/v1\/[^/]+$/.test(pathname ?? '')) return base
  throw new HeadwaterError(
    'config-invalid',
    `'${base.slice(0, shownMax)}' is no address of a service: give that of its query server, /v1/ and ` +
      'its name, as in http://127.0.0.1:8092/v1/shop',
  )
}

/** Characters of a wrong address that are shown. */
const shownMax = 200
