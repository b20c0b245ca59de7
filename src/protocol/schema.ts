/**
 * The words messages are declared in, and the compiler that turns a declaration into a codec.
 *
 * One declaration covers every version of a message. `compile` resolves the versions once, into closures
 * that never ask which version they are; `Infer` gives the type of a decoded message, in which every
 * field is present: one the version lacks has its default. When encoding, a field left out takes its
 * default, and a field that carries something else in a version without it is refused unless the
 * declaration says `ignorable` (dropping it would change what the message means).
 *
 * Decoding gives views of the frame, and refuses counts that the rest of the frame cannot hold, or that
 * take more memory than the reader may give, before it makes room. Unknown tagged fields (KIP-482) are skipped.
 */
import { concatBytes, Reader } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'
import { arraySteps, structSteps, type CodecSteps } from './codec-steps.ts'
import { heapBytesOf, itemsHeapBytes, textHeapBytes } from './heap-cost.ts'
import { scalars } from './scalars.ts'
import { defaultOf, isDefault, type Member, type Shape } from './shape.ts'
import { checkCount, Outgoing, readLength, readTagCount } from './wire.ts'
import { textTooLong, writeBytes, writeLength, writeString } from './wire.ts'

/** A type of the protocol whose decoded values are `T`s. */
export interface Type<T> {
  readonly shape: Shape
  /** Never there; it carries `T` for the compiler. */
  readonly sample?: T
}

/** A type as a member of a struct, with the versions it is in. */
export interface Field<T> {
  readonly member: Member
  readonly sample?: T
}

type Declared<T> = Type<T> | Field<T>

/** What decoding gives. */
export type Infer<D> = D extends Type<infer T> ? T : D extends Field<infer T> ? T : never

/** What encoding takes: any field may be left out, and bytes may come in chunks. */
export type Input<T> = T extends Uint8Array
  ? Uint8Array | readonly Uint8Array[]
  : T extends readonly (infer E)[]
    ? readonly Input<E>[]
    : T extends object
      ? { readonly [K in keyof T]?: Input<T[K]> | undefined }
      : T

export const int8: Type<number> = { shape: { kind: 'int8' } }
export const int16: Type<number> = { shape: { kind: 'int16' } }
export const int32: Type<number> = { shape: { kind: 'int32' } }
export const int64: Type<number> = { shape: { kind: 'int64' } }
export const bool: Type<boolean> = { shape: { kind: 'bool' } }
/** Sixteen bytes, as Kafka prints them. */
export const uuid: Type<string> = { shape: { kind: 'uuid' } }
export const string: Type<string> = { shape: { kind: 'string' } }
export const bytes: Type<Uint8Array> = { shape: { kind: 'bytes' } }
/** Record batches one after the other, opaque to this room. */
export const records: Type<Uint8Array> = { shape: { kind: 'records' } }

export function array<T>(item: Type<T>): Type<readonly T[]> {
  return { shape: { kind: 'array', item: item.shape } }
}

/** May be null, in the versions `from` to `to`. */
export function nullable<T>(type: Type<T>, from = 0, to = Infinity): Type<T | null> {
  return { shape: { kind: 'nullable', of: type.shape, from, to } }
}

export function struct<F extends Readonly<Record<string, Declared<unknown>>>>(
  fields: F,
): Type<{ readonly [K in keyof F]: Infer<F[K]> }> {
  const members = Object.entries(fields).map(([name, field]) => [name, memberOf(field)] as const)
  return { shape: { kind: 'struct', members: Object.fromEntries(members) } }
}

/** In versions from `version` on; before, and when left out, it is `byDefault`. */
export function since<T>(version: number, of: Declared<T>, byDefault?: NoInfer<T>): Field<T> {
  const member = memberOf(of)
  const value = byDefault === undefined ? member.byDefault : byDefault
  return { member: { ...member, from: version, byDefault: value } }
}

/** When left out, it is `byDefault`. */
export function withDefault<T>(of: Declared<T>, byDefault: NoInfer<T>): Field<T> {
  return { member: { ...memberOf(of), byDefault } }
}

/** In versions up to `version`, that one included. */
export function until<T>(version: number, of: Declared<T>): Field<T> {
  return { member: { ...memberOf(of), to: version } }
}

/** Left out silently in versions that lack it, whatever it carries. */
export function ignorable<T>(of: Declared<T>): Field<T> {
  return { member: { ...memberOf(of), ignorable: true } }
}

/** An optional tagged field (KIP-482), on the wire only when it differs from its default. */
export function tagged<T>(
  tag: number,
  version: number,
  of: Declared<T>,
  byDefault?: NoInfer<T>,
): Field<T> {
  return { member: { ...since(version, of, byDefault).member, tag, taggedFrom: version } }
}

function memberOf(of: Declared<unknown>): Member {
  if ('member' in of) return of.member
  return {
    shape: of.shape,
    from: 0,
    to: Infinity,
    byDefault: undefined,
    ignorable: false,
    tag: undefined,
    taggedFrom: Infinity,
  }
}

/** The codec of one version of a type. */
export interface Codec<T> {
  /** The least an encoded value takes; what bounds a hostile count. */
  readonly minBytes: number
  read(from: Reader): T
  write(out: Outgoing, value: Input<T>): void
  /** The same in steps, for what holds a list. */
  readonly steps?: CodecSteps | undefined
}

/** A codec of one version, with what a caller needs who stores single values. */
export interface ValueCodec<T> extends Codec<T> {
  /** All of `bytes` as one value; `frame-invalid` when it is short. Bytes left over are not read. */
  decode(bytes: Uint8Array): T
  encode(value: Input<T>): Uint8Array
}

/** The codec of `type` at `version`; `flexible` chooses compact lengths and tagged fields. */
export function compile<T>(
  type: Type<T>,
  version: number,
  flexible: boolean,
  name = 'message',
  textBytesMax = Infinity,
): ValueCodec<T> {
  const target = { version, flexible, textBytesMax }
  const codec = compileShape(type.shape, target, name, false) as Codec<T>
  return {
    ...codec,
    decode: (encoded) => codec.read(new Reader(encoded)),
    encode: (value) => {
      const out = new Outgoing()
      codec.write(out, value)
      return concatBytes(out.chunks())
    },
  }
}

interface Target {
  readonly version: number
  readonly flexible: boolean
  /** A string with more bytes is refused. */
  readonly textBytesMax: number
}

/** Codecs inside this file: what a value is was checked where the declaration met `Input`. */
type AnyCodec = Codec<unknown>

function compileShape(shape: Shape, target: Target, path: string, canBeNull: boolean): AnyCodec {
  switch (shape.kind) {
    case 'nullable': {
      const inRange = target.version >= shape.from && target.version <= shape.to
      return compileShape(shape.of, target, path, inRange)
    }
    case 'array':
      return arrayCodec(shape.item, target, path, canBeNull)
    case 'struct': {
      const codec = structCodec(shape.members, target, path)
      return canBeNull ? nullableStructCodec(codec) : refuseNull(codec, path)
    }
    case 'string':
      return stringCodec(target, path, canBeNull)
    case 'bytes':
    case 'records':
      return bytesCodec(target, path, canBeNull)
    case 'bool':
    case 'uuid':
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
      return scalars[shape.kind]
  }
}

function stringCodec(target: Target, path: string, canBeNull: boolean): AnyCodec {
  const width = target.flexible ? 'compact' : 'int16'
  return {
    minBytes: target.flexible ? 1 : 2,
    read: (from) => {
      const length = readLength(from, width)
      if (length > target.textBytesMax) throw textTooLong(path, length, target.textBytesMax)
      if (length >= 0) {
        from.charge(textHeapBytes(length))
        return from.string(length)
      }
      if (!canBeNull) throw nullRead(path)
      return null
    },
    write: (out, value: string | null) => {
      if (value !== null) return writeString(out.writer, width, value)
      if (!canBeNull) throw nullWritten(path)
      writeLength(out.writer, width, -1)
    },
  }
}

function bytesCodec(target: Target, path: string, canBeNull: boolean): AnyCodec {
  const width = target.flexible ? 'compact' : 'int32'
  return {
    minBytes: target.flexible ? 1 : 4,
    read: (from) => {
      const length = readLength(from, width)
      if (length >= 0) return from.slice(length)
      if (!canBeNull) throw nullRead(path)
      return null
    },
    write: (out, value: Uint8Array | readonly Uint8Array[] | null) => {
      if (value !== null) return writeBytes(out, width, value)
      if (!canBeNull) throw nullWritten(path)
      writeLength(out.writer, width, -1)
    },
  }
}

function arrayCodec(shape: Shape, target: Target, path: string, canBeNull: boolean): AnyCodec {
  const width = target.flexible ? 'compact' : 'int32'
  const item = compileShape(shape, target, `${path}[]`, false)
  const itemBytes = heapBytesOf(shape)
  const readCount = (from: Reader): number => {
    const count = readLength(from, width)
    if (count < 0 && !canBeNull) throw nullRead(path)
    if (count > 0) {
      checkCount(from, count, item.minBytes, path)
      from.charge(itemsHeapBytes(count, itemBytes))
    }
    return count
  }
  const writeCount = (out: Outgoing, value: readonly unknown[] | null): void => {
    if (value === null && !canBeNull) throw nullWritten(path)
    writeLength(out.writer, width, value === null ? -1 : value.length)
  }
  return {
    minBytes: target.flexible ? 1 : 4,
    read: (from) => {
      const count = readCount(from)
      if (count < 0) return null
      const items: unknown[] = []
      for (let i = 0; i < count; i++) items.push(item.read(from))
      return items
    },
    write: (out, value: readonly unknown[] | null) => {
      writeCount(out, value)
      if (value !== null) for (const each of value) item.write(out, each)
    },
    steps: arraySteps(item, readCount, writeCount),
  }
}

/** A struct that may be null begins with a byte: −1 for null, 1 for a value. */
function nullableStructCodec(codec: AnyCodec): AnyCodec {
  // Without steps: none of them holds many items.
  return {
    minBytes: 1,
    read: (from) => (from.int8() < 0 ? null : codec.read(from)),
    write: (out, value) => {
      out.writer.int8(value === null ? -1 : 1)
      if (value !== null) codec.write(out, value)
    },
  }
}

function refuseNull(codec: AnyCodec, path: string): AnyCodec {
  return {
    ...codec,
    write: (out, value) => {
      if (value === null) throw nullWritten(path)
      codec.write(out, value)
    },
  }
}

/** A member compiled for one version. */
interface Slot {
  readonly name: string
  readonly path: string
  readonly member: Member
  readonly codec: AnyCodec
  readonly byDefault: unknown
}

function structCodec(
  members: Readonly<Record<string, Member>>,
  target: Target,
  path: string,
): AnyCodec {
  const slots = Object.entries(members).map(([name, member]): Slot => {
    const slotPath = `${path}.${name}`
    const codec = compileShape(member.shape, target, slotPath, false)
    return { name, path: slotPath, member, codec, byDefault: defaultOf(member) }
  })
  const { version, flexible } = target
  const isHere = ({ member }: Slot) => version >= member.from && version <= member.to
  const isTagged = ({ member }: Slot) => version >= member.taggedFrom
  const plain = slots.filter((slot) => isHere(slot) && !isTagged(slot))
  const tags = slots
    .filter((slot) => isHere(slot) && isTagged(slot))
    .sort((a, b) => a.member.tag! - b.member.tag!)
  const guarded = slots.filter((slot) => !isHere(slot) && !slot.member.ignorable)
  const blank = Object.fromEntries(slots.map(({ name, byDefault }) => [name, byDefault]))
  return {
    minBytes: plain.reduce((sum, slot) => sum + slot.codec.minBytes, flexible ? 1 : 0),
    read: (from) => {
      const value: Record<string, unknown> = { ...blank }
      for (const { name, codec } of plain) value[name] = codec.read(from)
      if (flexible) readTags(from, tags, value)
      return value
    },
    write: (out, value: Readonly<Record<string, unknown>>) => {
      for (const slot of guarded) refuseMeaning(slot, version, value[slot.name])
      for (const { name, codec, byDefault } of plain) {
        const given = value[name]
        codec.write(out, given === undefined ? byDefault : given)
      }
      if (flexible) writeTags(out, tags, value)
    },
    steps: structSteps(plain, {
      begin: () => ({ ...blank }),
      readEnd: (from, value) => {
        if (flexible) readTags(from, tags, value)
      },
      writeBegin: (value) => {
        if (value === null) throw nullWritten(path)
        for (const slot of guarded) refuseMeaning(slot, version, value[slot.name])
      },
      writeEnd: (out, value) => {
        if (flexible) writeTags(out, tags, value)
      },
    }),
  }
}

function readTags(from: Reader, tags: readonly Slot[], value: Record<string, unknown>): void {
  for (let left = readTagCount(from); left > 0; left--) {
    const tag = from.uvarint()
    const size = from.uvarint()
    const start = from.skip(size)
    const slot = tags.find(({ member }) => member.tag === tag)
    if (!slot) continue
    from.charge(heapBytesOf(slot.member.shape))
    value[slot.name] = slot.codec.read(from.within(start, start + size))
  }
}

function writeTags(
  out: Outgoing,
  tags: readonly Slot[],
  value: Readonly<Record<string, unknown>>,
): void {
  if (tags.length === 0) return out.writer.uint8(0)
  const present = tags.filter(
    ({ name, member, byDefault }) => !isDefault(member.shape, byDefault, value[name]),
  )
  out.writer.uvarint(present.length)
  for (const { name, member, codec } of present) {
    const inner = new Outgoing()
    codec.write(inner, value[name])
    out.writer.uvarint(member.tag!)
    out.writer.uvarint(inner.sizeBytes)
    for (const chunk of inner.chunks()) out.append(chunk)
  }
}

function refuseMeaning({ path, member, byDefault }: Slot, version: number, value: unknown): void {
  if (isDefault(member.shape, byDefault, value)) return
  throw new HeadwaterError(
    'unsupported-version',
    `version ${version} cannot carry ${path}; leave it out, or speak a version that has it`,
  )
}

function nullWritten(path: string): HeadwaterError {
  return new HeadwaterError('unsupported-version', `${path} cannot be null in this version`)
}

function nullRead(path: string): HeadwaterError {
  return new HeadwaterError('frame-invalid', `${path} is null where it cannot be`)
}
