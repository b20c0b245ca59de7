/**
 * The two well-known types that protobuf-es hands to programs as plain values instead of messages:
 * wrappers (`google.protobuf.StringValue` as a string) and `google.protobuf.Struct` (as a JSON object).
 *
 * A codec works on messages, so fields of these types are turned into messages before they are written
 * and back after they are read.
 */
import type { DescField, DescMessage } from '@bufbuild/protobuf'
import { isWrapperDesc } from '@bufbuild/protobuf/wkt'

/** A message or an initializer of one, by its properties. */
export type Fields = Record<string, unknown>

/** How values of a field become messages and come back. */
export interface LocalForm {
  toMessage(local: unknown): Fields
  toLocal(message: Fields): unknown
}

/** The form of a message field's values; undefined when they are messages. */
export function localForm(field: DescField & { message: DescMessage }): LocalForm | undefined {
  if (
    field.message.typeName === 'google.protobuf.Struct' &&
    field.parent.typeName !== 'google.protobuf.Value'
  ) {
    return structForm
  }
  if (field.fieldKind !== 'message' || field.oneof || !isWrapperDesc(field.message)) {
    return undefined
  }
  const name = field.message.fields[0].localName
  return {
    toMessage: (local) => ({ [name]: local }),
    toLocal: (message) => message[name],
  }
}

/** Sets a property whatever its name is: a map's key may be `__proto__`. */
export function setEntry(entries: Fields, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(entries, key, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    })
  } else {
    entries[key] = value
  }
}

const structForm: LocalForm = { toMessage: toStruct, toLocal: fromStruct }

/** One of the cases of `google.protobuf.Value`. */
interface Kind {
  readonly case: string | undefined
  readonly value?: unknown
}

function toStruct(json: unknown): Fields {
  const fields: Fields = {}
  for (const [key, value] of Object.entries(json as Fields)) setEntry(fields, key, toValue(value))
  return { fields }
}

function toValue(json: unknown): Fields {
  return { kind: toKind(json) }
}

function toKind(json: unknown): Kind {
  if (typeof json === 'number') return { case: 'numberValue', value: json }
  if (typeof json === 'string') return { case: 'stringValue', value: json }
  if (typeof json === 'boolean') return { case: 'boolValue', value: json }
  if (json === null) return { case: 'nullValue', value: 0 }
  if (Array.isArray(json)) return { case: 'listValue', value: { values: json.map(toValue) } }
  if (typeof json === 'object') return { case: 'structValue', value: toStruct(json) }
  return { case: undefined }
}

function fromStruct(struct: Fields): Fields {
  const json: Fields = {}
  for (const [key, value] of Object.entries(struct['fields'] as Record<string, Fields>)) {
    setEntry(json, key, fromValue(value))
  }
  return json
}

function fromValue(message: Fields): unknown {
  const kind = message['kind'] as Kind
  switch (kind.case) {
    case 'structValue':
      return fromStruct(kind.value as Fields)
    case 'listValue':
      return (kind.value as { values: Fields[] }).values.map(fromValue)
    case undefined:
    case 'nullValue':
      return null
    default:
      return kind.value
  }
}
