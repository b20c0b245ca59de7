/**
 * Types of PostgreSQL that columns of a sink have: what they are called in DDL, which types an existing
 * column may have instead, and how values become the text that the server reads.
 *
 * Every value travels as text, the one form in which PostgreSQL takes each of its types from anybody
 * (documentation of PostgreSQL, chapter 8).
 */
import { HeadwaterError } from '../base/errors.ts'
import { plainJson } from '../schema/json.ts'

export type ColumnType =
  | 'boolean'
  | 'integer'
  | 'bigint'
  | 'numeric'
  | 'real'
  | 'double precision'
  | 'text'
  | 'uuid'
  | 'bytea'
  | 'timestamptz'
  | 'date'
  | 'jsonb'

/** What a function may give for a column; which of them, its type says. */
export type ColumnValue = unknown

/** A value as PostgreSQL reads it; null is NULL. */
export type SqlValue = string | null

/**
 * By type of a column: the types (`pg_type.typname`, its own first) that may take its values. All but those
 * of text hold every value; a text that is no `uuid` or no JSON is refused as the row comes.
 */
export const acceptedTypes: Readonly<Record<ColumnType, readonly string[]>> = {
  boolean: ['bool'],
  integer: ['int4', 'int8', 'numeric'],
  bigint: ['int8', 'numeric'],
  numeric: ['numeric'],
  real: ['float4', 'float8'],
  'double precision': ['float8'],
  text: ['text', 'varchar', 'citext', 'uuid', 'json', 'jsonb'],
  uuid: ['uuid', 'text'],
  bytea: ['bytea'],
  timestamptz: ['timestamptz'],
  date: ['date'],
  jsonb: ['jsonb', 'json'],
}

/** Characters of a wrong value that are shown. */
const shownMax = 40
/** Microseconds are what a `timestamptz` holds. */
const microDigits = 6
const nanoDigits = 9
/** 0001-01-01 and the end of 9999, in seconds since 1970: what a `Timestamp` may say (timestamp.proto). */
const secondsMin = -62_135_596_800n
const secondsMax = 253_402_300_799n

/**
 * What a function gave for a column of a type, as text. Throws `record-invalid` for a value of another
 * kind; undefined is NULL as null is.
 */
export function textOf(type: ColumnType, value: ColumnValue): SqlValue {
  if (value === null || value === undefined) return null
  const text = converters[type](value)
  if (text !== undefined) return type === 'jsonb' ? text : plainText(text)
  throw refuse(`is ${type}, and its function gave ${described(value)}`)
}

/** A text as PostgreSQL takes it. Throws `record-invalid` for one that holds the character of code zero, or half of one. */
export function plainText(text: string): string {
  if (text.includes('\0'))
    throw refuse('holds the character U+0000, which no text of PostgreSQL can')
  if (text.isWellFormed()) return text
  throw refuse('holds half a character, as cutting a text can leave one, and would be another text')
}

/** Bytes of which the text is made at a time: of a text that grows by each of them, all steps are kept. */
const hexBytes = 4_096

/** Bytes in the form `\x…`. */
export function bytesText(bytes: Uint8Array): string {
  const parts = ['\\x']
  for (let at = 0; at < bytes.length; at += hexBytes) {
    parts.push(Array.from(bytes.subarray(at, at + hexBytes), (byte) => hex[byte]!).join(''))
  }
  return parts.join('')
}

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** A float with its sign, also that of zero. */
export function floatText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value)
}

/**
 * A moment of `google.protobuf.Timestamp`; what is finer than a microsecond is cut off. Throws
 * `record-invalid` out of the years 1 to 9999.
 */
export function timestampText(seconds: bigint, nanos: number): string {
  const isValid = seconds >= secondsMin && seconds <= secondsMax && nanos >= 0 && nanos < 1e9
  if (!isValid) throw refuse(`is a Timestamp out of its range (${seconds} s, ${nanos} ns)`)
  const second = new Date(Number(seconds) * 1_000).toISOString().slice(0, -'.000Z'.length)
  const fraction = String(nanos).padStart(nanoDigits, '0').slice(0, microDigits)
  return `${second}.${fraction}Z`
}

/** By type: the text of a value; undefined when it is none of the type's. */
const converters: Readonly<Record<ColumnType, (value: unknown) => string | undefined>> = {
  boolean: (value) => (typeof value === 'boolean' ? String(value) : undefined),
  integer: wholeText,
  bigint: wholeText,
  numeric: (value) => (typeof value === 'string' ? value : (wholeText(value) ?? number(value))),
  real: number,
  'double precision': number,
  text: string,
  uuid: string,
  bytea: (value) => (value instanceof Uint8Array ? bytesText(value) : undefined),
  timestamptz: (value) => (value instanceof Date ? dateText(value) : string(value)),
  date: string,
  jsonb: (value) => JSON.stringify(plainJson(value)),
}

function wholeText(value: unknown): string | undefined {
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return String(value)
  return undefined
}

function number(value: unknown): string | undefined {
  return typeof value === 'number' ? floatText(value) : undefined
}

function string(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function dateText(value: Date): string | undefined {
  return Number.isNaN(value.getTime()) ? undefined : value.toISOString()
}

function described(value: unknown): string {
  if (value instanceof Date) return 'a Date that is no moment'
  if (typeof value === 'object' || typeof value === 'function') return 'a value of another kind'
  return `${typeof value} ${JSON.stringify(plainJson(value)).slice(0, shownMax)}`
}

function refuse(what: string): HeadwaterError {
  return new HeadwaterError('record-invalid', what)
}
