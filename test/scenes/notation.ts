/**
 * The way scenes write values: JSON without its noise. Words need no quotes, bytes are text in backquotes,
 * and what says nothing (null, '', [], throttle time) is left out when printing.
 *
 *     {groupId: g, topics: [{name: flights, partitions: [0, 1]}], metadata: `abc`, memberId: ''}
 */
import { zeroUuid } from '../../src/base/units.ts'
import { errorName } from '../../src/protocol/errors.ts'

const wordPattern = /^[\p{L}\d_@/$*<>+-][\p{L}\d_.:@/$*<>+-]*$/u

/** The value as a scene shows it. */
export function show(value: unknown): string {
  if (value instanceof Uint8Array) return `\`${new TextDecoder().decode(value)}\``
  if (value instanceof Map) return show(Object.fromEntries(value as Map<string, unknown>))
  if (value instanceof Set) return show([...value])
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`
  if (value !== null && typeof value === 'object') {
    const fields = Object.entries(value).filter(([name, field]) => speaks(name, field))
    return `{${fields.map(([name, field]) => `${name}: ${showField(name, field)}`).join(', ')}}`
  }
  if (typeof value !== 'string') return String(value)
  const isWord = wordPattern.test(value) && scalar(value) === value
  return isWord ? value : quoted(value)
}

/** The fields of a response, its error first and by name. */
export function showResponse(response: unknown): string {
  if (response === undefined) return 'done'
  const { errorCode, ...rest } = response as Record<string, unknown>
  const shown = show(rest)
  if (typeof errorCode !== 'number') return shown
  return shown === '{}' ? errorName(errorCode) : `${errorName(errorCode)} ${shown}`
}

/** The value a scene writes, from `at` on, and where it ends. */
export function parse(text: string): unknown {
  const parser = { text, at: 0 }
  const value = parseValue(parser)
  skipBlanks(parser)
  if (parser.at < text.length)
    throw new Error(`'${text.slice(parser.at)}' is left over in: ${text}`)
  return value
}

interface Parser {
  readonly text: string
  at: number
}

function parseValue(parser: Parser): unknown {
  skipBlanks(parser)
  const { text } = parser
  switch (text.charAt(parser.at)) {
    case '{':
      return Object.fromEntries(
        parseItems(parser, '}', () => {
          const name = parseWord(parser)
          expect(parser, ':')
          return [name, parseValue(parser)] as const
        }),
      )
    case '[':
      return parseItems(parser, ']', () => parseValue(parser))
    case "'":
      return parseQuoted(parser, "'")
    case '`':
      return new TextEncoder().encode(parseQuoted(parser, '`'))
    default:
      return scalar(parseWord(parser))
  }
}

function parseItems<T>(parser: Parser, end: string, parseItem: () => T): T[] {
  parser.at++
  const items: T[] = []
  for (;;) {
    skipBlanks(parser)
    if (parser.text[parser.at] === end) break
    items.push(parseItem())
    skipBlanks(parser)
    if (parser.text[parser.at] === ',') parser.at++
    else if (parser.text[parser.at] !== end) throw new Error(`'${end}' is missing: ${parser.text}`)
  }
  parser.at++
  return items
}

function parseQuoted(parser: Parser, mark: string): string {
  const end = parser.text.indexOf(mark, parser.at + 1)
  if (end < 0) throw new Error(`a ${mark} is not closed: ${parser.text}`)
  const inner = parser.text.slice(parser.at + 1, end)
  parser.at = end + 1
  return inner
}

function parseWord(parser: Parser): string {
  skipBlanks(parser)
  const match = /^[^\s,:[\]{}'`]+(?::[^\s,[\]{}'`]+)*/u.exec(parser.text.slice(parser.at))
  if (match === null) throw new Error(`a value is missing at ${parser.at}: ${parser.text}`)
  parser.at += match[0].length
  return match[0]
}

function scalar(word: string): unknown {
  if (word === 'null') return null
  if (word === 'true') return true
  if (word === 'false') return false
  return /^-?\d+(\.\d+)?$/.test(word) ? Number(word) : word
}

function expect(parser: Parser, mark: string): void {
  skipBlanks(parser)
  if (parser.text[parser.at] !== mark) throw new Error(`'${mark}' is missing: ${parser.text}`)
  parser.at++
}

function skipBlanks(parser: Parser): void {
  while (/\s/.test(parser.text[parser.at] ?? '')) parser.at++
}

function speaks(name: string, field: unknown): boolean {
  if (field === false) return name === 'commit'
  if (field === undefined || field === null || field === '') return false
  if (field === zeroUuid) return false
  if (name === 'throttleTimeMs' || name === 'authorizedOperations') return false
  return !(Array.isArray(field) || field instanceof Uint8Array) || field.length > 0
}

/** Lists of every config there is are counted, not shown. */
const configsShownMax = 8

function showField(name: string, field: unknown): string {
  const count = field instanceof Map ? field.size : Array.isArray(field) ? field.length : 0
  if (name === 'configs' && count > configsShownMax) return `(${count})`
  const isError = name === 'errorCode' || name === 'partitionErrorCode'
  return isError && typeof field === 'number' ? errorName(field) : show(field)
}

/** A number or keyword in quotes stays a word when it is read back. */
function quoted(text: string): string {
  return `'${text}'`
}
