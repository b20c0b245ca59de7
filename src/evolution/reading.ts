/**
 * What one version reads of what another wrote, by writing and reading it: a message of nothing but the fields in
 * question is encoded as the writer declares them and decoded as the reader does.
 */
import { ScalarType, isFieldSet } from '@bufbuild/protobuf'
import type { DescField, DescMessage } from '@bufbuild/protobuf'
import { isWrapperDesc } from '@bufbuild/protobuf/wkt'
import { Writer } from '../base/bytes.ts'
import { isHeadwaterError } from '../base/errors.ts'
import { compileCodec } from '../schema/codec.ts'
import { presenceOf } from '../schema/presence.ts'
import { cardinalityOf } from './shape.ts'
import { candidatesOf, elementOf, meaningOf, shown, zeroOf } from './values.ts'

/** Values of a field, none where it is not set. */
export type Values = readonly unknown[]

/** A field and what is written into it. A map gets one entry a value. */
export interface Written {
  readonly field: DescField
  readonly values: Values
}

/** What the reader has in a field; `undefined` when it cannot read the message at all. */
export type ReadField = (field: DescField) => Values | undefined

type MapField = Extract<DescField, { fieldKind: 'map' }>

/** Writes fields as one version of their message declares them, and reads them as another does. */
export function carry(written: readonly Written[], readers: readonly DescField[]): ReadField {
  const init: Init = {}
  for (const { field, values } of written) put(init, field, values)
  const message = transfer(
    written.map(({ field }) => field),
    init,
    readers,
  )
  return (field) => message && valuesIn(message, field)
}

/** What the readers make of a message; undefined where they cannot read it. */
function transfer(
  writers: readonly DescField[],
  init: Init,
  readers: readonly DescField[],
): object | undefined {
  const bytes = new Writer()
  compileCodec(partOf(writers)).encode(init, bytes)
  try {
    return compileCodec(partOf(readers)).decode(bytes.bytes, 0, bytes.at)
  } catch (error) {
    if (isHeadwaterError(error, 'record-invalid')) return undefined
    throw error
  }
}

/** Their message, as if it had no other fields: it may have many, and some that it must have. */
function partOf(fields: readonly DescField[]): DescMessage {
  return shallow(fields[0]!.parent, fields, 0)
}

/** Of a message in a field the fields that a map's entry has, since it may be one. */
const entryNumberMax = 2

/**
 * A message with some of its fields, and with little below them: what is there is compared by itself, may need
 * itself, and may be deeper than any stack.
 */
function shallow(message: DescMessage, fields: readonly DescField[], depth: number): DescMessage {
  const own = fields.map((field): DescField => {
    const below = field.message
    if (below === undefined || below.typeName.startsWith('google.protobuf.')) return field
    return {
      ...field,
      message: shallow(below, depth === 0 ? entryFields(below) : [], depth + 1),
    }
  })
  return {
    ...message,
    fields: own,
    members: [...new Set(own.map((field) => field.oneof ?? field))],
  }
}

function entryFields({ fields }: DescMessage): DescField[] {
  return fields.filter(({ number }) => number <= entryNumberMax)
}

/** The first value of `writer` that `reader` takes for another, as it is written and as it is read. */
export function misreading(
  writer: DescField,
  reader: DescField,
): { readonly written: string; readonly read: string } | undefined {
  const element = elementOf(writer)
  const zero = isUntold(writer) ? meaningOf(element, zeroOf(element)) : undefined
  for (const value of candidatesOf(element)) {
    // It would not be written.
    if (meaningOf(element, value) === zero) continue
    const evidence = misread(writer, reader, [value])
    if (evidence !== undefined) return evidence
  }
  return undefined
}

/** As {@link misreading}, of the values given. */
export function misread(
  writer: DescField,
  reader: DescField,
  values: Values,
): { readonly written: string; readonly read: string } | undefined {
  const read = carry([{ field: writer, values }], [reader])(reader)
  const say = (field: DescField, of: Values): string =>
    of.map((value) => meaningOf(elementOf(field), value)).join()
  if (read !== undefined && say(writer, values) === say(reader, orZero(reader, read))) {
    return undefined
  }
  return { written: fieldText(writer, values), read: fieldText(reader, read) }
}

/** Whether a field's zero cannot be told from none. */
function isUntold(field: DescField): boolean {
  return cardinalityOf(field) === 'one' && presenceOf(field) === 'implicit'
}

function orZero(reader: DescField, read: Values): Values {
  return isUntold(reader) && read.length === 0 ? [zeroOf(elementOf(reader))] : read
}

/** The first key of a map that `reader` takes for another. */
export function misreadKey(
  writer: MapField,
  reader: MapField,
): { readonly written: string; readonly read: string } | undefined {
  for (const key of candidatesOf({ kind: 'scalar', scalar: writer.mapKey })) {
    const init = { [writer.localName]: { [String(key)]: anyValueOf(writer) } }
    const message = transfer([writer], init, [reader]) as Init | undefined
    const [read] = Object.keys((message?.[reader.localName] as object | undefined) ?? {})
    if (read !== undefined && keyMeaning(read) === keyMeaning(String(key))) continue
    return {
      written: `${writer.name}: a value under ${String(key)}`,
      read: read === undefined ? `${reader.name} not set` : `${reader.name}: under '${read}'`,
    }
  }
  return undefined
}

/** protobuf-es has all keys as texts. */
function keyMeaning(key: string): string {
  return key === 'true' ? '1' : key === 'false' ? '0' : key
}

/** `quantity: 5`, `tags: ["a", "b"]`, `quantity not set`. */
export function fieldText(field: DescField, values: Values | undefined): string {
  if (values === undefined) return 'an event that cannot be read at all'
  if (values.length === 0) return `${field.name} not set`
  const element = elementOf(field)
  const texts = values.map((value) => shown(element, value))
  if (field.fieldKind === 'list') return `${field.name}: [${texts.join(', ')}]`
  if (field.fieldKind === 'map') return `${field.name}: {${texts.join(', ')}}`
  return `${field.name}: ${texts[0]!}`
}

/**
 * A value of a field for which one is needed and any will do.
 * @param depth of the field's message below the one that is written
 */
export function anyValueOf(field: DescField, depth = 0): unknown {
  if (field.message === undefined) return candidatesOf(elementOf(field))[0] ?? 0
  const isPlain = field.fieldKind === 'message' && field.oneof === undefined
  // Of these protobuf-es has the value where others have a message.
  if (isPlain && isWrapperDesc(field.message)) return anyValueOf(field.message.fields[0])
  return depth === 0 ? requiredOf(field.message) : {}
}

type Init = Record<string, unknown>

/** What a message cannot be written without, as far as there is anything in it. */
function requiredOf(message: DescMessage): Init {
  const init: Init = {}
  for (const field of entryFields(message)) {
    if (presenceOf(field) === 'required') put(init, field, [anyValueOf(field, 1)])
  }
  return init
}

function put(init: Init, field: DescField, values: Values): void {
  const name = field.localName
  if (field.fieldKind === 'list') init[name] = [...values]
  else if (field.fieldKind === 'map') {
    const key = (i: number) => (field.mapKey === ScalarType.BOOL ? String(i > 0) : String(i + 1))
    init[name] = Object.fromEntries(values.map((value, i) => [key(i), value]))
  } else if (field.oneof === undefined) init[name] = values[0]
  else init[field.oneof.localName] = { case: name, value: values[0] }
}

function valuesIn(message: object, field: DescField): Values {
  if (!isFieldSet(message as never, field)) return []
  const fields = message as Init
  if (field.oneof !== undefined)
    return [(fields[field.oneof.localName] as { value: unknown }).value]
  const value = fields[field.localName]
  if (field.fieldKind === 'list') return value as Values
  return field.fieldKind === 'map' ? Object.values(value as object) : [value]
}
