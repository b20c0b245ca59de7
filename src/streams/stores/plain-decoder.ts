/**
 * The bytes of `plain/1` back to plain data. It takes the one form each value has and nothing else, reads no
 * byte twice but for looking up a shape, and allocates no more than a small multiple of what it was given.
 */
import { exactUtf8String } from '../../base/bytes.ts'
import { HeadwaterError } from '../../base/errors.ts'
import { ShapesByBytes, Tag, makeShape, plainDepthMax, plainMark } from './plain-shapes.ts'
import type { Shape } from './plain-shapes.ts'

/** Text up to this many bytes is read as it is looked at; longer text by the platform's decoder. */
const shortTextMax = 16
const dateMax = 8.64e15

export class PlainDecoder {
  readonly #shapes = new ShapesByBytes()
  readonly #eight = new Uint8Array(8)
  readonly #view = new DataView(this.#eight.buffer)
  #bytes: Uint8Array = this.#eight
  #at = 0
  #end = 0
  #depth = 0

  decode(bytes: Uint8Array, start: number, end: number): unknown {
    if (start >= end || bytes[start] !== plainMark) throw foreign(bytes, start, end)
    this.#bytes = bytes
    this.#at = start + 1
    this.#end = end
    this.#depth = 0
    const value = this.#value()
    if (this.#at !== end) throw this.#refuse(`${end - this.#at} bytes follow its end`)
    return value
  }

  #value(): unknown {
    const tag = this.#byte()
    switch (tag) {
      case Tag.null:
        return null
      case Tag.undefined:
        return undefined
      case Tag.false:
        return false
      case Tag.true:
        return true
      case Tag.integer:
        return this.#integer()
      case Tag.double:
        return this.#number()
      case Tag.bigint64:
        this.#takeEight()
        return this.#view.getBigInt64(0)
      case Tag.bigint:
        return this.#bigint()
      case Tag.text:
        return this.#text(this.#size())
      case Tag.wideText:
        return this.#wideText(this.#size())
      case Tag.date:
        return this.#date()
      case Tag.bytes: {
        const start = this.#take(this.#size())
        return this.#bytes.slice(start, this.#at)
      }
      case Tag.array:
        return this.#array()
      case Tag.object:
        return this.#object(false)
      case Tag.bareObject:
        return this.#object(true)
      default:
        throw this.#refuse(`${tag} is no tag`)
    }
  }

  #byte(): number {
    if (this.#at >= this.#end) throw this.#refuse('it ends early')
    return this.#bytes[this.#at++]!
  }

  /** Moves over `count` bytes and says where they begin. */
  #take(count: number): number {
    if (count > this.#end - this.#at) throw this.#refuse('it ends early')
    const start = this.#at
    this.#at = start + count
    return start
  }

  #takeEight(): void {
    const start = this.#take(8)
    for (let i = 0; i < 8; i++) this.#eight[i] = this.#bytes[start + i]!
  }

  /** An unsigned varint of 32 bits in its shortest form. */
  #size(): number {
    let value = this.#byte()
    if (value < 0x80) return value
    value &= 0x7f
    for (let shift = 7; ; shift += 7) {
      const byte = this.#byte()
      if (shift === 28 ? byte === 0 || byte > 0x0f : byte === 0) {
        throw this.#refuse('a size is not in its shortest form')
      }
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
  }

  #integer(): number {
    const raw = this.#size() >>> 0
    return (raw >>> 1) ^ -(raw & 1)
  }

  #double(): number {
    this.#takeEight()
    const value = this.#view.getFloat64(0)
    if (Number.isNaN(value) && !this.#isUsualNaN()) throw this.#refuse('a NaN of another form')
    return value
  }

  #isUsualNaN(): boolean {
    return this.#view.getUint32(0) === 0x7ff8_0000 && this.#view.getUint32(4) === 0
  }

  #number(): number {
    const value = this.#double()
    if ((value | 0) === value && !Object.is(value, -0)) {
      throw this.#refuse('a whole number is stored as a double')
    }
    return value
  }

  #bigint(): bigint {
    const sign = this.#byte()
    const size = this.#size()
    const start = this.#take(size)
    let digits = '0x0'
    for (let i = start; i < this.#at; i++) digits += hexOf(this.#bytes[i]!)
    const magnitude = BigInt(digits)
    const value = sign === 0 ? magnitude : -magnitude
    if (sign > 1 || this.#bytes[start] === 0 || BigInt.asIntN(64, value) === value) {
      throw this.#refuse('a bigint is not in its shortest form')
    }
    return value
  }

  #text(size: number): string {
    const start = this.#take(size)
    const bytes = this.#bytes
    if (size <= shortTextMax) {
      let text = ''
      let i = start
      for (; i < this.#at; i++) {
        const byte = bytes[i]!
        if (byte > 0x7f) break
        text += String.fromCharCode(byte)
      }
      if (i === this.#at) return text
    }
    const text = exactUtf8String(bytes.subarray(start, this.#at))
    if (text === undefined) throw this.#refuse('a text is not UTF-8')
    return text
  }

  #wideText(size: number): string {
    const start = this.#take(size)
    if (size % 2 !== 0) throw this.#refuse('a text is not UTF-16')
    const parts: string[] = []
    for (let i = start; i < this.#at; i += 2) {
      parts.push(String.fromCharCode((this.#bytes[i]! << 8) | this.#bytes[i + 1]!))
    }
    const text = parts.join('')
    if (text.isWellFormed()) throw this.#refuse('a text is in UTF-16 without need')
    return text
  }

  #date(): Date {
    const time = this.#double()
    const isTime = Number.isInteger(time) && Math.abs(time) <= dateMax && !Object.is(time, -0)
    if (!isTime && !Number.isNaN(time)) throw this.#refuse(`${time} is not a time`)
    return new Date(time)
  }

  #enter(): void {
    if (++this.#depth > plainDepthMax) {
      throw this.#refuse(`it is more than ${plainDepthMax} levels deep`)
    }
  }

  #array(): unknown[] {
    const count = this.#size()
    if (count > this.#end - this.#at) throw this.#refuse('it ends early')
    this.#enter()
    const array: unknown[] = []
    for (let i = 0; i < count; i++) array.push(this.#value())
    this.#depth--
    return array
  }

  #object(isBare: boolean): unknown {
    const size = this.#size()
    const start = this.#take(size)
    const shape = this.#shapes.find(this.#bytes, start, this.#at) ?? this.#learn(start, this.#at)
    const { keys } = shape
    const object: Record<string, unknown> = isBare ? Object.create(null) : { ...shape.template }
    this.#enter()
    for (let i = 0; i < keys.length; i++) {
      const value = this.#value()
      // In an object that has a property of the name, setting it never reaches a setter.
      object[keys[i]!] = value
    }
    this.#depth--
    return object
  }

  /** Reads a shape that is not remembered, and checks it. */
  #learn(start: number, end: number): Shape {
    const [outerAt, outerEnd] = [this.#at, this.#end]
    this.#at = start
    this.#end = end
    const keys: string[] = []
    while (this.#at < end) {
      const size = this.#size()
      const half = Math.floor(size / 2)
      keys.push(size % 2 === 0 ? this.#text(half) : this.#wideText(half))
    }
    this.#at = outerAt
    this.#end = outerEnd
    const shape = makeShape(keys, this.#bytes.slice(start, end))
    const inOrder = Object.keys(shape.template)
    if (inOrder.length !== keys.length || inOrder.some((key, i) => key !== keys[i])) {
      throw this.#refuse('an object has its keys twice or out of order')
    }
    this.#shapes.keep(shape)
    return shape
  }

  #refuse(why: string): HeadwaterError {
    return new HeadwaterError('record-invalid', `plain data does not decode: ${why}`)
  }
}

function hexOf(byte: number): string {
  return byte < 16 ? `0${byte.toString(16)}` : byte.toString(16)
}

function foreign(bytes: Uint8Array, start: number, end: number): HeadwaterError {
  const found = start >= end ? 'it is empty' : `it begins with byte ${bytes[start]}`
  return new HeadwaterError(
    'record-invalid',
    `it is not plain data of format plain/1 (${found}; JSON and other versions are not read): ` +
      'rebuild the state or reset the service',
  )
}
