/**
 * A feed in the encoding that loses nothing: frames, each its size in four bytes (big-endian) and then plain data
 * of format `plain/1`. A frame of size 0 says that the feed lives.
 */
import { concatBytes } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'
import { answerBytesMax } from '../streams/asking/ask.ts'
import { plainCodec } from '../streams/stores/plain.ts'
import type { FeedItem } from '../streams/views/changes.ts'
import { plainBytes } from './encoding.ts'

/** The media type of such a feed. */
export const framesType = 'application/vnd.headwater.plain-1-feed'

/** What a frame says: an item, its values as plain data, or why there is no more. */
export type Framed = FeedItem | FeedEnd

export interface FeedEnd {
  readonly type: 'end'
  readonly error: { readonly code: string; readonly message: string }
}

const sizeBytes = 4

/** A frame; of `undefined` that the feed lives. */
export function frameOf(item: Framed | undefined): Uint8Array<ArrayBuffer> {
  const bytes = item === undefined ? new Uint8Array(0) : plainBytes(item)
  const frame = new Uint8Array(sizeBytes + bytes.length)
  new DataView(frame.buffer).setUint32(0, bytes.length)
  frame.set(bytes, sizeBytes)
  return frame
}

/**
 * What the frames say whose bytes come in `chunks`; undefined: it lives. A frame that breaks off is left out.
 * Throws `query-failed` for one longer than `answerBytesMax`, or of something else.
 */
export async function* framesIn(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Framed | undefined, undefined> {
  let waiting: Uint8Array[] = []
  let size = 0
  let wanted = sizeBytes
  for await (const chunk of chunks) {
    waiting.push(chunk)
    size += chunk.length
    // What has come of a large frame is joined once.
    if (size < wanted) continue
    const { items, rest, wanted: next } = takeFrames(concatBytes(waiting))
    yield* items
    waiting = [rest]
    size = rest.length
    wanted = next
  }
}

/** The whole frames in `bytes`, what is left, and how much there has to be of it. */
function takeFrames(bytes: Uint8Array) {
  const items: (Framed | undefined)[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  let wanted = sizeBytes
  while (bytes.length - at >= sizeBytes) {
    const size = view.getUint32(at)
    if (size > answerBytesMax) throw noFrame(`one of ${size} bytes`)
    wanted = sizeBytes + size
    if (bytes.length - at < wanted) break
    items.push(readFrame(bytes, at + sizeBytes, at + wanted))
    at += wanted
    wanted = sizeBytes
  }
  return { items, rest: bytes.subarray(at), wanted }
}

function readFrame(bytes: Uint8Array, start: number, end: number): Framed | undefined {
  if (start === end) return undefined
  try {
    return plainCodec.decode(bytes, start, end) as Framed
  } catch (error) {
    throw noFrame(error instanceof Error ? error.message : String(error))
  }
}

function noFrame(what: string): HeadwaterError {
  return new HeadwaterError(
    'query-failed',
    `the feed of changes has something else than its frames (${what}): see what a proxy in between makes of it`,
  )
}
