/**
 * Values as JSON: messages by Protocol Buffers' own mapping, plain data in the same spirit. No value that can
 * be stored is without a form here.
 *
 * That mapping has no JSON for some messages: an `Any` of a type that is not known, a `Timestamp` or
 * `Duration` out of its range, a `FieldMask` that does not survive camel case, a `Value` of NaN or of nothing,
 * a required field that is not set. Such a message, and every well-known one around it, is written as the
 * mapping writes any other message: an object of its fields.
 */
import { createRegistry, fromJson, ScalarType, toJson } from '@bufbuild/protobuf'
import type {
  DescField,
  DescFile,
  DescMessage,
  JsonValue,
  MessageShape,
  Registry,
} from '@bufbuild/protobuf'
import { reflect } from '@bufbuild/protobuf/reflect'
import type { ReflectMessage } from '@bufbuild/protobuf/reflect'
import { base64Encode } from '@bufbuild/protobuf/wire'
import {
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt'
import { isAlwaysWritten } from './json-schema.ts'

/** A message as JSON, with the fields that have no presence written out even when they are zero. */
export function messageJson(schema: DescMessage, message: MessageShape<DescMessage>): unknown {
  const known = knownTypes(schema.file)
  return byMapping(schema, message, known) ?? byFields(reflect(schema, message, false), known)
}

/** The message that JSON of that mapping is; throws what is wrong with it, also a field that the message has not. */
export function messageFromJson(schema: DescMessage, json: object): MessageShape<DescMessage> {
  return fromJson(schema, json as JsonValue, { registry: knownTypes(schema.file) })
}

/**
 * Plain data as JSON: bigints as decimal text, bytes as base64, Dates as RFC 3339 (what is no date as
 * `"Invalid Date"`), infinities and NaN as `"Infinity"`, `"-Infinity"` and `"NaN"`. What is undefined is left
 * out of an object, and null in an array.
 */
export function plainJson(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return numberJson(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return base64Encode(value)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? String(value) : value.toJSON()
  if (Array.isArray(value)) return value.map(plainJson)
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, plainJson(part)]))
}

function numberJson(value: number): unknown {
  return Number.isFinite(value) ? value : String(value)
}

/** What the mapping makes of a message; undefined when it has no JSON for it. */
function byMapping(
  schema: DescMessage,
  message: MessageShape<DescMessage>,
  registry: Registry,
): unknown {
  try {
    return toJson(schema, message, { alwaysEmitImplicit: true, registry })
  } catch {
    return undefined
  }
}

/** The fields of a message, each by the mapping where that can say it. */
function byFields(message: ReflectMessage, known: Registry): unknown {
  const fields: [string, unknown][] = []
  for (const field of message.sortedFields) {
    if (!message.isSet(field) && !isAlwaysWritten(field)) continue
    fields.push([field.jsonName, fieldJson(message, field, known)])
  }
  return Object.fromEntries(fields)
}

function fieldJson(message: ReflectMessage, field: DescField, known: Registry): unknown {
  const one = (value: unknown): unknown => valueJson(field, value, known)
  switch (field.fieldKind) {
    case 'list':
      return Array.from(message.get(field), one)
    case 'map':
      return Object.fromEntries(
        Array.from(message.get(field), ([key, value]) => [String(key), one(value)]),
      )
    case 'scalar':
    case 'enum':
    case 'message':
      return one(message.get(field))
  }
}

/** One value of a field, of a list or of a map. */
function valueJson(field: DescField, value: unknown, known: Registry): unknown {
  if (field.enum !== undefined) {
    if (field.enum.typeName === 'google.protobuf.NullValue') return null
    return field.enum.value[value as number]?.name ?? value
  }
  if (field.message !== undefined) {
    const part = value as ReflectMessage
    return byMapping(part.desc, part.message, known) ?? byFields(part, known)
  }
  return field.scalar === ScalarType.BYTES ? base64Encode(value as Uint8Array) : plainJson(value)
}

const wellKnown: readonly DescFile[] = [
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
]

const registries = new WeakMap<DescFile, Registry>()

/** The types that an `Any` in a message of this file may hold: of the file, of its imports, well-known ones. */
function knownTypes(file: DescFile): Registry {
  let known = registries.get(file)
  if (known === undefined) {
    const files = new Set(wellKnown)
    addImports(file, files)
    registries.set(file, (known = createRegistry(...files)))
  }
  return known
}

function addImports(file: DescFile, files: Set<DescFile>): void {
  if (files.has(file)) return
  files.add(file)
  for (const each of file.dependencies) addImports(each, files)
}
