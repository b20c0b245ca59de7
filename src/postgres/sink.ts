/**
 * Declares a sink: streams that go into tables of PostgreSQL, and how a message becomes a row.
 *
 * An entity stream becomes a table with one row of each key, which its events insert or change and its
 * deletions delete. A stream of facts becomes a table to which each fact adds a row. Nothing here knows a
 * broker or a database, so sinks can be checked and their DDL printed without either.
 */
import { utf8Bytes } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'
import type { AnyEvent, KeyOf, ValueOf } from '../events/event.ts'
import { fieldColumn, lazyJson } from './fields.ts'
import { operatorFailed } from '../streams/operators/operator.ts'
import type { OnError } from '../streams/topology/topology.ts'
import { acceptedTypes, plainText, textOf } from './column-types.ts'
import type { ColumnType, ColumnValue, SqlValue } from './column-types.ts'

/** The record a row is made of. */
export interface SinkRecord<K = unknown> {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since 1970; -1 when it has none. */
  readonly timestamp: number
  /** Null for a record without a key. */
  readonly key: K | null
}

/** A column that a function makes: its type, and its value of each message; null and undefined are NULL. */
export interface ComputedColumn<E extends AnyEvent> {
  readonly type: ColumnType
  readonly from: (message: ValueOf<E>, record: SinkRecord<KeyOf<E['key']>>) => ColumnValue
}

/** By column: the message's property that goes there, or a function. */
export type Columns<E extends AnyEvent> = Readonly<Record<string, FieldOf<E> | ComputedColumn<E>>>

type FieldOf<E extends AnyEvent> = Exclude<keyof ValueOf<E> & string, `$${string}`>

/** The same when the event is not known. */
type AnyColumns = Readonly<Record<string, string | ComputedColumn<AnyEvent>>>

/** One stream and the table it goes into. */
export interface SinkTable {
  /** As it is written in DDL: `orders`, or `shop.orders`. */
  readonly name: string
  readonly event: AnyEvent
  /** `upsert`: one row a key; `insert`: one row a fact. */
  readonly mode: 'upsert' | 'insert'
  readonly columns: readonly SinkColumn[]
  /** Names of the columns that tell rows apart; none: nothing does. */
  readonly key: readonly string[]
}

/** A column, and its value in the row of a message. */
export interface SinkColumn {
  readonly name: string
  readonly type: ColumnType
  readonly isNullable: boolean
  /** Throws `record-invalid` or `operator-failed` when there is no such value. */
  of(at: MessageAt): SqlValue
}

/** A message at hand. */
export interface MessageAt {
  readonly message: never
  /** Its JSON by Protocol Buffers' mapping. */
  json(): Readonly<Record<string, unknown>>
  readonly record: SinkRecord
}

export interface PostgresSink<N extends string = string> {
  /** Names its consumer group, its positions, and its dead letters. */
  readonly name: N
  readonly reads: readonly AnyEvent[]
  /** None, and so no context: what a sink writes is no stream. */
  readonly writes: readonly []
  readonly context: undefined
  readonly tables: readonly SinkTable[]
  readonly onError: OnError
}

/** What PostgreSQL cuts names off at (`NAMEDATALEN` - 1), in bytes. */
const nameBytesMax = 63

/**
 * A stream that goes into a table.
 * @param name the table, in a schema or in the first of `search_path`
 * @param declared `columns` is every field under its name in the contract when left out; `key` names the
 *   columns that tell facts apart, for the table of an entity stream it is the stream's key
 */
export function table<E extends AnyEvent>(
  name: string,
  declared: {
    readonly from: E
    readonly columns?: Columns<E>
    readonly key?: readonly string[]
  },
): SinkTable {
  const { from: event } = declared
  const where = `table '${name}'`
  for (const part of name.split('.')) checkName(where, part)
  if (name.split('.').length > 2) throw invalid(`${where}: write it as table or schema.table`)
  const given = declared.columns as AnyColumns | undefined
  const columns = given === undefined ? allFields(event) : chosen(where, event, given)
  for (const column of columns) checkName(where, column.name)
  if (columns.length === 0) throw invalid(`${where} has no columns: give it one`)
  const mode = event.kind === 'entity' ? 'upsert' : 'insert'
  const keys = mode === 'upsert' ? [entityKey(where, event, given, columns)] : declared.key
  if (mode === 'upsert' && declared.key !== undefined) {
    throw invalid(`${where} is of entity stream '${event.name}', whose key it has: leave key out`)
  }
  const key = keys ?? []
  for (const each of key) {
    if (columns.some((column) => column.name === each)) continue
    throw invalid(`${where} has the key '${each}', which is none of its columns`)
  }
  return Object.freeze({ name, event, mode, columns, key: Object.freeze([...key]) })
}

/**
 * A sink, run by `runSink`. Throws `topology-invalid` when it does not hold together.
 * @param declared `onError`: what becomes of a record that makes no row, or one that PostgreSQL refuses; as
 *   for services, the sink stops there unless told otherwise
 */
export function postgresSink<const N extends string>(
  name: N,
  declared: { readonly tables: readonly SinkTable[]; readonly onError?: OnError },
): PostgresSink<N> {
  if (!/^(?!\.\.?$)[a-zA-Z0-9._-]{1,100}$/.test(name)) {
    throw invalid(
      `a sink is called '${name}', which topics cannot carry: use up to 100 letters, digits, '.', '_' and ` +
        "'-', and not '.' or '..' alone",
    )
  }
  const { tables, onError = 'stop' } = declared
  if (tables.length === 0) throw invalid(`sink '${name}' has no tables: give it one`)
  const seen = new Set<string>()
  for (const each of tables) {
    if (seen.has(each.name)) {
      throw invalid(`sink '${name}' has two streams for table '${each.name}': give each its own`)
    }
    seen.add(each.name)
  }
  const reads = [...new Map(tables.map(({ event }) => [event.name, event])).values()]
  return Object.freeze({
    name,
    reads,
    writes: [] as const,
    context: undefined,
    tables: Object.freeze([...tables]),
    onError,
  })
}

function allFields(event: AnyEvent): SinkColumn[] {
  return event.schema.fields.map((field) => ofField(event, field.name, field.localName))
}

function chosen(where: string, event: AnyEvent, columns: AnyColumns): SinkColumn[] {
  return Object.entries(columns).map(([name, from]) => {
    if (typeof from !== 'string') return computed(where, name, from)
    const isField = event.schema.fields.some(({ localName }) => localName === from)
    if (isField) return ofField(event, name, from)
    const oneof = event.schema.oneofs.some(({ localName }) => localName === from)
    const why = oneof ? 'a oneof: name one of its cases, or take a function' : 'no field'
    throw invalid(`${where}, column '${name}': '${from}' is ${why} of ${event.schema.typeName}`)
  })
}

function ofField(event: AnyEvent, name: string, localName: string): SinkColumn {
  const column = fieldColumn(event.schema.fields.find((field) => field.localName === localName)!)
  const { type, isNullable } = column
  // What deletes a row has a key and no message: so the record's key is the row's.
  if (event.kind === 'entity' && event.by === localName) {
    const of: SinkColumn['of'] = ({ record }) => plainText(String(record.key))
    return { name, type, isNullable: false, of }
  }
  return { name, type, isNullable, of: (at) => column.of(at.message, () => at.json()) }
}

function computed(where: string, name: string, declared: ComputedColumn<AnyEvent>): SinkColumn {
  const { type, from } = declared
  if (!Object.hasOwn(acceptedTypes, type)) {
    const all = Object.keys(acceptedTypes).join(', ')
    throw invalid(`${where}, column '${name}': '${type}' is no type a column may have: ${all}`)
  }
  return {
    name,
    type,
    isNullable: true,
    of: ({ message, record }) => {
      let value: ColumnValue
      try {
        value = from(message, record as SinkRecord<never>)
      } catch (error) {
        throw operatorFailed('its function', error)
      }
      return textOf(type, value)
    },
  }
}

function entityKey(
  where: string,
  event: AnyEvent,
  given: AnyColumns | undefined,
  columns: readonly SinkColumn[],
): string {
  if (given === undefined) {
    const at = event.schema.fields.findIndex(({ localName }) => localName === event.by)
    return columns[at]!.name
  }
  const [found] = Object.entries(given).find(([, from]) => from === event.by) ?? []
  if (found !== undefined) return found
  throw invalid(
    `${where} has no column of '${event.by}', the key of '${event.name}', by which its rows are changed and ` +
      'deleted: add one',
  )
}

/** The message of a record, with what columns may ask of it. */
export function messageAt(event: AnyEvent, message: unknown, record: SinkRecord): MessageAt {
  return { message: message as never, json: lazyJson(event.schema, message as never), record }
}

function checkName(where: string, name: string): void {
  const bytes = utf8Bytes(name).length
  if (bytes > 0 && bytes <= nameBytesMax && !name.includes('\0')) return
  throw invalid(
    `${where}: '${name}' is no name that PostgreSQL keeps: use 1 to ${nameBytesMax} bytes of UTF-8`,
  )
}

function invalid(what: string): HeadwaterError {
  return new HeadwaterError('topology-invalid', what)
}
