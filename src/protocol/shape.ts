/**
 * What a declaration is as plain data, and what a field is worth when nobody says.
 *
 * `schema.ts` puts types around it. A field that is left out, or that a version lacks, has the
 * declaration's default, or the protocol's own (zero, false, empty). Defaults are shared between
 * messages, so they are frozen and typed read-only.
 */
import { zeroUuid } from '../base/units.ts'

export type ScalarKind = 'int8' | 'int16' | 'int32' | 'int64' | 'bool' | 'uuid'
type SizedKind = 'string' | 'bytes' | 'records'

export type Shape =
  | { readonly kind: ScalarKind | SizedKind }
  | { readonly kind: 'array'; readonly item: Shape }
  | { readonly kind: 'nullable'; readonly of: Shape; readonly from: number; readonly to: number }
  | { readonly kind: 'struct'; readonly members: Readonly<Record<string, Member>> }

/** A shape as a member of a struct, in the versions `from` to `to`. */
export interface Member {
  readonly shape: Shape
  readonly from: number
  readonly to: number
  /** `undefined`: the protocol's own default. */
  readonly byDefault: unknown
  readonly ignorable: boolean
  /** A tagged field's number, and the first version in which it is tagged. */
  readonly tag: number | undefined
  readonly taggedFrom: number
}

/** What a field is when it is left out, or when the version lacks it. */
export function defaultOf(member: Member): unknown {
  return member.byDefault === undefined ? blankOf(member.shape) : member.byDefault
}

/** The protocol's own defaults. They are shared between messages, hence frozen. */
function blankOf(shape: Shape): unknown {
  switch (shape.kind) {
    case 'nullable':
      return blankOf(shape.of)
    case 'struct': {
      const members = Object.entries(shape.members)
      return Object.freeze(
        Object.fromEntries(members.map(([name, member]) => [name, defaultOf(member)])),
      )
    }
    case 'array':
      return Object.freeze([])
    case 'string':
      return ''
    case 'bytes':
    case 'records':
      return new Uint8Array(0)
    case 'bool':
      return false
    case 'uuid':
      return zeroUuid
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
      return 0
  }
}

/** Whether `value` says no more than leaving the field out would. */
export function isDefault(shape: Shape, byDefault: unknown, value: unknown): boolean {
  if (value === undefined || value === byDefault) return true
  if (value === null || byDefault === null) return false
  switch (shape.kind) {
    case 'nullable':
      return isDefault(shape.of, byDefault, value)
    case 'array':
    case 'bytes':
    case 'records':
      return (value as { readonly length: number }).length === 0
    case 'struct':
      return Object.entries(shape.members).every(([name, member]) =>
        isDefault(
          member.shape,
          (byDefault as Readonly<Record<string, unknown>>)[name],
          (value as Readonly<Record<string, unknown>>)[name],
        ),
      )
    case 'string':
    case 'bool':
    case 'uuid':
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
      return false
  }
}
