/**
 * What a request's URL says, taken apart exactly: a key is found by the text it is and by no other.
 *
 * Programs on the way may rewrite a path: `.` and `..` vanish, also percent-encoded, and so do empty parts. A
 * query they leave alone. So every key can be named in `?key=`; a path names those that survive it.
 */
import { refusal } from './refusal.ts'
import type { Refusal } from './refusal.ts'

/** Characters a URL may have: enough for a key of 20,000 bytes that are all percent-encoded. */
export const urlCharsMax = 64 * 1024

/** The path of a URL as it was sent, with its percent signs. */
export function rawPath(url: string): string {
  return splitUrl(url).path
}

interface SplitUrl {
  readonly path: string
  readonly query: string
}

function splitUrl(url: string): SplitUrl {
  const hash = url.indexOf('#')
  const whole = hash === -1 ? url : url.slice(0, hash)
  const start = whole.indexOf('/', whole.indexOf('://') + 3)
  const mark = whole.indexOf('?')
  if (mark === -1) return { path: whole.slice(start), query: '' }
  return { path: whole.slice(start, mark), query: whole.slice(mark + 1) }
}

/** The key that stands in a path behind `/v1/<service>/<view>/`. */
export function keyInPath(path: string): string | Refusal {
  const text = path.split('/').slice(4).join('/')
  const key = decodePart(text)
  if (key !== '') return key
  return refusal(
    'bad-request',
    "the path ends with '/': leave it out for a list, and write the key as ?key=… when it is '', '.' or '..'",
  )
}

/** The query of a URL as it was sent, without its question mark. */
export function rawQuery(url: string): string {
  return splitUrl(url).query
}

/** The same question with the key of its path in the query, where programs on the way leave it alone. */
export function queryWithKey(url: string): string {
  const { path, query } = splitUrl(url)
  const key = path.split('/').slice(4).join('/').replaceAll('+', '%2B').replaceAll('&', '%26')
  return query === '' ? `key=${key}` : `key=${key}&${query}`
}

/** The same query with another value of a parameter, whose name is plain text. */
export function queryWith(raw: string, name: string, value: number): string {
  const others = raw.split('&').filter((part) => {
    return part !== '' && decodePart(formText(part.split('=', 1)[0]!)) !== name
  })
  return [...others, `${name}=${value}`].join('&')
}

/** The query of a URL by its names. Refused: a name that is not among `names`, or twice, or not decodable. */
export function readQuery(url: string, names: readonly string[]): Query | Refusal {
  const query = new Map<string, string>()
  const written = splitUrl(url).query
  if (written === '') return query
  for (const part of written.split('&')) {
    if (part === '') continue
    const [rawName, ...rest] = part.split('=')
    const name = decodePart(formText(rawName!))
    if (typeof name === 'object') return name
    const value = decodePart(formText(rest.join('=')))
    if (typeof value === 'object') return value
    if (!names.includes(name)) {
      const shown = name.slice(0, 40)
      const there = names.length === 0 ? 'none' : names.join(', ')
      return refusal('bad-request', `'${shown}' is no parameter here: there are ${there}`)
    }
    const known = query.get(name)
    if (known !== undefined && !repeatable.has(name)) {
      return refusal('bad-request', `${name} is given twice: give it once`)
    }
    query.set(name, known === undefined ? value : `${known},${value}`)
  }
  return query
}

/** What may be given several times; the values stand behind each other with commas between. */
const repeatable: ReadonlySet<string> = new Set(['after'])

export type Query = ReadonlyMap<string, string>

/** In a query, as in a form, a plus sign is a space. */
function formText(text: string): string {
  return text.replaceAll('+', ' ')
}

function decodePart(text: string): string | Refusal {
  try {
    return decodeURIComponent(text)
  } catch {
    return refusal(
      'bad-request',
      `'${text.slice(0, 40)}' is not percent-encoded UTF-8: write a percent sign as %25`,
    )
  }
}
