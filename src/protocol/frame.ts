/**
 * Frames: a request or response with its header, behind four bytes of length.
 *
 * | request                        | response                       |
 * |--------------------------------|--------------------------------|
 * | int32 length of what follows   | int32 length of what follows   |
 * | int16 API key, int16 version   | int32 correlation id           |
 * | int32 correlation id           | tagged fields, if flexible     |
 * | nullable string client id      | body                           |
 * | tagged fields, if flexible     |                                |
 * | body                           |                                |
 *
 * Encoding gives chunks to write one after the other; decoding takes a frame without its length. Codecs
 * are compiled at the first use of an API's version and kept.
 *
 * Bytes after the end of a request are not read, as in Kafka: librdkafka ends its request for the metadata
 * of all topics with three bytes too many. Bytes after the end of a response are refused: the broker then
 * means another message than we do, and what was read of it may be wrong, too.
 */
import { Reader } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'
import type { Steps } from '../base/steps.ts'
import {
  apiByKey,
  apis,
  isFlexible,
  requestHeaderVersion,
  responseHeaderVersion,
  type ApiName,
  type RequestInput,
  type ResponseInput,
  type ResponseOf,
} from './api.ts'
import { compile, type Codec, type Type } from './schema.ts'
import { Outgoing, readLength, readTagCount, writeLength, writeString } from './wire.ts'

/** The largest frame accepted unless configured otherwise; Kafka's `socket.request.max.bytes`. */
export const frameBytesMaxDefault = 100 * 1024 * 1024

/** Bytes of one string of a request, as in Kafka: work on text is done in one turn. */
const requestTextBytesMax = 0x7fff

/** A request as it came; `body` is the `RequestOf` of `api`. */
export interface DecodedRequest {
  readonly api: ApiName
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
  readonly body: unknown
}

/** A request of an API or version not spoken here: nothing after its first eight bytes can be read. */
export interface UnsupportedRequest {
  readonly unsupported: {
    readonly key: number
    readonly version: number
    readonly correlationId: number
  }
}

export function encodeRequest<N extends ApiName>(
  api: N,
  version: number,
  correlationId: number,
  clientId: string | null,
  body: RequestInput<N>,
): Uint8Array[] {
  const codec = codecOf(api, version, 'request')
  const out = new Outgoing()
  out.writer.int32(0)
  out.writer.int16(apis[api].key)
  out.writer.int16(version)
  out.writer.int32(correlationId)
  if (clientId === null) writeLength(out.writer, 'int16', -1)
  else writeString(out.writer, 'int16', clientId)
  if (requestHeaderVersion(api, version) === 2) out.writer.uint8(0)
  codec.write(out, body)
  return finishFrame(out)
}

/** Throws `frame-invalid` when the bytes do not begin with a request. */
export function decodeRequest(frame: Uint8Array): DecodedRequest | UnsupportedRequest {
  const from = new Reader(frame)
  const head = readHead(from)
  if ('unsupported' in head) return head
  const body = codecOf(head.api, head.version, 'request').read(from)
  return { ...head, body }
}

/** The same in steps. */
export function* decodeRequestInSteps(
  frame: Uint8Array,
): Steps<DecodedRequest | UnsupportedRequest> {
  const from = new Reader(frame)
  const head = readHead(from)
  if ('unsupported' in head) return head
  const codec = codecOf(head.api, head.version, 'request')
  const body = codec.steps === undefined ? codec.read(from) : yield* codec.steps.read(from)
  return { ...head, body }
}

function readHead(from: Reader): Omit<DecodedRequest, 'body'> | UnsupportedRequest {
  const key = from.int16()
  const version = from.int16()
  const correlationId = from.int32()
  const api = apiByKey(key)
  if (api === undefined || !isSpoken(api, version)) {
    return { unsupported: { key, version, correlationId } }
  }
  const length = readLength(from, 'int16')
  const clientId = length < 0 ? null : from.string(length)
  if (requestHeaderVersion(api, version) === 2) skipTags(from)
  return { api, version, correlationId, clientId }
}

export function encodeResponse<N extends ApiName>(
  api: N,
  version: number,
  correlationId: number,
  body: ResponseInput<N>,
): Uint8Array[] {
  const out = beginResponse(api, version, correlationId)
  codecOf(api, version, 'response').write(out, body)
  return finishFrame(out)
}

/** The same in steps. */
export function* encodeResponseInSteps<N extends ApiName>(
  api: N,
  version: number,
  correlationId: number,
  body: ResponseInput<N>,
): Steps<Uint8Array[]> {
  const codec = codecOf(api, version, 'response')
  const out = beginResponse(api, version, correlationId)
  if (codec.steps === undefined) codec.write(out, body)
  else {
    for (const items of codec.steps.write(out, body)) {
      yield items
      out.seal()
    }
  }
  return finishFrame(out)
}

/** Items in the lists of a response: what it takes to encode. */
export function itemsOfResponse<N extends ApiName>(
  api: N,
  version: number,
  body: ResponseInput<N>,
): number {
  return codecOf(api, version, 'response').steps?.count(body) ?? 0
}

function beginResponse(api: ApiName, version: number, correlationId: number): Outgoing {
  const out = new Outgoing()
  out.writer.int32(0)
  out.writer.int32(correlationId)
  if (responseHeaderVersion(api, version) === 1) out.writer.uint8(0)
  return out
}

/** Throws `frame-invalid` when the bytes are no such response. */
export function decodeResponse<N extends ApiName>(
  api: N,
  version: number,
  frame: Uint8Array,
): { readonly correlationId: number; readonly body: ResponseOf<N> } {
  const from = new Reader(frame)
  const correlationId = from.int32()
  if (responseHeaderVersion(api, version) === 1) skipTags(from)
  const body = codecOf(api, version, 'response').read(from) as ResponseOf<N>
  if (from.remaining > 0) throw restOf(api, version, from.remaining)
  return { correlationId, body }
}

/** Cuts a stream of bytes into frames. A frame that lies within one chunk is a view of it. */
export class FrameSplitter {
  readonly #maxBytes: number
  #kept: Uint8Array[] = []
  #keptBytes = 0
  /** Bytes the frame being gathered has with its length; −1 until its length is known. */
  #wanted = -1

  constructor(maxBytes: number = frameBytesMaxDefault) {
    this.#maxBytes = maxBytes
  }

  /** The frames that end in `chunk`, without their lengths; `frame-too-large` or `frame-invalid` when
   * a length cannot be right, after which the stream is useless. */
  push(chunk: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = []
    let rest = chunk
    while (rest.length > 0) {
      if (this.#keptBytes === 0 && rest.length >= 4) {
        const end = this.#frameBytes(rest)
        if (end <= rest.length) {
          frames.push(rest.subarray(4, end))
          rest = rest.subarray(end)
          continue
        }
        this.#wanted = end
      }
      rest = this.#gather(rest, frames)
    }
    return frames
  }

  /** Keeps as much of `bytes` as the frame being gathered needs, and gives back what is left. */
  #gather(bytes: Uint8Array, frames: Uint8Array[]): Uint8Array {
    const needed = (this.#wanted < 0 ? 4 : this.#wanted) - this.#keptBytes
    const taken = bytes.subarray(0, needed)
    this.#kept.push(taken)
    this.#keptBytes += taken.length
    if (taken.length === needed) {
      const whole = joinBytes(this.#kept, this.#keptBytes)
      if (this.#wanted < 0) this.#wanted = this.#frameBytes(whole)
      const ended = this.#keptBytes === this.#wanted
      if (ended) frames.push(whole.subarray(4))
      this.#kept = ended ? [] : [whole]
      this.#keptBytes = ended ? 0 : whole.length
      if (ended) this.#wanted = -1
    }
    return bytes.subarray(taken.length)
  }

  #frameBytes(start: Uint8Array): number {
    const length = new Reader(start).int32()
    if (length < 0) {
      throw new HeadwaterError(
        'frame-invalid',
        `a frame announces ${length} bytes; the other side does not speak the Kafka protocol`,
      )
    }
    if (length > this.#maxBytes) {
      throw new HeadwaterError(
        'frame-too-large',
        `a frame announces ${length} bytes and ${this.#maxBytes} are allowed; raise ` +
          'socket.request.max.bytes if it is wanted, or check that the other side speaks Kafka',
      )
    }
    return length + 4
  }
}

function joinBytes(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

function finishFrame(out: Outgoing): Uint8Array[] {
  out.setStart(out.sizeBytes - 4)
  return out.chunks()
}

function isSpoken(api: ApiName, version: number): boolean {
  const [min, max] = apis[api].versions
  return version >= min && version <= max
}

function skipTags(from: Reader): void {
  for (let left = readTagCount(from); left > 0; left--) {
    from.uvarint()
    from.skip(from.uvarint())
  }
}

function restOf(api: ApiName, version: number, bytes: number): HeadwaterError {
  return new HeadwaterError(
    'frame-invalid',
    `the answer to ${api} version ${version} has ${bytes} bytes after its end: the broker means another ` +
      'message by that version, so nothing of it is used; check that it speaks the Kafka protocol of 4.4 or before',
  )
}

const codecs = new Map<string, Codec<unknown>>()

function codecOf(api: ApiName, version: number, side: 'request' | 'response'): Codec<unknown> {
  const id = `${api} ${version} ${side}`
  const kept = codecs.get(id)
  if (kept) return kept
  if (!isSpoken(api, version)) {
    throw new HeadwaterError(
      'unsupported-version',
      `${api} version ${version} is not spoken here; versions ${apis[api].versions.join(' to ')} are`,
    )
  }
  const type: Type<unknown> = apis[api][side]
  const textBytesMax = side === 'request' ? requestTextBytesMax : Infinity
  const codec = compile(type, version, isFlexible(api, version), `${api} ${side}`, textBytesMax)
  codecs.set(id, codec)
  return codec
}
