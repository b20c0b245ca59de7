/**
 * From a frame to its answer: decode, find the handler, encode.
 *
 * What has many items takes several turns; a request without many is answered as if there were none.
 *
 * A request nobody speaks ends the connection, because no error body can be right for it; only
 * ApiVersions has an answer that every client can read.
 */
import { HeadwaterError } from '../../base/errors.ts'
import { isSteps } from '../../base/steps.ts'
import { apis, type ApiName, type ResponseInput } from '../../protocol/api.ts'
import {
  encodeResponse,
  encodeResponseUpTo,
  type DecodedRequest,
  type UnsupportedRequest,
} from '../../protocol/frame.ts'
import type { Peer } from '../peer.ts'
import { Unfinished } from '../turns.ts'
import type { Answer, Beginning, Begun, RequestMemory } from './answer.ts'
import { decode, decodeInSteps } from './decoding.ts'
import { makeGrowing, whole } from './growing.ts'
import type { BrokerParts, Handler, Handlers } from '../handlers/context.ts'
import { adminHandlers } from '../handlers/admin.ts'
import { commitsHandlers } from '../handlers/commits.ts'
import { fetchHandlers } from '../handlers/fetch.ts'
import { isRefusedWhenFull, refuseWhenFull } from '../handlers/full-disk.ts'
import { groupAdminHandlers } from '../handlers/group-admin.ts'
import { groupsHandlers } from '../handlers/groups.ts'
import { handshakeHandlers, unsupportedApiVersions } from '../handlers/handshake.ts'
import { metadataHandlers } from '../handlers/metadata.ts'
import { offsetsHandlers } from '../handlers/offsets.ts'
import { produceHandlers } from '../handlers/produce.ts'
import { producersHandlers } from '../handlers/producers.ts'
import { topicsHandlers } from '../handlers/topics.ts'
import { transactionsHandlers } from '../handlers/transactions.ts'

const handlers: Handlers = {
  ...handshakeHandlers,
  ...metadataHandlers,
  ...produceHandlers,
  ...producersHandlers,
  ...fetchHandlers,
  ...offsetsHandlers,
  ...groupsHandlers,
  ...groupAdminHandlers,
  ...commitsHandlers,
  ...transactionsHandlers,
  ...topicsHandlers,
  ...adminHandlers,
}

/**
 * APIs whose answers grow with what the broker holds and not with what is asked: they are made when there
 * is room. Fetch asks for as much as it may bring, by itself.
 */
const largeAnswers: ReadonlySet<ApiName> = new Set([
  'Metadata',
  'DescribeTopicPartitions',
  'DescribeConfigs',
  'DescribeLogDirs',
  'DescribeProducers',
  'DescribeGroups',
  'DescribeTransactions',
  'ListGroups',
  'ListTransactions',
  'OffsetFetch',
])
/** What an API looks at in one go, however little of it is asked for and answered. */
const lookedAt: { readonly [N in ApiName]?: (parts: BrokerParts) => number } = {
  ListGroups: ({ groups }) => groups.state.groups.size,
  ListTransactions: ({ transactions }) => transactions.state.transactions.size,
}
/** What it takes to look at one, in items of a turn. */
const lookItems = 1 / 16
/** What such an answer is taken to be until it is there, or has grown beyond it. */
const largeAnswerBytes = 1024 * 1024

/** Frames with fewer bytes are decoded at once: what they hold cannot take long. */
const longFrameBytes = 16 * 1024
/** Answers of fewer items are encoded at once. */
const longAnswerItems = 256

/** Begins to answer one request. Throws, or rejects with, what ends the connection. */
export function dispatch(
  frame: Uint8Array,
  peer: Peer,
  memory: RequestMemory,
  parts: BrokerParts,
): Answer | Promise<Answer> | Beginning {
  const { requestHeapBytesMax } = parts.config
  if (frame.length < longFrameBytes) {
    return begin(decode(frame, memory, requestHeapBytesMax), peer, memory, parts)
  }
  const decoded = parts.turns.begin(decodeInSteps(frame, memory, requestHeapBytesMax), peer)
  if (!(decoded instanceof Unfinished)) return begin(decoded, peer, memory, parts)
  return { begun: decoded.end.then(({ value }) => afterwards(begin(value, peer, memory, parts))) }
}

function begin(
  decoded: DecodedRequest | UnsupportedRequest,
  peer: Peer,
  memory: RequestMemory,
  parts: BrokerParts,
): Answer | Promise<Answer> | Beginning {
  if ('unsupported' in decoded) return refuse(decoded.unsupported)
  const { api, version, clientId, body } = decoded
  const handler: Handler<ApiName> | undefined = handlers[api]
  if (handler === undefined) return refuse({ ...decoded, key: apis[api].key })
  const { full } = parts.store
  if (full !== undefined && isRefusedWhenFull(api)) {
    return settle(decoded, refuseWhenFull(api, body as never, full), peer, parts)
  }
  const context = { ...parts, peer, version, clientId, room: memory }
  const make = (): Handled | Unfinished<Handled> => {
    const handled = handler(body as never, context)
    return isSteps(handled) ? parts.turns.begin(handled, peer) : handled
  }
  if (!largeAnswers.has(api)) return conclude(decoded, make(), peer, parts)
  const { answerBytesMax } = parts.config
  const turn = () => parts.turns.spend((lookedAt[api]?.(parts) ?? 0) * lookItems, peer)
  const waiting = untilRoom(memory, answerBytesMax, turn)
  if (waiting === undefined) {
    return conclude(decoded, makeGrowing(make, memory, answerBytesMax), peer, parts)
  }
  return waiting
    .then(() => whole(makeGrowing(make, memory, answerBytesMax)))
    .then((response) => encode(decoded, response, peer, parts))
}

type Response = ResponseInput<ApiName> | undefined
type Handled = Response | Promise<Response>
/** What its answer needs of a request: what it asked for is not kept while it waits. */
type Head = Pick<DecodedRequest, 'api' | 'version' | 'correlationId'>

function conclude(
  decoded: DecodedRequest,
  response: Handled | Unfinished<Handled>,
  peer: Peer,
  parts: BrokerParts,
): Answer | Promise<Answer> | Beginning {
  if (!(response instanceof Unfinished)) return settle(decoded, response, peer, parts)
  return {
    begun: response.end.then(({ value }) => ({ answer: settle(decoded, value, peer, parts) })),
  }
}

function settle(
  { api, version, correlationId }: DecodedRequest,
  handled: Handled,
  peer: Peer,
  parts: BrokerParts,
): Answer | Promise<Answer> {
  const head = { api, version, correlationId }
  if (handled instanceof Promise) return handled.then((late) => encode(head, late, peer, parts))
  return encode(head, handled, peer, parts)
}

function afterwards(begun: Answer | Promise<Answer> | Beginning): Begun | Promise<Begun> {
  return begun !== undefined && 'begun' in begun ? begun.begun : { answer: begun }
}

function untilRoom(
  memory: RequestMemory,
  bytesMax: number,
  turn: () => Promise<void> | undefined,
): Promise<unknown> | undefined {
  const reserve = () => memory.reserve(Math.min(largeAnswerBytes, bytesMax))
  const first = memory.whenFirst()
  const ready = first === undefined ? turn() : first.then(turn)
  if (ready !== undefined) return ready.then(reserve)
  const reserved = reserve()
  return typeof reserved === 'number' ? undefined : reserved
}

function encode(
  { api, version, correlationId }: Head,
  response: Response,
  peer: Peer,
  { turns }: BrokerParts,
): Answer | Promise<Answer> {
  if (response === undefined) return undefined
  const encoded = encodeResponseUpTo(
    longAnswerItems,
    api,
    version,
    correlationId,
    response as never,
  )
  return isSteps(encoded) ? turns.run(encoded, peer) : encoded
}

function refuse(request: {
  readonly key: number
  readonly version: number
  readonly correlationId: number
}): Answer {
  const { key, version, correlationId } = request
  if (key === apis.ApiVersions.key) {
    return encodeResponse('ApiVersions', 0, correlationId, unsupportedApiVersions)
  }
  throw new HeadwaterError(
    'unsupported-version',
    `API ${key} version ${version} is not spoken here: a client must ask ApiVersions and keep to it`,
  )
}
