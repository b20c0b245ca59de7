/** Values that show how two types differ: the smallest and the largest, and some in between. */
import { ScalarType } from '@bufbuild/protobuf'
import type { DescEnum, DescField } from '@bufbuild/protobuf'
import { hexOf, utf8Bytes } from '../base/bytes.ts'

/** What one value of a field is. A map's is that of its values. */
export type Element =
  | { readonly kind: 'scalar'; readonly scalar: ScalarType }
  | { readonly kind: 'enum'; readonly enum: DescEnum }
  | { readonly kind: 'message'; readonly typeName: string }

export function elementOf(field: DescField): Element {
  if (field.message !== undefined) return { kind: 'message', typeName: field.message.typeName }
  if (field.enum !== undefined) return { kind: 'enum', enum: field.enum }
  return { kind: 'scalar', scalar: field.scalar }
}

const int32 = [-5, 5, 1, 2 ** 31 - 1, -(2 ** 31)]
const uint32 = [5, 1, 4_294_967_291, 2 ** 32 - 1]
const int64 = [-5n, 5n, 1n, 5_000_000_000n, 2n ** 63n - 1n, -(2n ** 63n)]
const uint64 = [5n, 1n, 5_000_000_000n, 2n ** 64n - 5n]

const candidates: ReadonlyMap<ScalarType, readonly unknown[]> = new Map<
  ScalarType,
  readonly unknown[]
>([
  [ScalarType.INT32, int32],
  [ScalarType.SINT32, int32],
  [ScalarType.SFIXED32, int32],
  [ScalarType.UINT32, uint32],
  [ScalarType.FIXED32, uint32],
  [ScalarType.INT64, int64],
  [ScalarType.SINT64, int64],
  [ScalarType.SFIXED64, int64],
  [ScalarType.UINT64, uint64],
  [ScalarType.FIXED64, uint64],
  [ScalarType.BOOL, [true, false]],
  [ScalarType.FLOAT, [2.5, -0.5]],
  [ScalarType.DOUBLE, [2.5, 0.1]],
  [ScalarType.STRING, ['text', 'é']],
  [ScalarType.BYTES, [Uint8Array.of(255, 0, 254), new TextEncoder().encode('text')]],
])

/**
 * Values of a type. Zeros are among them where a closed enum may know them or not: last. Of a message none, since
 * they are compared field by field.
 */
export function candidatesOf(element: Element): readonly unknown[] {
  if (element.kind === 'message') return []
  if (element.kind === 'scalar') return candidates.get(element.scalar)!
  const all = element.enum.values.map(({ number }) => number)
  const named = all.filter((number) => number !== 0)
  // An open enum holds any number: somebody's newer version may have written it.
  return element.enum.open
    ? [...named, 2 ** 31 - 1, -1]
    : [...named, ...all.filter((number) => number === 0)]
}

/**
 * What a value says whatever type holds it, so that values of two types can be compared: an integer, a bool and
 * an enum are numbers, a text is its bytes.
 */
export function meaningOf(element: Element, value: unknown): string {
  if (element.kind === 'message') return 'message'
  if (element.kind === 'enum') return `int ${String(value)}`
  const { scalar } = element
  if (scalar === ScalarType.STRING) return `bytes ${hexOf(utf8Bytes(value as string))}`
  if (scalar === ScalarType.BYTES) return `bytes ${hexOf(value as Uint8Array)}`
  if (scalar === ScalarType.FLOAT || scalar === ScalarType.DOUBLE) return `number ${String(value)}`
  return `int ${String(scalar === ScalarType.BOOL ? Number(value) : value)}`
}

/** A value as people write it. */
export function shown(element: Element, value: unknown): string {
  if (element.kind === 'message') return '{…}'
  if (element.kind === 'enum') {
    const declared = element.enum.value[value as number]
    return declared === undefined ? String(value) : declared.name
  }
  if (value instanceof Uint8Array) return `0x${hexOf(value)}`
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

/** What an implicit field is when it is not set. */
export function zeroOf(element: Element): unknown {
  if (element.kind !== 'scalar') return 0
  if (element.scalar === ScalarType.STRING) return ''
  return element.scalar === ScalarType.BYTES ? new Uint8Array() : 0
}
