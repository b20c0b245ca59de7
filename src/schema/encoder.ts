/**
 * Compiles a message descriptor to closures that write its fields, in order of their numbers.
 *
 * They take messages and initializers alike: what is left out, or null, has its default. Unknown fields
 * that a message carries are written again at its end, so a service that passes on a message from a
 * newer version of its schema loses nothing.
 */
import { ScalarType } from '@bufbuild/protobuf'
import type { DescField, DescMessage, DescOneof } from '@bufbuild/protobuf'
import type { Writer } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'
import { localForm } from './local-form.ts'
import type { Fields } from './local-form.ts'
import { presenceOf } from './presence.ts'
import { enumScalar, scalarOf } from './scalars.ts'
import type { Scalar } from './scalars.ts'
import { Wire, closeSpan, openSpan, writeVarint32 } from './wire.ts'

/** Appends a message's fields, without a length before them. */
export interface Encoder {
  write(message: Fields, writer: Writer): void
}

/** The encoder of a message type, compiled once. */
export function encoderOf(message: DescMessage): Encoder {
  let encoder = encoders.get(message)
  if (encoder === undefined) {
    encoder = new MessageEncoder(message.typeName)
    // Known before its fields are compiled, because a message may contain itself.
    encoders.set(message, encoder)
    for (const field of message.fields.toSorted((a, b) => a.number - b.number)) {
      encoder.fields.push(compileField(field))
    }
  }
  return encoder
}

const encoders = new WeakMap<DescMessage, MessageEncoder>()

/** protobuf-es numbers the editions like descriptor.proto. */
const editionProto3 = 999

type WriteField = (message: Fields, writer: Writer) => void
type WriteValue = (writer: Writer, value: unknown) => void

class MessageEncoder implements Encoder {
  readonly fields: WriteField[] = []
  readonly #typeName: string

  constructor(typeName: string) {
    this.#typeName = typeName
  }

  write(message: Fields, writer: Writer): void {
    const type = message['$typeName'] as string | undefined
    if (type !== this.#typeName && type !== undefined) {
      throw invalid(`a message ${type} was given where ${this.#typeName} is wanted`)
    }
    const { fields } = this
    for (let i = 0; i < fields.length; i++) fields[i]!(message, writer)
    const unknown = message['$unknown'] as readonly UnknownField[] | undefined
    if (unknown === undefined) return
    for (const field of unknown) {
      writeVarint32(writer, tagOf(field.no, field.wireType))
      writer.append(field.data)
    }
  }
}

interface UnknownField {
  readonly no: number
  readonly wireType: number
  readonly data: Uint8Array
}

function compileField(field: DescField): WriteField {
  if (field.fieldKind === 'list') return compileList(field)
  if (field.fieldKind === 'map') return compileMap(field)
  return field.oneof ? compileCase(field, field.oneof) : compileSingular(field)
}

type SingularField = Extract<DescField, { fieldKind: 'scalar' | 'enum' | 'message' }>

function compileCase(field: SingularField, oneof: DescOneof): WriteField {
  const write = compileValue(field)
  const group = oneof.localName
  const name = field.localName
  return (message, writer) => {
    const chosen = message[group] as { case?: string; value?: unknown } | undefined | null
    if (chosen?.case === name) write(writer, chosen.value)
  }
}

function compileSingular(field: SingularField): WriteField {
  const write = compileValue(field)
  const name = field.localName
  if (presenceOf(field) === 'implicit') {
    const { isZero } = scalarIn(field)
    return (message, writer) => {
      const value = message[name]
      if (value !== undefined && value !== null && !isZero(value)) write(writer, value)
    }
  }
  const required = presenceOf(field) === 'required'
  // Other editions keep defaults on the prototype, so there only an own property is a set field.
  const own = field.parent.file.edition !== editionProto3 && field.fieldKind !== 'message'
  return (message, writer) => {
    const value = message[name]
    if (value !== undefined && value !== null && (!own || Object.hasOwn(message, name))) {
      write(writer, value)
    } else if (required) {
      throw invalid(`field ${nameOf(field)} is required and not set`)
    }
  }
}

/** Writes one value with its tag. */
function compileValue(field: SingularField): WriteValue {
  if (field.fieldKind === 'message') return compileChild(field)
  const scalar = scalarIn(field)
  return compileTagged(field, scalar, tagOf(field.number, scalar.wire))
}

function compileTagged(field: DescField, { write }: Scalar, tag: number): WriteValue {
  const name = nameOf(field)
  return (writer, value) => {
    writeVarint32(writer, tag)
    write(writer, value, name)
  }
}

/** Writes one message with its tag, between its length or between group marks. */
function compileChild(
  field: DescField & { message: DescMessage },
  number: number = field.number,
): WriteValue {
  const child = encoderOf(field.message)
  const form = localForm(field)
  const name = nameOf(field)
  const grouped = 'delimitedEncoding' in field && field.delimitedEncoding
  const open = tagOf(number, grouped ? Wire.groupStart : Wire.bytes)
  const close = tagOf(number, Wire.groupEnd)
  return (writer, value) => {
    const message = form ? form.toMessage(value) : value
    if (typeof message !== 'object' || message === null) {
      throw invalid(`field ${name} is a ${typeof value}, which is no ${field.message.typeName}`)
    }
    writeVarint32(writer, open)
    if (grouped) {
      child.write(message as Fields, writer)
      writeVarint32(writer, close)
    } else {
      const span = openSpan(writer)
      child.write(message as Fields, writer)
      closeSpan(writer, span)
    }
  }
}

function compileList(field: DescField & { fieldKind: 'list' }): WriteField {
  const name = field.localName
  const { number } = field
  if (field.listKind !== 'message' && field.packed) {
    const { write } = itemScalar(field)
    const tag = tagOf(number, Wire.bytes)
    return (message, writer) => {
      const items = listIn(message, name, field)
      if (items.length === 0) return
      writeVarint32(writer, tag)
      const span = openSpan(writer)
      for (let i = 0; i < items.length; i++) write(writer, items[i], nameOf(field))
      closeSpan(writer, span)
    }
  }
  const write =
    field.listKind === 'message'
      ? compileChild(field)
      : compileTagged(field, itemScalar(field), tagOf(number, itemScalar(field).wire))
  return (message, writer) => {
    const items = listIn(message, name, field)
    for (let i = 0; i < items.length; i++) write(writer, items[i])
  }
}

function compileMap(field: DescField & { fieldKind: 'map' }): WriteField {
  const name = field.localName
  const tag = tagOf(field.number, Wire.bytes)
  const key = scalarOf(field.mapKey, false, field.utf8Validation)
  const writeKey = compileTagged(field, key, tagOf(1, key.wire))
  const toKey = keyParser(field.mapKey)
  let writeValue: WriteValue
  if (field.mapKind === 'message') {
    writeValue = compileChild(field, 2)
  } else {
    const scalar =
      field.mapKind === 'enum' ? enumScalar : scalarOf(field.scalar, false, field.utf8Validation)
    writeValue = compileTagged(field, scalar, tagOf(2, scalar.wire))
  }
  return (message, writer) => {
    const entries = message[name] as Fields | undefined | null
    if (entries === undefined || entries === null) return
    for (const entry of Object.keys(entries)) {
      writeVarint32(writer, tag)
      const span = openSpan(writer)
      writeKey(writer, toKey(entry))
      writeValue(writer, entries[entry])
      closeSpan(writer, span)
    }
  }
}

/** Turns an object's key, which is always text, back into the map's key type. */
function keyParser(type: ScalarType): (key: string) => unknown {
  if (type === ScalarType.STRING) return (key) => key
  if (type === ScalarType.BOOL) {
    return (key) => (key === 'true' ? true : key === 'false' ? false : key)
  }
  const longs = [
    ScalarType.INT64,
    ScalarType.UINT64,
    ScalarType.SINT64,
    ScalarType.FIXED64,
    ScalarType.SFIXED64,
  ]
  return longs.includes(type) ? (key) => key : (key) => (/^-?\d+$/.test(key) ? Number(key) : key)
}

function listIn(message: Fields, name: string, field: DescField): readonly unknown[] {
  const items = message[name]
  if (items === undefined || items === null) return nothing
  if (Array.isArray(items)) return items
  throw invalid(`field ${nameOf(field)} is a ${typeof items}, which is no array`)
}

const nothing: readonly unknown[] = []

function scalarIn(field: SingularField): Scalar {
  if (field.fieldKind !== 'scalar') return enumScalar
  return scalarOf(field.scalar, field.longAsString, field.utf8Validation)
}

function itemScalar(field: DescField & { fieldKind: 'list' }): Scalar {
  if (field.listKind !== 'scalar') return enumScalar
  return scalarOf(field.scalar, field.longAsString, field.utf8Validation)
}

function tagOf(number: number, wire: number): number {
  return ((number << 3) | wire) >>> 0
}

function nameOf(field: DescField): string {
  return `${field.parent.typeName}.${field.name}`
}

function invalid(what: string): HeadwaterError {
  return new HeadwaterError('record-invalid', what)
}
