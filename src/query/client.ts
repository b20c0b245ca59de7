/**
 * The typed client of the query server: `connect<typeof board>('http://127.0.0.1:8092/v1/board')` has one
 * view for each table the service returned, with its key and value types, from a type import alone.
 *
 * Values come in the lossless encoding and are the same objects the service holds: messages with their
 * bigints and bytes, plain values as they were.
 */
import { utf8String } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'
import type { Queries } from '../streams/topology/builder.ts'
import { plainCodec } from '../streams/stores/plain.ts'
import type { ScanOptions, Views, WindowEntry } from '../streams/views/views.ts'
import { listLimitMax } from './parameters.ts'
import { losslessType } from './server.ts'

/**
 * The views of the service at `url`, which ends in `/v1/<service>`. Nothing is asked until a view is read.
 * A read rejects with `query-failed` when the server refuses it and `connection-failed` when there is none.
 */
export function connect<S extends { readonly queries?: Queries }>(url: string): Views<S> {
  const base = url.replace(/\/+$/, '')
  return new Proxy({} as Views<S>, {
    get: (_target, name) =>
      typeof name === 'string' ? view(`${base}/${encode(name)}`) : undefined,
  })
}

function view(url: string) {
  return {
    get: (key: string | bigint, at?: Date) => {
      const path = `${url}/${encode(String(key))}`
      return fetchValue(at === undefined ? path : `${path}?window=${at.toISOString()}`)
    },
    async *scan({ prefix = '', limit = listLimitMax }: ScanOptions = {}) {
      const query = `prefix=${encode(prefix)}&limit=${limit}`
      const listed = (await fetchValue(`${url}?${query}`)) as Listed | undefined
      for (const { key, value } of listed?.entries ?? []) yield [key, value]
    },
    async *range(key: string | bigint, from: Date, to: Date): AsyncGenerator<WindowEntry<unknown>> {
      const query = `from=${from.toISOString()}&to=${to.toISOString()}`
      const listed = (await fetchValue(`${url}/${encode(String(key))}?${query}`)) as
        | Listed
        | undefined
      for (const { start, end, value } of listed?.entries ?? []) {
        yield { start: new Date(start!), end: new Date(end!), value }
      }
    },
  }
}

interface Listed {
  readonly entries: readonly {
    readonly key: string | bigint
    readonly start?: string
    readonly end?: string
    readonly value: unknown
  }[]
}

const encode = encodeURIComponent

/** The decoded answer; undefined when the key holds nothing. */
async function fetchValue(url: string): Promise<unknown> {
  const { bytes, failure } = await ask(url, losslessType)
  if (failure?.code === 'no-value') return undefined
  if (failure) throw failure.error
  return plainCodec.decode(bytes, 0, bytes.length)
}

/** What a query server answered: a body, and in `failure` why it is not a value. */
export interface QueryAnswer {
  readonly body: string
  readonly failure: { readonly code: string; readonly error: HeadwaterError } | undefined
}

/** Asks for `url` in the media type `accept`. Rejects with `connection-failed` when nobody answers. */
export async function askQuery(url: string, accept: string): Promise<QueryAnswer> {
  const { bytes, failure } = await ask(url, accept)
  return { body: utf8String(bytes), failure }
}

interface RawAnswer extends Pick<QueryAnswer, 'failure'> {
  readonly bytes: Uint8Array
}

async function ask(url: string, accept: string): Promise<RawAnswer> {
  const response = await request(url, accept)
  const bytes = new Uint8Array(await response.arrayBuffer())
  if (response.ok) return { bytes, failure: undefined }
  const { code, message } = readError(utf8String(bytes))
  // One that has ended does not come back by itself.
  const retriable = code === 'not-ready'
  const error = new HeadwaterError(
    'query-failed',
    `${url} answered ${response.status}: ${message}`,
    { retriable },
  )
  return { bytes, failure: { code, error } }
}

async function request(url: string, accept: string): Promise<Response> {
  try {
    return await fetch(url, { headers: { accept } })
  } catch (cause) {
    throw new HeadwaterError(
      'connection-failed',
      `no query server answers at ${url}: start one with \`headwater start\` or \`headwater run\`, or correct the URL`,
      { retriable: true, cause },
    )
  }
}

function readError(body: string): { code: string; message: string } {
  try {
    const { error } = JSON.parse(body) as { error: { code: string; message: string } }
    return { code: String(error.code), message: String(error.message) }
  } catch {
    return { code: 'unknown', message: body }
  }
}
