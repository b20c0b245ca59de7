/**
 * The fifteen scalar types and enums: how each is read, written and recognised as its zero.
 *
 * Values are what protobuf-es gives to programs: numbers, bigints, strings, booleans, byte arrays; a
 * 64-bit field declared `jstype = JS_STRING` is decimal text. A value of another type or out of range is
 * refused before a byte of it is written, with the field's name, because bytes that are wrong would be
 * found by somebody else, later.
 */
import { ScalarType } from '@bufbuild/protobuf'
import type { Writer } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'
import type { Cursor } from './wire.ts'
import { Wire, writeFixed32, writeText, writeVarint32, writeVarint64 } from './wire.ts'

export interface Scalar {
  readonly wire: number
  readonly read: (cursor: Cursor) => unknown
  readonly write: (writer: Writer, value: unknown, field: string) => void
  /** Whether a field without presence is left out when it holds `value`. */
  readonly isZero: (value: unknown) => boolean
  /** A new zero: byte arrays are not shared. */
  readonly zero: () => unknown
}

/** The codec of one scalar type. @param strictUtf8 whether a string must be valid UTF-8 to be read */
export function scalarOf(type: ScalarType, longAsText: boolean, strictUtf8: boolean): Scalar {
  if (type === ScalarType.STRING && !strictUtf8) return looseString
  const scalar = scalars[type]
  return longAsText && bigZero(scalar) ? asText(scalar) : scalar
}

const scratch = new DataView(new ArrayBuffer(8))
const floatMax = 3.4028234663852886e38

const int32: Scalar = {
  wire: Wire.varint,
  read: (cursor) => cursor.varint32() | 0,
  write: (writer, value, field) => {
    const number = checkInt32(value, field)
    if (number >= 0) writeVarint32(writer, number)
    else writeVarint64(writer, number >>> 0, 0xffff_ffff)
  },
  isZero: (value) => value === 0,
  zero: () => 0,
}

/** Enums are int32 on the wire. */
export const enumScalar: Scalar = int32

const string: Scalar = {
  wire: Wire.bytes,
  read: (cursor) => cursor.string(true),
  write: (writer, value, field) => {
    if (typeof value !== 'string') throw refuse(field, value, 'a string')
    writeText(writer, value)
  },
  isZero: (value) => value === '',
  zero: () => '',
}

const looseString: Scalar = { ...string, read: (cursor) => cursor.string(false) }

const scalars: Readonly<Record<ScalarType, Scalar>> = {
  [ScalarType.STRING]: string,
  [ScalarType.INT32]: int32,
  [ScalarType.UINT32]: {
    ...int32,
    read: (cursor) => cursor.varint32(),
    write: (writer, value, field) => writeVarint32(writer, checkUint32(value, field)),
  },
  [ScalarType.SINT32]: {
    ...int32,
    read: (cursor) => {
      const raw = cursor.varint32()
      return (raw >>> 1) ^ -(raw & 1)
    },
    write: (writer, value, field) => {
      const number = checkInt32(value, field)
      writeVarint32(writer, ((number << 1) ^ (number >> 31)) >>> 0)
    },
  },
  [ScalarType.FIXED32]: {
    ...int32,
    wire: Wire.bit32,
    read: (cursor) => cursor.fixed32(),
    write: (writer, value, field) => writeFixed32(writer, checkUint32(value, field)),
  },
  [ScalarType.SFIXED32]: {
    ...int32,
    wire: Wire.bit32,
    read: (cursor) => cursor.fixed32() | 0,
    write: (writer, value, field) => writeFixed32(writer, checkInt32(value, field)),
  },
  [ScalarType.INT64]: long(true, writeVarint64, readVarint),
  [ScalarType.UINT64]: long(false, writeVarint64, readVarint),
  [ScalarType.SINT64]: long(true, writeZigzag, readZigzag),
  [ScalarType.FIXED64]: long(false, writeFixed64, readFixed, Wire.bit64),
  [ScalarType.SFIXED64]: long(true, writeFixed64, readFixed, Wire.bit64),
  [ScalarType.BOOL]: {
    wire: Wire.varint,
    read: (cursor) => {
      cursor.varint64()
      return cursor.low !== 0 || cursor.high !== 0
    },
    write: (writer, value, field) => {
      if (typeof value !== 'boolean') throw refuse(field, value, 'a boolean')
      writer.uint8(value ? 1 : 0)
    },
    isZero: (value) => value === false,
    zero: () => false,
  },
  [ScalarType.FLOAT]: {
    wire: Wire.bit32,
    read: (cursor) => cursor.view.getFloat32(cursor.skip(4), true),
    write: (writer, value, field) => {
      if (typeof value !== 'number' || (Math.abs(value) > floatMax && Number.isFinite(value))) {
        throw refuse(field, value, 'a number that fits 32 bits')
      }
      scratch.setFloat32(0, value, true)
      writeFixed32(writer, scratch.getUint32(0, true))
    },
    isZero: (value) => Object.is(value, 0),
    zero: () => 0,
  },
  [ScalarType.DOUBLE]: {
    wire: Wire.bit64,
    read: (cursor) => cursor.view.getFloat64(cursor.skip(8), true),
    write: (writer, value, field) => {
      if (typeof value !== 'number') throw refuse(field, value, 'a number')
      scratch.setFloat64(0, value, true)
      writeFixed64(writer, scratch.getUint32(0, true), scratch.getUint32(4, true))
    },
    isZero: (value) => Object.is(value, 0),
    zero: () => 0,
  },
  [ScalarType.BYTES]: {
    wire: Wire.bytes,
    read: (cursor) => cursor.blob(),
    write: (writer, value, field) => {
      if (!(value instanceof Uint8Array)) throw refuse(field, value, 'a Uint8Array')
      writeVarint32(writer, value.length)
      writer.append(value)
    },
    isZero: (value) => value instanceof Uint8Array && value.length === 0,
    zero: () => new Uint8Array(0),
  },
}

function checkInt32(value: unknown, field: string): number {
  if (((value as number) | 0) !== value) throw refuse(field, value, 'a whole number of 32 bits')
  return value
}

function checkUint32(value: unknown, field: string): number {
  if ((value as number) >>> 0 !== value) {
    throw refuse(field, value, 'a whole number from 0 of 32 bits')
  }
  return value
}

type WriteHalves = (writer: Writer, low: number, high: number) => void

/** A 64-bit integer. @param read puts its halves into the cursor */
function long(
  signed: boolean,
  write: WriteHalves,
  read: (cursor: Cursor) => void,
  wire: number = Wire.varint,
): Scalar {
  const what = signed ? 'a whole number of 64 bits' : 'a whole number from 0 of 64 bits'
  return {
    wire,
    read: (cursor) => {
      read(cursor)
      return signed ? cursor.signed() : cursor.unsigned()
    },
    write: (writer, value, field) => {
      const number = toBigInt(value)
      if (number === undefined) throw refuse(field, value, what)
      scratch.setBigInt64(0, number, true)
      const kept = signed ? scratch.getBigInt64(0, true) : scratch.getBigUint64(0, true)
      if (kept !== number) throw refuse(field, value, what)
      write(writer, scratch.getUint32(0, true), scratch.getUint32(4, true))
    },
    // oxlint-disable-next-line eqeqeq -- 0n, 0 and '0' are all the zero of a 64-bit field
    isZero: (value) => value == 0,
    zero: () => 0n,
  }
}

function bigZero(scalar: Scalar): boolean {
  return typeof scalar.zero() === 'bigint'
}

function asText(scalar: Scalar): Scalar {
  return { ...scalar, read: (cursor) => String(scalar.read(cursor)), zero: () => '0' }
}

/** Numbers and decimal text stand for 64-bit integers, too. */
function toBigInt(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value)
  return typeof value === 'string' && /^-?\d+$/.test(value) ? BigInt(value) : undefined
}

function readVarint(cursor: Cursor): void {
  cursor.varint64()
}

function readFixed(cursor: Cursor): void {
  cursor.fixed64()
}

function readZigzag(cursor: Cursor): void {
  cursor.varint64()
  const { low, high } = cursor
  const sign = -(low & 1)
  cursor.low = (((low >>> 1) | (high << 31)) ^ sign) >>> 0
  cursor.high = ((high >>> 1) ^ sign) >>> 0
}

function writeZigzag(writer: Writer, low: number, high: number): void {
  const sign = (high | 0) >> 31
  writeVarint64(writer, ((low << 1) ^ sign) >>> 0, (((high << 1) | (low >>> 31)) ^ sign) >>> 0)
}

function writeFixed64(writer: Writer, low: number, high: number): void {
  writeFixed32(writer, low)
  writeFixed32(writer, high)
}

function refuse(field: string, value: unknown, wanted: string): HeadwaterError {
  const shown = typeof value === 'string' ? `'${value}'` : String(value)
  return new HeadwaterError('record-invalid', `field ${field} is ${shown}, which is not ${wanted}`)
}
