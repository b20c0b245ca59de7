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
import { Reader, type HeapAllowance } from '../base/bytes.ts'
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
import type { CodecSteps } from './codec-steps.ts'
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

/**
 * Throws `frame-invalid` when the bytes do not begin with a request, and `frame-too-large`, before memory
 * is taken, when the request would take more than `heap` allows: it counts about what `body` takes, beside
 * the frame of which its bytes are views.
 */
export function decodeRequest(
  frame: Uint8Array,
  heap: HeapAllowance = unbounded(),
): DecodedRequest | UnsupportedRequest {
  const from = new Reader(frame, 0, frame.length, heap)
  const head = readHead(from)
  if ('unsupported' in head) return head
  const { api, version, correlationId, clientId } = head
  return {
    api,
    version,
    correlationId,
    clientId,
    body: codecOf(api, version, 'request').read(from),
  }
}

/** The same in steps. */
export function* decodeRequestInSteps(
  frame: Uint8Array,
  heap: HeapAllowance = unbounded(),
): Steps<DecodedRequest | UnsupportedRequest> {
  const from = new Reader(frame, 0, frame.length, heap)
  const head = readHead(from)
  if ('unsupported' in head) return head
  const codec = codecOf(head.api, head.version, 'request')
  const body = codec.steps === undefined ? codec.read(from) : yield* codec.steps.read(from)
  return { ...head, body }
}

function unbounded(): HeapAllowance {
  return { bytesMax: Infinity, usedBytes: 0 }
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

/** The same, in steps when the lists of the response have `itemsMax` items together, or more. */
export function encodeResponseUpTo<N extends ApiName>(
  itemsMax: number,
  api: N,
  version: number,
  correlationId: number,
  body: ResponseInput<N>,
): Uint8Array[] | Steps<Uint8Array[]> {
  const codec = codecOf(api, version, 'response')
  const out = beginResponse(api, version, correlationId)
  if (codec.steps !== undefined && codec.steps.count(body) >= itemsMax)
    return encodeInSteps(codec.steps, out, body)
  codec.write(out, body)
  return finishFrame(out)
}

function* encodeInSteps(steps: CodecSteps, out: Outgoing, body: unknown): Steps<Uint8Array[]> {
  for (const items of steps.write(out, body)) {
    yield items
    out.seal()
  }
  return finishFrame(out)
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

/** Bytes of a frame that are gathered before there is room for all of it. */
export const gatherBytesFirst = 64 * 1024
const gatherBytesMin = 1024
const noBytes = new Uint8Array(0)

/**
 * Cuts a stream of bytes into frames. A frame that lies within one chunk is a view of it; any other is
 * gathered in one buffer from its second chunk on. The buffer is small until more than `gatherBytesFirst`
 * have come, and then has the frame's own size.
 */
export class FrameSplitter {
  readonly #maxBytes: number
  /** Chunks not cut yet, from `#rest` on. */
  #chunks: Uint8Array[] = []
  #rest: Uint8Array = noBytes
  #gathered: Uint8Array = noBytes
  #gatheredBytes = 0
  /** Bytes the frame being gathered has with its length; −1 until its length is known. */
  #wanted = -1

  constructor(maxBytes: number = frameBytesMaxDefault) {
    this.#maxBytes = maxBytes
  }

  /** The frames that end in `chunk`: `take`, and all that `next` gives. */
  push(chunk: Uint8Array): Uint8Array[] {
    this.take(chunk)
    const frames: Uint8Array[] = []
    for (let frame = this.next(); frame !== undefined; frame = this.next()) frames.push(frame)
    return frames
  }

  take(chunk: Uint8Array): void {
    if (this.#rest.length === 0) this.#rest = chunk
    else this.#chunks.push(chunk)
  }

  /** Bytes that have come of a frame that is not whole yet; counted when all before it was taken out. */
  get partialBytes(): number {
    return this.#gatheredBytes
  }

  /** Bytes that frame will have; 0 when there is none, or its length is not known. */
  get partialSize(): number {
    return Math.max(0, this.#wanted)
  }

  /** The next whole frame, without its length; `frame-too-large` or `frame-invalid` when a length cannot
   * be right, after which the stream is useless. */
  next(): Uint8Array | undefined {
    for (;;) {
      const rest = this.#rest
      if (rest.length === 0) return undefined
      if (this.#gatheredBytes === 0 && rest.length >= 4) {
        const end = this.#frameBytes(rest)
        if (end <= rest.length) {
          this.#cut(end)
          return rest.subarray(4, end)
        }
        this.#wanted = end
      }
      const frame = this.#gather(rest)
      if (frame !== undefined) return frame
    }
  }

  /** Keeps as much of `bytes` as the frame being gathered needs, which may end it. */
  #gather(bytes: Uint8Array): Uint8Array | undefined {
    const before = this.#gatheredBytes
    const taken = bytes.subarray(0, (this.#wanted < 0 ? 4 : this.#wanted) - before)
    if (before === 0) this.#gathered = taken
    else {
      this.#reserve(before + taken.length)
      this.#gathered.set(taken, before)
    }
    this.#gatheredBytes = before + taken.length
    this.#cut(taken.length)
    if (this.#wanted < 0 && this.#gatheredBytes === 4)
      this.#wanted = this.#frameBytes(this.#gathered)
    if (this.#gatheredBytes !== this.#wanted) return undefined
    const frame = this.#gathered.subarray(4, this.#wanted)
    this.#gathered = noBytes
    this.#gatheredBytes = 0
    this.#wanted = -1
    return frame
  }

  /** Makes room in a buffer of our own. The first chunk is no longer than what came of the frame. */
  #reserve(needed: number): void {
    if (needed <= this.#gathered.length) return
    const some = Math.max(2 * needed, gatherBytesMin)
    const size = this.#wanted < 0 ? gatherBytesMin : this.#wanted
    const larger = new Uint8Array(needed > gatherBytesFirst ? size : Math.min(some, size))
    larger.set(this.#gathered.subarray(0, this.#gatheredBytes))
    this.#gathered = larger
  }

  /** Drops what was used of the rest, and goes on with the next chunk when that was all. */
  #cut(usedBytes: number): void {
    const rest = this.#rest
    if (usedBytes < rest.length) this.#rest = rest.subarray(usedBytes)
    else this.#rest = this.#chunks.shift() ?? noBytes
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
