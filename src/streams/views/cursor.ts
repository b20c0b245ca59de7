/**
 * Cursors: where a listing goes on, as a text for URLs.
 *
 * A cursor names the last row that was given, not how many there were. So while rows come and go between two
 * pages, a row that is there all the time is given exactly once, and a new one when its place is still ahead.
 * It also says of what listing it is; for another one it is refused, and so is one that was changed on
 * its way. Whoever wants to can make one up, so nothing in it is trusted. The prefix comes with every question,
 * so of a key it holds what stands behind the prefix, and of the prefix a checksum.
 */
import { base64Decode, base64Encode } from '@bufbuild/protobuf/wire'
import { utf8Bytes, Writer } from '../../base/bytes.ts'
import { crc32c } from '../../base/checksum.ts'
import { HeadwaterError } from '../../base/errors.ts'
import { plainCodec } from '../stores/plain.ts'
import type { RowPlace } from './rows.ts'
import type { ViewRow } from './view-reader.ts'

/** A listing, as far as its cursors are of no other. */
export interface Listing {
  readonly service: string
  readonly view: string
  /** `ViewReader.signature`. */
  readonly signature: string
  readonly prefix: string
}

/**
 * UTF-16 units of a key, its prefix with them, from which on a cursor holds only its beginning: URLs have an end.
 * Behind a long prefix it holds `cursorRestMin`.
 */
export const cursorKeyMax = 4_096
const cursorRestMin = 256

/** Rows that a cursor counts at most: so many, and those of the page, are gathered and sorted for it. */
export const cursorSkipMax = 100_000

/** Where the listing goes on after `rows`, which are some of it from `from` on, without a gap. */
export function placeAfter(
  rows: readonly Pick<ViewRow, 'key' | 'windowStart'>[],
  from: RowPlace | undefined,
  { prefix }: Pick<Listing, 'prefix'>,
): RowPlace | undefined {
  const last = rows.at(-1)
  if (last === undefined) return from
  const text = String(last.key)
  const kept = Math.max(cursorKeyMax, prefix.length + cursorRestMin)
  if (text.length < kept) return { text, start: last.windowStart, skip: undefined }
  // Rows that begin alike for so long are counted.
  const beginning = text.slice(0, kept)
  const given = rows.filter(({ key }) => String(key).startsWith(beginning)).length
  const before = from?.text === beginning ? (from.skip ?? 0) : 0
  return { text: beginning, start: undefined, skip: before + given }
}

export function writeCursor(listing: Listing, { text, start, skip }: RowPlace): string {
  const { service, view, signature, prefix } = listing
  const writer = new Writer()
  const rest = text.slice(prefix.length)
  plainCodec.encode([service, view, signature, sumOf(prefix), rest, start, skip], writer)
  const bytes = writer.finish()
  const sealed = new Uint8Array(bytes.length + 4)
  sealed.set(bytes)
  new DataView(sealed.buffer).setUint32(bytes.length, crc32c(bytes))
  return base64Encode(sealed, 'url')
}

/** The place that a cursor of this listing names. Throws `input-invalid`. */
export function readCursor(listing: Listing, cursor: string): RowPlace {
  const parts = unseal(cursor)
  if (!Array.isArray(parts) || parts.length !== 7) throw broken()
  const [service, view, signature, prefixSum, rest, start, skip] = parts as readonly unknown[]
  if (!areTexts([service, view, signature]) || typeof rest !== 'string') throw broken()
  if (!isCount(prefixSum) || !(skip === undefined || isCount(skip))) throw broken()
  if (!(start === undefined || Number.isSafeInteger(start))) throw broken()
  if (service !== listing.service || view !== listing.view) {
    throw refuse(`is one of view '${view as string}' of service '${service as string}'`)
  }
  if (signature !== listing.signature) {
    throw refuse('is of another version of the service, in which the view was something else')
  }
  const { prefix } = listing
  if (prefixSum !== sumOf(prefix)) {
    throw refuse(`is of a listing with another prefix than '${prefix.slice(0, 40)}'`)
  }
  if (skip !== undefined && skip > cursorSkipMax) throw tooMany(skip)
  return { text: prefix + rest, start: start as number | undefined, skip }
}

/** Tells prefixes apart: half a character has no UTF-8, so of any text it takes the units. */
function sumOf(prefix: string): number {
  return crc32c(utf8Bytes(JSON.stringify(prefix)))
}

function areTexts(parts: readonly unknown[]): boolean {
  return parts.every((part) => typeof part === 'string')
}

function isCount(part: unknown): part is number {
  return Number.isSafeInteger(part) && (part as number) >= 0
}

function unseal(cursor: string): unknown {
  // Base64 that is read leniently would give one place many names.
  if (!/^[\w-]*$/.test(cursor)) throw broken()
  try {
    const sealed = base64Decode(cursor)
    const end = sealed.length - 4
    const sum = new DataView(sealed.buffer, sealed.byteOffset).getUint32(end)
    if (sum !== crc32c(sealed.subarray(0, end))) throw broken()
    return plainCodec.decode(sealed, 0, end)
  } catch {
    throw broken()
  }
}

/** @param skip how many rows would have to be counted */
export function tooMany(skip: number): HeadwaterError {
  return new HeadwaterError(
    'input-invalid',
    `the cursor counts ${skip} rows whose keys begin alike for ${cursorKeyMax} characters or more, and at ` +
      `most ${cursorSkipMax} are counted: list them by longer prefixes, and begin without a cursor`,
  )
}

function broken(): HeadwaterError {
  return refuse('is none that was given out here, or was changed on its way')
}

function refuse(what: string): HeadwaterError {
  return new HeadwaterError(
    'input-invalid',
    `the cursor ${what}: give \`next\` of the page before, with the rest of the query as it was, or ` +
      'begin without a cursor',
  )
}
