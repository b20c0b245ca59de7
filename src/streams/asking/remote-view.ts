/**
 * A view that is asked over HTTP, of either kind, in the encoding that loses nothing.
 *
 * Values are the same objects the service holds: messages with their bigints and bytes, plain values as they were.
 * Keys go into the query of a URL, where nothing changes them.
 */
import { HeadwaterError } from '../../base/errors.ts'
import { plainCodec } from '../stores/plain.ts'
import type { Key } from '../stores/serde.ts'
import type { Wanted } from '../views/freshness.ts'
import {
  checkLimit,
  checkPageLimit,
  pageLimitDefault,
  timeOf,
  wantedOf,
} from '../views/view-options.ts'
import type {
  Coverage,
  Page,
  PageOptions,
  ReadOptions,
  ScanOptions,
  WindowEntry,
} from '../views/views.ts'
import type { Answer } from './ask.ts'

/**
 * Asks a view with the query of a URL, without its question mark.
 * @param waitMs how long whoever answers may wait before it begins
 */
export type AskView = (query: string, waitMs: number) => Promise<Answer>

/** The parameters of a URL by which a read says how fresh its answer has to be. */
export const freshNames = ['after', 'waitMs', 'maxLag']

/** How many rows a scan asks for at a time. */
export const scanPageRows = 1_000

export class RemoteView {
  readonly #service: string
  readonly #name: string
  readonly #askView: AskView

  constructor(service: string, name: string, askView: AskView) {
    this.#service = service
    this.#name = name
    this.#askView = askView
  }

  /** @param at of a view of windows; what is wanted stands in its place where there are none */
  async get(key: Key, at?: Date | ReadOptions, o?: ReadOptions): Promise<unknown> {
    const isWindowed = at instanceof Date
    // Milliseconds say every time, also those that have no date.
    const window = isWindowed ? { window: timeOf('at', at) } : {}
    return this.#ask({ key: keyText(key), ...window }, wantedOf(isWindowed ? o : at))
  }

  async *scan(o: ScanOptions = {}): AsyncGenerator<readonly [unknown, unknown]> {
    const { prefix = '', limit = Infinity, partial = false } = o
    checkLimit(limit)
    const wanted = wantedOf(o)
    let left = limit
    let cursor: string | undefined
    do {
      const page = await this.list({
        prefix,
        limit: Math.min(left, scanPageRows),
        cursor,
        partial,
        wanted,
      })
      const { count, covered } = page.partitions
      if (!partial && covered.length < count) {
        throw partialScan(this.#service, this.#name, covered.length, count)
      }
      yield* page.entries.map(rowOf)
      left -= page.entries.length
      cursor = page.next ?? undefined
    } while (left > 0 && cursor !== undefined)
  }

  async page(o: PageOptions = {}): Promise<Page<unknown, unknown>> {
    const { prefix = '', limit = pageLimitDefault, cursor, partial = false } = o
    checkPageLimit(limit)
    const wanted = wantedOf(o)
    const listed = await this.list({ prefix, limit, cursor, partial, wanted })
    const { entries, more, next, partitions } = listed
    return { entries: entries.map(rowOf), more, next: next ?? undefined, partitions }
  }

  async *range(
    key: Key,
    from: Date,
    to: Date,
    o?: ReadOptions,
  ): AsyncGenerator<WindowEntry<unknown>> {
    const wanted = wantedOf(o)
    const end = timeOf('to', to)
    let next: string | number | null = timeOf('from', from)
    while (next !== null) {
      const query = { key: keyText(key), from: next, to: end }
      const listed = (await this.#ask(query, wanted)) as Listed
      for (const entry of listed.entries) {
        yield { start: new Date(entry.start!), end: new Date(entry.end!), value: valueOf(entry) }
      }
      next = listed.next
    }
  }

  /** A list as it is answered. */
  async list(o: ListQuery): Promise<Listed> {
    const { prefix, limit, cursor, partial, wanted } = o
    const where = { ...(cursor !== undefined && { cursor }), ...(partial && { partial: 'true' }) }
    return (await this.#ask({ prefix: keyText(prefix), limit, ...where }, wanted)) as Listed
  }

  /** The decoded answer; undefined when the key holds nothing. */
  async #ask(
    query: Readonly<Record<string, string | number>>,
    wanted: Wanted | undefined,
  ): Promise<unknown> {
    const text = queryText({ ...query, ...freshQuery(wanted) })
    const { bytes, failure } = await this.#askView(text, wanted?.waitMs ?? 0)
    if (failure?.code === 'no-value') return undefined
    if (failure) throw failure.error
    return plainCodec.decode(bytes, 0, bytes.length)
  }
}

/** The query of a URL. */
export function queryText(query: Readonly<Record<string, string | number>>): string {
  return Object.entries(query)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&')
}

/** How fresh an answer has to be, as the query of a URL says it. */
export function freshQuery(wanted: Wanted | undefined): Readonly<Record<string, string | number>> {
  if (wanted === undefined) return {}
  const { after, waitMs, maxLag } = wanted
  const places = after.map((at) => `${at.stream}/${at.partition}/${at.offset}`)
  return {
    ...(places.length > 0 && { after: places.join(',') }),
    waitMs,
    ...(maxLag !== undefined && { maxLag }),
  }
}

export interface ListQuery {
  readonly prefix: string
  readonly limit: number
  readonly cursor: string | undefined
  readonly partial: boolean
  readonly wanted: Wanted | undefined
}

/** A list as it is answered in the encoding that loses nothing. */
export interface Listed {
  readonly entries: readonly ListedEntry[]
  readonly more: boolean
  readonly next: string | null
  readonly partitions: Coverage
}

export interface ListedEntry {
  readonly key: Key
  readonly start?: number
  readonly end?: number
  /** In the encoding of values; absent when the row has none. */
  readonly value?: Uint8Array
  readonly error?: { readonly message: string }
}

function rowOf(entry: ListedEntry): readonly [Key, unknown] {
  return [entry.key, valueOf(entry)]
}

export function valueOf({ key, value, error }: ListedEntry): unknown {
  if (value !== undefined) return plainCodec.decode(value, 0, value.length)
  throw new HeadwaterError(
    'query-failed',
    `the value of key ${JSON.stringify(String(key).slice(0, 40))} cannot be given: ${error?.message}`,
  )
}

/** The text of a key. Throws `input-invalid` when it is no text that a record's key can be. */
export function keyText(key: Key): string {
  const given: unknown = key
  if (given === undefined || typeof given === 'object') {
    throw new HeadwaterError(
      'input-invalid',
      `no row can be asked for by ${typeof given}: give its key`,
    )
  }
  const text = String(key)
  if (text.isWellFormed()) return text
  throw new HeadwaterError(
    'input-invalid',
    `no row can be asked for: ${JSON.stringify(text.slice(0, 40))} holds half a character, so no key's ` +
      'bytes are its',
  )
}

/** Why a listing that is not whole is none, for those who did not ask for a part. */
function partialScan(
  service: string,
  view: string,
  held: number,
  partitions: number,
): HeadwaterError {
  return new HeadwaterError(
    'partition-elsewhere',
    `the instance asked of service '${service}' answers for ${held} of the ${partitions} partitions of view ` +
      `'${view}', others hold the rest and do not say at which address: run them with queryAddress, or ask ` +
      'each for its part with { partial: true }',
    { retriable: true },
  )
}
