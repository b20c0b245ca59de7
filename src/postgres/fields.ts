/**
 * The mapping from fields of messages to columns. `docs/postgres.md` has the table.
 *
 * A field that may be absent (`optional`, a message, a case of a oneof) is NULL when it is; every other one
 * always has a value, as Protocol Buffers have it.
 */
import { ScalarType } from '@bufbuild/protobuf'
import type { DescField, DescMessage } from '@bufbuild/protobuf'
import { messageJson } from '../schema/json.ts'
import { presenceOf } from '../schema/presence.ts'
import { bytesText, floatText, plainText, timestampText } from './column-types.ts'
import type { ColumnType, SqlValue } from './column-types.ts'

type Fields = Readonly<Record<string, unknown>>

/** A field as a column. */
export interface FieldColumn {
  readonly type: ColumnType
  readonly isNullable: boolean
  /** @param json the whole message by Protocol Buffers' JSON mapping, made when it is first asked for */
  of(message: Fields, json: () => Fields): SqlValue
}

export function fieldColumn(field: DescField): FieldColumn {
  const { type, text } = mapped(field)
  return {
    type,
    isNullable: isNullable(field),
    of: (message, json) => {
      const value = valueOf(field, message)
      if (value === undefined || value === null) return null
      return text === undefined ? JSON.stringify(json()[field.jsonName]) : text(value)
    },
  }
}

/** The JSON of a message, made once. */
export function lazyJson(schema: DescMessage, message: never): () => Fields {
  let json: Fields | undefined
  return () => (json ??= messageJson(schema, message) as Fields)
}

function valueOf(field: DescField, message: Fields): unknown {
  if (field.oneof === undefined) return message[field.localName]
  const chosen = message[field.oneof.localName] as { case?: string; value?: unknown } | undefined
  return chosen?.case === field.localName ? chosen.value : undefined
}

function isNullable(field: DescField): boolean {
  if (field.fieldKind === 'list' || field.fieldKind === 'map') return false
  return field.oneof !== undefined || presenceOf(field) !== 'implicit'
}

interface Mapped {
  readonly type: ColumnType
  /** Left out: what the JSON of the message says. */
  readonly text?: (value: unknown) => string
}

function mapped(field: DescField): Mapped {
  switch (field.fieldKind) {
    case 'scalar':
      return scalars[field.scalar]
    case 'enum':
      return {
        type: 'text',
        text: (value) => field.enum.value[value as number]?.name ?? String(value),
      }
    case 'message':
      return field.message.typeName === 'google.protobuf.Timestamp' ? timestamp : json
    case 'list':
    case 'map':
      return json
  }
}

const json: Mapped = { type: 'jsonb' }
const whole = String as (value: unknown) => string
const integer: Mapped = { type: 'integer', text: whole }
const bigint: Mapped = { type: 'bigint', text: whole }
/** Half of what fits unsigned 64 bits does not fit a `bigint`. */
const unsigned: Mapped = { type: 'numeric', text: whole }
const timestamp: Mapped = {
  type: 'timestamptz',
  text: (value) => {
    const { seconds, nanos } = value as { seconds: bigint; nanos: number }
    return timestampText(seconds, nanos)
  },
}
const float = (value: unknown): string => floatText(value as number)

const scalars: Readonly<Record<ScalarType, Mapped>> = {
  [ScalarType.DOUBLE]: { type: 'double precision', text: float },
  [ScalarType.FLOAT]: { type: 'real', text: float },
  [ScalarType.INT32]: integer,
  [ScalarType.SINT32]: integer,
  [ScalarType.SFIXED32]: integer,
  [ScalarType.UINT32]: bigint,
  [ScalarType.FIXED32]: bigint,
  [ScalarType.INT64]: bigint,
  [ScalarType.SINT64]: bigint,
  [ScalarType.SFIXED64]: bigint,
  [ScalarType.UINT64]: unsigned,
  [ScalarType.FIXED64]: unsigned,
  [ScalarType.BOOL]: { type: 'boolean', text: whole },
  [ScalarType.STRING]: { type: 'text', text: (value) => plainText(value as string) },
  [ScalarType.BYTES]: { type: 'bytea', text: (value) => bytesText(value as Uint8Array) },
}
