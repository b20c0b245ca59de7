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
  decodeRequest,
  decodeRequestInSteps,
  encodeResponse,
  encodeResponseInSteps,
  itemsOfResponse,
  type DecodedRequest,
  type UnsupportedRequest,
} from '../../protocol/frame.ts'
import type { Peer } from '../peer.ts'
import { Unfinished } from '../turns.ts'
import type { Answer, Beginning, Begun } from './connection.ts'
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

/** Frames with fewer bytes are decoded at once: what they hold cannot take long. */
const longFrameBytes = 16 * 1024
/** Answers of fewer items are encoded at once. */
const longAnswerItems = 256

/** Begins to answer one request. Throws, or rejects with, what ends the connection. */
export function dispatch(
  frame: Uint8Array,
  peer: Peer,
  parts: BrokerParts,
): Answer | Promise<Answer> | Beginning {
  if (frame.length < longFrameBytes) return begin(decodeRequest(frame), peer, parts)
  const decoded = parts.turns.begin(decodeRequestInSteps(frame), peer)
  if (!(decoded instanceof Unfinished)) return begin(decoded, peer, parts)
  return { begun: decoded.end.then(({ value }) => afterwards(begin(value, peer, parts))) }
}

function begin(
  decoded: DecodedRequest | UnsupportedRequest,
  peer: Peer,
  parts: BrokerParts,
): Answer | Promise<Answer> | Beginning {
  if ('unsupported' in decoded) return refuse(decoded.unsupported)
  const { api, version, clientId, body } = decoded
  const handler: Handler<ApiName> | undefined = handlers[api]
  if (handler === undefined) return refuse({ ...decoded, key: apis[api].key })
  const handled = handler(body as never, { ...parts, peer, version, clientId })
  const response = isSteps(handled) ? parts.turns.begin(handled, peer) : handled
  const answer = (late: Handled): Answer | Promise<Answer> =>
    late instanceof Promise
      ? late.then((settled) => encode(decoded, settled, peer, parts))
      : encode(decoded, late, peer, parts)
  if (!(response instanceof Unfinished)) return answer(response)
  return { begun: response.end.then(({ value }) => ({ answer: answer(value) })) }
}

type Response = ResponseInput<ApiName> | undefined
type Handled = Response | Promise<Response>

function afterwards(begun: Answer | Promise<Answer> | Beginning): Begun | Promise<Begun> {
  return begun !== undefined && 'begun' in begun ? begun.begun : { answer: begun }
}

function encode(
  { api, version, correlationId }: DecodedRequest,
  response: Response,
  peer: Peer,
  { turns }: BrokerParts,
): Answer | Promise<Answer> {
  if (response === undefined) return undefined
  const isShort = itemsOfResponse(api, version, response as never) < longAnswerItems
  return isShort
    ? encodeResponse(api, version, correlationId, response as never)
    : turns.run(encodeResponseInSteps(api, version, correlationId, response as never), peer)
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
