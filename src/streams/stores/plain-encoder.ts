/** Plain data to the bytes of `plain/1`. Refuses what the format has no form for, naming where it is. */
import { Writer, utf8Bytes } from '../../base/bytes.ts'
import { HeadwaterError } from '../../base/errors.ts'
import { ShapesByKeys, Tag, makeShape, plainDepthMax, plainMark } from './plain-shapes.ts'
import type { Shape } from './plain-shapes.ts'

/** Text up to this many characters is written as it is looked at. */
const shortTextMax = 127
const big64 = 64

export class PlainEncoder {
  readonly #shapes = new ShapesByKeys()
  /** The keys and indices that lead to the value being written. */
  readonly #path: (string | number)[] = []
  #depth = 0

  encode(value: unknown, writer: Writer): void {
    this.#depth = 0
    writer.uint8(plainMark)
    this.#value(value, writer)
  }

  #value(value: unknown, writer: Writer): void {
    switch (typeof value) {
      case 'number':
        return writeNumber(value, writer)
      case 'string':
        return writeText(value, writer)
      case 'boolean':
        return writer.uint8(value ? Tag.true : Tag.false)
      case 'undefined':
        return writer.uint8(Tag.undefined)
      case 'bigint':
        return writeBigint(value, writer)
      case 'object':
        return value === null ? writer.uint8(Tag.null) : this.#object(value, writer)
      case 'symbol':
      case 'function':
        throw this.#refuse(`a ${typeof value}`)
    }
  }

  #object(value: object, writer: Writer): void {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Object.prototype) {
      this.#properties(value as Record<string, unknown>, Tag.object, writer)
    } else if (prototype === Array.prototype && Array.isArray(value)) {
      this.#array(value, writer)
    } else if (value instanceof Uint8Array) {
      writer.uint8(Tag.bytes)
      writer.uvarint(value.length)
      writer.append(value)
    } else if (prototype === Date.prototype && Object.keys(value).length === 0) {
      writer.uint8(Tag.date)
      writer.float64(Date.prototype.getTime.call(value))
    } else if (prototype === null) {
      this.#properties(value as Record<string, unknown>, Tag.bareObject, writer)
    } else {
      throw this.#refuse(nameOf(value))
    }
  }

  #properties(object: Record<string, unknown>, tag: number, writer: Writer): void {
    const keys = Object.keys(object)
    this.#checkProperties(object, keys)
    const { bytes } = this.#shapes.find(keys) ?? this.#learn(keys)
    writer.uint8(tag)
    writer.uvarint(bytes.length)
    const at = writer.claim(bytes.length)
    const target = writer.bytes
    for (let i = 0; i < bytes.length; i++) target[at + i] = bytes[i]!
    const depth = this.#enter()
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!
      this.#path[depth] = key
      this.#value(object[key], writer)
    }
    this.#depth = depth
  }

  #learn(keys: readonly string[]): Shape {
    const shape = makeShape(keys, shapeBytes(keys))
    this.#shapes.keep(shape)
    return shape
  }

  /** Everything an object has must be in its enumerable keys, as data. */
  #checkProperties(object: object, keys: readonly string[]): void {
    if (Object.getOwnPropertyNames(object).length !== keys.length) {
      throw this.#refuse('an object with hidden properties')
    }
    if (Object.getOwnPropertySymbols(object).length > 0) {
      throw this.#refuse('an object with symbols as keys')
    }
    for (let i = 0; i < keys.length; i++) {
      if (lookUpGetter.call(object, keys[i]!) === undefined) continue
      this.#path[this.#depth++] = keys[i]!
      throw this.#refuse('an accessor')
    }
  }

  #array(array: readonly unknown[], writer: Writer): void {
    if (Object.keys(array).length > array.length) {
      throw this.#refuse('an array with properties of its own')
    }
    writer.uint8(Tag.array)
    writer.uvarint(array.length)
    const depth = this.#enter()
    for (let i = 0; i < array.length; i++) {
      this.#path[depth] = i
      const value = array[i]
      if (value === undefined && !(i in array)) {
        throw this.#refuse('a hole in an array')
      }
      this.#value(value, writer)
    }
    this.#depth = depth
  }

  /** Goes one level down and returns the level before. */
  #enter(): number {
    const depth = this.#depth
    if (depth === plainDepthMax) {
      throw this.#refuse(`more than ${plainDepthMax} levels deep, or holds itself`, '')
    }
    this.#depth = depth + 1
    return depth
  }

  #refuse(what: string, why = plainDataOnly): HeadwaterError {
    const path = this.#path.slice(0, this.#depth).map(printStep)
    // Of a cycle the beginning tells enough.
    const shown = path.length > 8 ? `${path.slice(0, 8).join('')}…` : path.join('')
    return new HeadwaterError('record-invalid', `${shown === '' ? 'it' : shown} is ${what}${why}`)
  }
}

const plainDataOnly =
  ', which cannot be stored: use plain objects, arrays, numbers, bigints, texts, booleans, Dates and bytes'

// oxlint-disable-next-line no-underscore-dangle -- the one look at a property that allocates nothing
const lookUpGetter = (Object.prototype as unknown as { __lookupGetter__: (key: string) => unknown })
  .__lookupGetter__

function printStep(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`
  return /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`
}

function nameOf(value: object): string {
  if ('$typeName' in value && typeof value.$typeName === 'string') {
    return `a message ${value.$typeName} whose fields have defaults of their own`
  }
  const { constructor } = value
  const name = typeof constructor === 'function' ? constructor.name : ''
  return name === '' ? 'an instance of a class' : `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`
}

function writeNumber(value: number, writer: Writer): void {
  if ((value | 0) === value && !Object.is(value, -0)) {
    writer.uint8(Tag.integer)
    return writer.varint(value)
  }
  writer.uint8(Tag.double)
  writer.float64(value)
}

function writeBigint(value: bigint, writer: Writer): void {
  if (BigInt.asIntN(big64, value) === value) {
    writer.uint8(Tag.bigint64)
    writer.int32(Number(value >> 32n))
    return writer.uint32(Number(value & 0xffff_ffffn))
  }
  writer.uint8(Tag.bigint)
  writer.uint8(value < 0n ? 1 : 0)
  const hex = (value < 0n ? -value : value).toString(16)
  const digits = hex.length % 2 === 0 ? hex : `0${hex}`
  writer.uvarint(digits.length / 2)
  for (let i = 0; i < digits.length; i += 2) writer.uint8(parseInt(digits.slice(i, i + 2), 16))
}

function writeText(text: string, writer: Writer): void {
  const { length } = text
  if (length <= shortTextMax) {
    const start = writer.claim(length + 2)
    const { bytes } = writer
    bytes[start] = Tag.text
    bytes[start + 1] = length
    let i = 0
    for (; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code > 0x7f) break
      bytes[start + 2 + i] = code
    }
    if (i === length) return
    writer.at = start
  }
  const isWide = !text.isWellFormed()
  const encoded = isWide ? utf16Bytes(text) : utf8Bytes(text)
  writer.uint8(isWide ? Tag.wideText : Tag.text)
  writer.uvarint(encoded.length)
  writer.append(encoded)
}

function utf16Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    bytes[i * 2] = code >>> 8
    bytes[i * 2 + 1] = code & 0xff
  }
  return bytes
}

function shapeBytes(keys: readonly string[]): Uint8Array {
  const writer = new Writer()
  for (const key of keys) {
    const isWide = !key.isWellFormed()
    const encoded = isWide ? utf16Bytes(key) : utf8Bytes(key)
    writer.uvarint(encoded.length * 2 + (isWide ? 1 : 0))
    writer.append(encoded)
  }
  return writer.finish().slice()
}
