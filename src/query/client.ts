/**
 * The typed client of the query server: `connect<typeof board>('http://127.0.0.1:8092/v1/board')` has one
 * view for each table the service returned, with its key and value types, from a type import alone.
 *
 * Values come in the lossless encoding and are the same objects the service holds: messages with their
 * bigints and bytes, plain values as they were. Keys go into the query of a URL, where nothing changes them.
 */
import { HeadwaterError } from '../base/errors.ts'
import { plainCodec } from '../streams/stores/plain.ts'
import type { Key } from '../streams/stores/serde.ts'
import type { Queries } from '../streams/topology/builder.ts'
import { checkLimit, pageLimitDefault, partialScan, timeOf } from '../streams/views/local-view.ts'
import type {
  Coverage,
  Page,
  PageOptions,
  ScanOptions,
  Views,
  WindowEntry,
} from '../streams/views/views.ts'
import { ask } from './ask.ts'
import { losslessType } from './encoding.ts'
import { listLimitMax } from './parameters.ts'

/**
 * The views of the service at `url`, which ends in `/v1/<service>`. Nothing is asked until a view is read.
 * A read rejects with `query-failed` when the server refuses it, with `not-ready` and
 * `partition-elsewhere` as in the process of the service, and with `connection-failed` when there is none.
 */
export function connect<S extends { readonly queries?: Queries }>(url: string): Views<S> {
  const base = url.replace(/\/+$/, '')
  return new Proxy({} as Views<S>, {
    get: (_target, name) => (typeof name === 'string' ? new RemoteView(base, name) : undefined),
  })
}

/** How many rows a scan asks for at a time. */
const scanPageRows = 1_000

/** A view of either kind. */
class RemoteView {
  readonly #url: string
  readonly #service: string
  readonly #name: string

  constructor(base: string, name: string) {
    this.#url = `${base}/${encodeURIComponent(name)}`
    this.#service = base.slice(base.lastIndexOf('/') + 1)
    this.#name = name
  }

  async get(key: Key, at?: Date): Promise<unknown> {
    // Milliseconds say every time, also those that have no date.
    const window = at === undefined ? {} : { window: timeOf('at', at) }
    return this.#ask({ key: keyText(key), ...window })
  }

  async *scan(o: ScanOptions = {}): AsyncGenerator<readonly [unknown, unknown]> {
    const { prefix = '', limit = Infinity, partial = false } = o
    checkLimit(limit)
    let left = limit
    let cursor: string | undefined
    do {
      const page = await this.#list(prefix, Math.min(left, scanPageRows), cursor)
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
    const { prefix = '', limit = pageLimitDefault, cursor } = o
    checkLimit(limit)
    const listed = await this.#list(prefix, Math.min(limit, listLimitMax), cursor)
    const { entries, more, next, partitions } = listed
    return { entries: entries.map(rowOf), more, next: next ?? undefined, partitions }
  }

  async *range(key: Key, from: Date, to: Date): AsyncGenerator<WindowEntry<unknown>> {
    const end = timeOf('to', to)
    let next: string | number | null = timeOf('from', from)
    while (next !== null) {
      const query = { key: keyText(key), from: next, to: end }
      const listed = (await this.#ask(query)) as Listed
      for (const entry of listed.entries) {
        yield { start: new Date(entry.start!), end: new Date(entry.end!), value: valueOf(entry) }
      }
      next = listed.next
    }
  }

  async #list(prefix: string, limit: number, cursor?: string): Promise<Listed> {
    const query = { prefix: keyText(prefix), limit, ...(cursor !== undefined && { cursor }) }
    return (await this.#ask(query)) as Listed
  }

  /** The decoded answer; undefined when the key holds nothing. */
  async #ask(query: Readonly<Record<string, string | number>>): Promise<unknown> {
    const parts = Object.entries(query).map(([name, value]) => {
      return `${name}=${encodeURIComponent(value)}`
    })
    const { bytes, failure } = await ask(`${this.#url}?${parts.join('&')}`, losslessType)
    if (failure?.code === 'no-value') return undefined
    if (failure) throw failure.error
    return plainCodec.decode(bytes, 0, bytes.length)
  }
}

/** A list as it is answered. */
interface Listed {
  readonly entries: readonly ListedEntry[]
  readonly more: boolean
  readonly next: string | null
  readonly partitions: Coverage
}

interface ListedEntry {
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

function valueOf({ key, value, error }: ListedEntry): unknown {
  if (value !== undefined) return plainCodec.decode(value, 0, value.length)
  throw new HeadwaterError(
    'query-failed',
    `the value of key ${JSON.stringify(String(key).slice(0, 40))} cannot be given: ${error?.message}`,
  )
}

/** The text of a key. Throws `input-invalid` when it is no text that a record's key can be. */
function keyText(key: Key): string {
  const text = String(key)
  if (text.isWellFormed()) return text
  throw new HeadwaterError(
    'input-invalid',
    `no row can be asked for: ${JSON.stringify(text.slice(0, 40))} holds half a character, so no key's ` +
      'bytes are its',
  )
}
