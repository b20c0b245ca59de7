/**
 * Compiles a message descriptor to closures that read its fields into protobuf-es message objects.
 *
 * A field that comes with another wire type than its own is kept as an unknown field, as the format
 * says; so a reader of one version survives bytes of another, and passes on what it does not know.
 * What a field means when it comes twice follows the format, too: the last scalar wins, messages merge,
 * lists grow.
 */
import { create } from '@bufbuild/protobuf'
import type { DescEnum, DescField, DescMessage, DescOneof } from '@bufbuild/protobuf'
import { localForm, setEntry } from './local-form.ts'
import type { Fields } from './local-form.ts'
import { enumScalar, scalarOf } from './scalars.ts'
import type { Scalar } from './scalars.ts'
import { Wire } from './wire.ts'
import type { Cursor } from './wire.ts'

/** Reads messages of one type. */
interface Decoder {
  /** A message with every field at its default, as protobuf-es makes it. */
  create(): Fields
  /** Reads fields into `message` up to the cursor's end. */
  read(message: Fields, cursor: Cursor): void
}

/** The decoder of a message type, compiled once. */
export function decoderOf(message: DescMessage): MessageDecoder {
  let decoder = decoders.get(message)
  if (decoder === undefined) {
    decoder = new MessageDecoder(message)
    // Known before its fields are compiled, because a message may contain itself.
    decoders.set(message, decoder)
    for (const field of message.fields) decoder.add(field.number, compileField(field))
  }
  return decoder
}

const decoders = new WeakMap<DescMessage, MessageDecoder>()

/** Field numbers up to here are looked up in an array, others in a map. */
const denseNumberMax = 255

type Read = (message: Fields, cursor: Cursor) => void

interface FieldReader {
  readonly wire: number
  readonly read: Read
  /** The other form of a list of numbers: packed into one field, or one field each. */
  readonly otherWire: number
  readonly readOther: Read | undefined
}

class MessageDecoder implements Decoder {
  readonly #dense: (FieldReader | undefined)[] = []
  readonly #sparse = new Map<number, FieldReader>()
  readonly #template: Fields
  /** Undefined when messages are plain objects. */
  readonly #prototype: object | undefined
  readonly #fresh: readonly Fresh[]

  constructor(message: DescMessage) {
    const zero = create(message) as unknown as Fields
    const prototype = Object.getPrototypeOf(zero) as object
    this.#prototype = prototype === Object.prototype ? undefined : prototype
    this.#template = { ...zero }
    this.#fresh = message.members.flatMap(freshMember)
  }

  add(number: number, reader: FieldReader): void {
    if (number <= denseNumberMax) this.#dense[number] = reader
    else this.#sparse.set(number, reader)
  }

  create(): Fields {
    const message: Fields =
      this.#prototype === undefined
        ? { ...this.#template }
        : Object.assign(Object.create(this.#prototype), this.#template)
    const fresh = this.#fresh
    for (let i = 0; i < fresh.length; i++) {
      const { name, kind } = fresh[i]!
      message[name] = kind === 'list' ? [] : kind === 'map' ? {} : { case: undefined }
    }
    return message
  }

  read(message: Fields, cursor: Cursor): void {
    cursor.enter()
    while (cursor.at < cursor.end) this.#field(message, cursor, cursor.varint32())
    cursor.depth--
  }

  /** Reads fields up to the mark that ends group `number`. */
  readGroup(message: Fields, cursor: Cursor, number: number): void {
    cursor.enter()
    for (;;) {
      if (cursor.at >= cursor.end) throw cursor.refuse(`group ${number} does not end`)
      const tag = cursor.varint32()
      if ((tag & 7) === Wire.groupEnd) {
        if (tag >>> 3 !== number) throw cursor.refuse(`group ${number} ends as ${tag >>> 3}`)
        break
      }
      this.#field(message, cursor, tag)
    }
    cursor.depth--
  }

  #field(message: Fields, cursor: Cursor, tag: number): void {
    const number = tag >>> 3
    const wire = tag & 7
    const reader = number <= denseNumberMax ? this.#dense[number] : this.#sparse.get(number)
    if (reader !== undefined && reader.wire === wire) {
      reader.read(message, cursor)
    } else if (reader?.readOther !== undefined && reader.otherWire === wire) {
      reader.readOther(message, cursor)
    } else {
      if (number === 0) throw cursor.refuse('a field has the number 0')
      keepUnknown(message, number, wire, cursor.unknown(wire, number))
    }
    if (cursor.at > cursor.end) throw cursor.refuse('a field ends after the message')
  }
}

/** A property that every message has an object of its own for. */
interface Fresh {
  readonly name: string
  readonly kind: 'list' | 'map' | 'oneof'
}

function freshMember(member: DescField | DescOneof): Fresh[] {
  const name = member.localName
  if (member.kind === 'oneof') return [{ name, kind: 'oneof' }]
  const { fieldKind } = member
  return fieldKind === 'list' || fieldKind === 'map' ? [{ name, kind: fieldKind }] : []
}

function keepUnknown(message: Fields, no: number, wireType: number, data: Uint8Array): void {
  const unknown = (message['$unknown'] ??= []) as object[]
  unknown.push({ no, wireType, data })
}

function compileField(field: DescField): FieldReader {
  switch (field.fieldKind) {
    case 'scalar':
      return single(scalarOf(field.scalar, field.longAsString, field.utf8Validation), field)
    case 'enum':
      return field.enum.open ? single(enumScalar, field) : compileClosedEnum(field)
    case 'message':
      return compileMessage(field)
    case 'list':
      return compileList(field)
    case 'map':
      return compileMap(field)
  }
}

function reader(wire: number, read: Read, otherWire = -1, readOther?: Read): FieldReader {
  return { wire, read, otherWire, readOther }
}

function single({ wire, read }: Scalar, field: DescField): FieldReader {
  const name = field.localName
  if (!field.oneof) {
    return reader(wire, (message, cursor) => {
      message[name] = read(cursor)
    })
  }
  const group = field.oneof.localName
  return reader(wire, (message, cursor) => {
    message[group] = { case: name, value: read(cursor) }
  })
}

/** A number that a closed enum does not name is kept as an unknown field. */
function compileClosedEnum(field: DescField & { enum: DescEnum }): FieldReader {
  const known = new Set(field.enum.values.map((value) => value.number))
  const { read } = single(enumScalar, field)
  const { number } = field
  return reader(Wire.varint, (message, cursor) => {
    const start = cursor.at
    if (known.has(cursor.varint32() | 0)) {
      cursor.at = start
      read(message, cursor)
    } else {
      keepUnknown(message, number, Wire.varint, cursor.bytes.slice(start, cursor.at))
    }
  })
}

type ReadChild = (child: Fields, cursor: Cursor) => void

function compileChild(field: DescField & { message: DescMessage }): ReadChild {
  const decoder = decoderOf(field.message)
  const { number } = field
  if ('delimitedEncoding' in field && field.delimitedEncoding) {
    return (child, cursor) => decoder.readGroup(child, cursor, number)
  }
  return (child, cursor) => readSpan(decoder, child, cursor)
}

/** Reads a message that stands after its length. */
function readSpan(decoder: Decoder, child: Fields, cursor: Cursor): void {
  const length = cursor.varint32()
  cursor.at = cursor.skip(length)
  const outer = cursor.end
  cursor.end = cursor.at + length
  decoder.read(child, cursor)
  cursor.end = outer
}

function wireOf(field: DescField): number {
  return 'delimitedEncoding' in field && field.delimitedEncoding ? Wire.groupStart : Wire.bytes
}

function compileMessage(field: DescField & { fieldKind: 'message' }): FieldReader {
  const decoder = decoderOf(field.message)
  const read = compileChild(field)
  const form = localForm(field)
  const name = field.localName
  const merged = (before: unknown, cursor: Cursor): unknown => {
    let child = before as Fields | undefined
    if (child === undefined) child = decoder.create()
    else if (form) child = { ...decoder.create(), ...form.toMessage(before) }
    read(child, cursor)
    return form ? form.toLocal(child) : child
  }
  if (!field.oneof) {
    return reader(wireOf(field), (message, cursor) => {
      message[name] = merged(message[name], cursor)
    })
  }
  const group = field.oneof.localName
  return reader(wireOf(field), (message, cursor) => {
    const chosen = message[group] as { case?: string; value?: unknown }
    const before = chosen.case === name ? chosen.value : undefined
    message[group] = { case: name, value: merged(before, cursor) }
  })
}

function compileList(field: DescField & { fieldKind: 'list' }): FieldReader {
  const name = field.localName
  if (field.listKind === 'message') {
    const decoder = decoderOf(field.message)
    const read = compileChild(field)
    const form = localForm(field)
    return reader(wireOf(field), (message, cursor) => {
      const child = decoder.create()
      read(child, cursor)
      const items = message[name] as unknown[]
      items.push(form ? form.toLocal(child) : child)
    })
  }
  const { wire, read } =
    field.listKind === 'enum'
      ? enumScalar
      : scalarOf(field.scalar, field.longAsString, field.utf8Validation)
  const one: Read = (message, cursor) => {
    const items = message[name] as unknown[]
    items.push(read(cursor))
  }
  if (wire === Wire.bytes) return reader(wire, one)
  const packed: Read = (message, cursor) => {
    const items = message[name] as unknown[]
    const length = cursor.varint32()
    const end = cursor.skip(length) + length
    cursor.at = end - length
    while (cursor.at < end) items.push(read(cursor))
    if (cursor.at > end) throw cursor.refuse('a list ends inside a number')
  }
  return reader(wire, one, Wire.bytes, packed)
}

function compileMap(field: DescField & { fieldKind: 'map' }): FieldReader {
  const name = field.localName
  const key = scalarOf(field.mapKey, false, field.utf8Validation)
  const value = compileMapValue(field)
  return reader(Wire.bytes, (message, cursor) => {
    const length = cursor.varint32()
    cursor.at = cursor.skip(length)
    const outer = cursor.end
    const end = cursor.at + length
    cursor.end = end
    let entryKey: unknown
    let entryValue: unknown
    while (cursor.at < end) {
      const tag = cursor.varint32()
      if (tag === keyTag(key.wire)) entryKey = key.read(cursor)
      else if (tag === valueTag(value.wire)) entryValue = value.read(cursor, entryValue)
      else cursor.unknown(tag & 7, tag >>> 3)
      if (cursor.at > end) throw cursor.refuse('a field ends after the map entry')
    }
    cursor.end = outer
    const entries = message[name] as Fields
    setEntry(entries, String(entryKey ?? key.zero()), entryValue ?? value.zero())
  })
}

interface MapValue {
  readonly wire: number
  /** @param before the value when the entry has had one already: messages merge */
  readonly read: (cursor: Cursor, before: unknown) => unknown
  readonly zero: () => unknown
}

function compileMapValue(field: DescField & { fieldKind: 'map' }): MapValue {
  if (field.mapKind === 'message') {
    const decoder = decoderOf(field.message)
    const form = localForm(field)
    const local = (child: Fields): unknown => (form ? form.toLocal(child) : child)
    return {
      wire: Wire.bytes,
      read: (cursor, before) => {
        const child =
          before !== undefined && form
            ? form.toMessage(before)
            : ((before as Fields) ?? decoder.create())
        readSpan(decoder, child, cursor)
        return local(child)
      },
      zero: () => local(decoder.create()),
    }
  }
  if (field.mapKind === 'enum') {
    const first = field.enum.values[0]!.number
    return { wire: Wire.varint, read: enumScalar.read, zero: () => first }
  }
  const scalar = scalarOf(field.scalar, false, field.utf8Validation)
  return { wire: scalar.wire, read: scalar.read, zero: scalar.zero }
}

function keyTag(wire: number): number {
  return (1 << 3) | wire
}

function valueTag(wire: number): number {
  return (2 << 3) | wire
}
