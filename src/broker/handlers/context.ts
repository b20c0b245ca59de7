/**
 * What handlers work with: the broker's parts, the request at hand, and the shape of a handler.
 *
 * A handler is a function from a request body to a response body. It does everything that must keep the
 * order of requests before it first waits: two produce requests of one connection are appended in the
 * order they came although both wait for the disk. What grows with the items of a request it does in
 * steps, and steps are no waiting: no other request of the connection begins before they have ended. It
 * returns codes and throws only what should end the connection.
 */
import { parseAddress } from '../../base/address.ts'
import type { Gate } from '../../base/gate.ts'
import type { Steps } from '../../base/steps.ts'
import type { Call } from '../../coordinator/commands.ts'
import type { Clock, Random } from '../../io/ports.ts'
import type { LogStore } from '../../log/store/log-store.ts'
import type { ApiName, RequestOf, ResponseInput } from '../../protocol/api.ts'
import { uuidText } from '../../base/units.ts'
import type { BrokerEvent } from '../broker-event.ts'
import type { Catalog } from '../serving/catalog.ts'
import type { BrokerConfig } from '../config.ts'
import type { AnswerRoom } from '../memory.ts'
import type { Peer } from '../peer.ts'
import type { Coordinators } from '../machines/coordinators.ts'
import type { Provisional } from '../machines/machine-host.ts'
import type { FetchSessions } from '../serving/fetch-sessions.ts'
import type { RecordCheck } from '../serving/record-check.ts'
import type { WaitingRoom } from '../serving/waiting.ts'
import type { Turns } from '../turns.ts'

export interface BrokerParts extends Coordinators {
  readonly clusterId: string
  /** The data directory, as people know it. */
  readonly directory: string
  readonly config: BrokerConfig
  readonly report: (event: BrokerEvent) => void
  readonly clock: Clock
  readonly random: Random
  readonly store: LogStore
  readonly catalog: Catalog
  readonly recordCheck: RecordCheck
  /** Look-ups by time pass here. */
  readonly lookUps: Gate
  readonly waiting: WaitingRoom
  readonly sessions: FetchSessions
  readonly turns: Turns
}

export interface RequestContext extends BrokerParts {
  readonly peer: Peer
  /** Where a handler asks before it reads much. */
  readonly room: AnswerRoom
  readonly version: number
  readonly clientId: string | null
}

/** Undefined: the client wants no response. */
type Response<N extends ApiName> = ResponseInput<N> | undefined

export type Handler<N extends ApiName> = (
  request: RequestOf<N>,
  context: RequestContext,
) => Handled<N> | Steps<Handled<N>>

type Handled<N extends ApiName> = Response<N> | Promise<Response<N>>

export type Handlers = { readonly [N in ApiName]?: Handler<N> }

/** A request as a command of the machine that answers it. */
export function callOf<N extends ApiName>(
  type: N,
  token: string,
  request: RequestOf<N>,
  context: RequestContext,
): Call<N> {
  const { version, clientId, peer } = context
  return {
    type,
    token,
    version,
    clientId,
    clientHost: `/${parseAddress(peer.remote)?.host ?? peer.remote}`,
    request,
  }
}

/** Has the machine answer that owns the API. */
export function forward<N extends ApiName>(
  host: { call(make: (token: string) => Call<NoInfer<N>>): Promise<ResponseInput<NoInfer<N>>> },
  type: N,
  request: RequestOf<NoInfer<N>>,
  context: RequestContext,
): Promise<ResponseInput<N>> {
  return host.call((token) => callOf(type, token, request, context))
}

/** Has the machine answer at once that owns the API and never lets it wait; what to wait for comes along. */
export function askNow<N extends ApiName>(
  host: {
    ask(make: (token: string) => Call<NoInfer<N>>): Provisional<ResponseInput<NoInfer<N>>>
  },
  type: N,
  request: RequestOf<NoInfer<N>>,
  context: RequestContext,
): Provisional<ResponseInput<N>> {
  return host.ask((token) => callOf(type, token, request, context))
}

/** A response that may leave once `durable` has resolved. */
export function once<T>(durable: Promise<void> | undefined, response: T): T | Promise<T> {
  return durable === undefined ? response : durable.then(() => response)
}

/** A random id as Kafka makes them: never one that a command line takes for an option. */
export function randomUuid(random: Random): string {
  for (;;) {
    const text = uuidText(random.bytes(16))
    if (!text.startsWith('-')) return text
  }
}
