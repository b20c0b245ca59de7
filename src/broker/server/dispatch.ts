/**
 * From a frame to its answer: decode, find the handler, encode.
 *
 * A request nobody speaks ends the connection, because no error body can be right for it; only
 * ApiVersions has an answer that every client can read.
 */
import { HeadwaterError } from '../../base/errors.ts'
import { apis, type ApiName, type ResponseInput } from '../../protocol/api.ts'
import { decodeRequest, encodeResponse, type DecodedRequest } from '../../protocol/frame.ts'
import type { Peer } from '../peer.ts'
import type { Answer, RequestMemory } from './connection.ts'
import type { BrokerParts, Handler, Handlers } from '../handlers/context.ts'
import { adminHandlers } from '../handlers/admin.ts'
import { commitsHandlers } from '../handlers/commits.ts'
import { fetchHandlers } from '../handlers/fetch.ts'
import { groupAdminHandlers } from '../handlers/group-admin.ts'
import { groupsHandlers } from '../handlers/groups.ts'
import { handshakeHandlers, unsupportedApiVersions } from '../handlers/handshake.ts'
import { metadataHandlers } from '../handlers/metadata.ts'
import { offsetsHandlers } from '../handlers/offsets.ts'
import { produceHandlers } from '../handlers/produce.ts'
import { topicsHandlers } from '../handlers/topics.ts'
import { transactionsHandlers } from '../handlers/transactions.ts'

const handlers: Handlers = {
  ...handshakeHandlers,
  ...metadataHandlers,
  ...produceHandlers,
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
  'ListGroups',
  'ListTransactions',
  'OffsetFetch',
])
/** What such an answer is taken to be until it is there. */
const largeAnswerBytes = 1024 * 1024

/** Begins to answer one request. Throws, or rejects with, what ends the connection. */
export function dispatch(
  frame: Uint8Array,
  peer: Peer,
  memory: RequestMemory,
  parts: BrokerParts,
): Answer | Promise<Answer> {
  const decoded = decodeRequest(frame, parts.config.requestHeapBytesMax)
  if ('unsupported' in decoded) return refuse(decoded.unsupported)
  const { api, version, clientId, body } = decoded
  const handler: Handler<ApiName> | undefined = handlers[api]
  if (handler === undefined) return refuse({ ...decoded, key: apis[api].key })
  memory.decoded(decoded.heapBytes)
  const context = { ...parts, peer, version, clientId, room: memory }
  const waiting = largeAnswers.has(api) ? untilRoom(memory) : undefined
  const response =
    waiting === undefined
      ? handler(body as never, context)
      : waiting.then(() => handler(body as never, context))
  if (response instanceof Promise) return response.then((late) => encode(decoded, late))
  return encode(decoded, response)
}

function untilRoom(memory: RequestMemory): Promise<unknown> | undefined {
  const reserve = () => memory.reserve(largeAnswerBytes)
  const first = memory.whenFirst()
  if (first !== undefined) return first.then(reserve)
  const reserved = reserve()
  return typeof reserved === 'number' ? undefined : reserved
}

function encode(
  { api, version, correlationId }: DecodedRequest,
  response: ResponseInput<ApiName> | undefined,
): Answer {
  return response && encodeResponse(api, version, correlationId, response as never)
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
