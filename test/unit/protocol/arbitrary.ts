/** Arbitrary values of a declared type, as one version can carry them. */
import fc from 'fast-check'
import { uuidText } from '../../../src/base/units.ts'
import { defaultOf, type Member, type Shape } from '../../../src/protocol/shape.ts'

/** Values that decoding gives back equal: fields the version lacks have their defaults. */
export function valueOf(shape: Shape, version: number): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case 'nullable': {
      const value = valueOf(shape.of, version)
      const canBeNull = version >= shape.from && version <= shape.to
      return canBeNull ? fc.option(value, { freq: 4 }) : value
    }
    case 'array':
      return fc.array(valueOf(shape.item, version), { maxLength: 3 })
    case 'struct': {
      const members = Object.entries(shape.members)
      return fc.record(
        Object.fromEntries(members.map(([name, member]) => [name, memberOf(member, version)])),
        { noNullPrototype: true },
      )
    }
    case 'string':
      return fc.oneof(fc.string({ maxLength: 80 }), fc.string({ unit: 'grapheme', maxLength: 30 }))
    case 'bytes':
    case 'records':
      return fc.oneof(
        fc.uint8Array({ maxLength: 20 }),
        fc.integer({ min: 1000, max: 1100 }).map((size) => new Uint8Array(size).fill(size)),
      )
    case 'bool':
      return fc.boolean()
    case 'uuid':
      return fc.uint8Array({ minLength: 16, maxLength: 16 }).map(uuidText)
    case 'int64':
      return fc.maxSafeInteger()
    case 'int8':
    case 'int16':
    case 'int32':
      return integer(Number(shape.kind.slice(3)))
  }
}

function memberOf(member: Member, version: number): fc.Arbitrary<unknown> {
  const isHere = version >= member.from && version <= member.to
  return isHere ? valueOf(member.shape, version) : fc.constant(defaultOf(member))
}

function integer(bits: number): fc.Arbitrary<number> {
  return fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })
}
