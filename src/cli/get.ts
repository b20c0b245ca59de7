/**
 * `headwater get`: asks a query server, and prints what it answers as it stands. Of a list it prints as many
 * entries as were asked for, page after page, and says on standard error what it left out.
 */
import { utf8String } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'
import { nodeHttpAsk } from '../io/node-http-ask.ts'
import { ask, askTimeoutMsDefault } from '../streams/asking/ask.ts'
import { listLimitMax } from '../streams/views/view-options.ts'
import { formatCount, print, printNote } from './output.ts'

export interface GetOptions {
  readonly url: string
  readonly window?: string
  readonly from?: string
  readonly to?: string
  readonly prefix?: string
  readonly limit?: number
  readonly cursor?: string
  readonly all?: boolean
  readonly json?: boolean
}

interface Asked {
  readonly service: string
  readonly view: string | undefined
  readonly key: string | undefined
}

export async function get(asked: Asked, options: GetOptions): Promise<void> {
  const url = queryUrl(asked, options)
  if (options.all) return printAll(url)
  const body = await fetchBody(url)
  const answer: unknown = JSON.parse(body)
  if (!isList(answer)) return print(options.json ? JSON.stringify(answer) : body.trimEnd())
  const list = await withMore(url, answer, options.limit ?? 0)
  print(options.json ? JSON.stringify(list) : JSON.stringify(list, null, 2))
  tellWhatIsMissing(list)
}

/** A list as it is answered. */
interface List {
  readonly entries: readonly unknown[]
  readonly more: boolean
  readonly next: string | null
  /** Absent in the windows of one key. */
  readonly partitions?: { readonly count: number; readonly covered: readonly number[] }
}

/** Whether an answer is a list of the server's: a value may have entries, too. */
function isList(answer: unknown): answer is List {
  if (typeof answer !== 'object' || answer === null) return false
  const { entries, more, next } = answer as Partial<List>
  return Array.isArray(entries) && typeof more === 'boolean' && next !== undefined
}

async function fetchBody(url: string): Promise<string> {
  const { bytes, failure } = await ask(nodeHttpAsk, url, {
    accept: 'application/json',
    timeoutMs: askTimeoutMsDefault,
  })
  if (failure) throw failure.error
  return utf8String(bytes)
}

/** The list with the pages behind it, as far as `limit` goes. */
async function withMore(url: string, first: List, limit: number): Promise<List> {
  const entries = [...first.entries]
  let last = first
  while (last.partitions !== undefined && last.next !== null && entries.length < limit) {
    last = coveredBy(last, await page(url, last.next, limit - entries.length))
    for (const entry of last.entries) entries.push(entry)
  }
  return { ...last, entries }
}

async function page(url: string, cursor: string | null, limit: number): Promise<List> {
  const next = new URL(url)
  next.searchParams.set('limit', String(Math.min(limit, listLimitMax)))
  if (cursor !== null) next.searchParams.set('cursor', cursor)
  const answer: unknown = JSON.parse(await fetchBody(next.href))
  if (isList(answer)) return answer
  throw new HeadwaterError(
    'config-invalid',
    '--all prints the entries of a view: name one, without a key, or leave --all out',
  )
}

/** Every entry on a line of its own, so that no list is too long. */
async function printAll(url: string): Promise<void> {
  let list: List | undefined
  let cursor: string | null = null
  do {
    const next: List = await page(url, cursor, listLimitMax)
    list = coveredBy(list ?? next, next)
    for (const entry of list.entries) print(JSON.stringify(entry))
    cursor = list.next
  } while (cursor !== null)
  tellWhatIsMissing(list)
}

/** A page, with the partitions that the ones before it had, too: others may have moved in between. */
function coveredBy({ partitions: before }: List, page: List): List {
  if (before === undefined || page.partitions === undefined) return page
  const covered = page.partitions.covered.filter((partition) => before.covered.includes(partition))
  return { ...page, partitions: { ...page.partitions, covered } }
}

function tellWhatIsMissing({ entries, more, next, partitions }: List): void {
  if (more && partitions === undefined) {
    printNote(`headwater: there are more windows: go on with --from ${next}`)
  } else if (more) {
    const shown = formatCount(entries.length)
    printNote(
      `headwater: ${shown} entries are shown and there are more: --limit N shows N of them, ` +
        `--all all; --cursor ${next} goes on`,
    )
  }
  if (partitions === undefined || partitions.covered.length === partitions.count) return
  printNote(
    `headwater: this instance holds ${partitions.covered.length} of the ${partitions.count} partitions, ` +
      'and shows their entries alone: ask the other instances of the service for theirs',
  )
}

/** The URL of a query: given whole, or put together from its parts. */
export function queryUrl({ service, view, key }: Asked, options: GetOptions): string {
  const isWhole = /^https?:\/\//.test(service)
  if (isWhole && view !== undefined) {
    throw new HeadwaterError('config-invalid', 'give the whole URL alone, or SERVICE VIEW KEY')
  }
  const path = [service, view].filter((part) => part !== undefined).map(encodeURIComponent)
  const text = isWhole ? service : `${options.url.replace(/\/+$/, '')}/v1/${path.join('/')}`
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new HeadwaterError(
      'config-invalid',
      `${isWhole ? service : options.url} is not where a query server can be: write it as in ` +
        'http://127.0.0.1:8092',
    )
  }
  // In a path some keys would be taken for something else.
  if (key !== undefined) url.searchParams.set('key', key)
  for (const name of ['window', 'from', 'to', 'prefix', 'cursor'] as const) {
    const value = options[name]
    if (value !== undefined) url.searchParams.set(name, value)
  }
  const { limit } = options
  if (limit !== undefined) url.searchParams.set('limit', String(Math.min(limit, listLimitMax)))
  return url.href
}
