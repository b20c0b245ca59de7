/** `headwater get`: asks a query server, and prints what it answers as it stands. */
import { HeadwaterError } from '../base/errors.ts'
import { askQuery } from '../query/client.ts'
import { print } from './output.ts'

export interface GetOptions {
  readonly url: string
  readonly window?: string
  readonly prefix?: string
  readonly limit?: number
  readonly json?: boolean
}

interface Asked {
  readonly service: string
  readonly view: string | undefined
  readonly key: string | undefined
}

export async function get(asked: Asked, options: GetOptions): Promise<void> {
  const { body, failure } = await askQuery(queryUrl(asked, options), 'application/json')
  if (failure) throw failure.error
  print(options.json ? JSON.stringify(JSON.parse(body)) : body.trimEnd())
}

/** The URL of a query: given whole, or put together from its parts. */
export function queryUrl({ service, view, key }: Asked, options: GetOptions): string {
  const isWhole = /^https?:\/\//.test(service)
  if (isWhole && view !== undefined) {
    throw new HeadwaterError('config-invalid', 'give the whole URL alone, or SERVICE VIEW KEY')
  }
  const path = [service, view, key].filter((part) => part !== undefined).map(encodeURIComponent)
  const text = isWhole ? service : `${options.url.replace(/\/+$/, '')}/v1/${path.join('/')}`
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new HeadwaterError(
      'config-invalid',
      `${isWhole ? service : options.url} is not where a query server can be: write it as in ` +
        'http://127.0.0.1:8092',
    )
  }
  for (const name of ['window', 'prefix', 'limit'] as const) {
    const value = options[name]
    if (value !== undefined) url.searchParams.set(name, String(value))
  }
  return url.href
}
