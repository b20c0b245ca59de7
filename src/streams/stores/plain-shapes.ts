/**
 * What the two directions of `plain/1` share: tags, bounds, and shapes, the key lists of objects.
 *
 * A service stores few shapes very often, so both directions remember shapes: the encoder finds a shape's
 * bytes by its keys, the decoder its keys by the bytes. The memory is direct-mapped and bounded; an object
 * used as a dictionary only misses it.
 */

/** The first byte of every value: the format and its version. */
export const plainMark = 0xc1

export const Tag = {
  null: 0,
  undefined: 1,
  false: 2,
  true: 3,
  integer: 4,
  double: 5,
  bigint64: 6,
  bigint: 7,
  text: 8,
  wideText: 9,
  date: 10,
  bytes: 11,
  array: 12,
  object: 13,
  bareObject: 14,
} as const

/** How deep values may lie in one another. */
export const plainDepthMax = 100

/** Slots of remembered shapes; a power of two. */
const shapeSlots = 256
/** The largest shape that is remembered. */
const shapeKeysMax = 64
const shapeBytesMax = 1024

export interface Shape {
  readonly keys: readonly string[]
  /** The keys as they are written, without the size before them. */
  readonly bytes: Uint8Array
  /** An object with these keys, to be copied. */
  readonly template: Readonly<Record<string, unknown>>
}

export function makeShape(keys: readonly string[], bytes: Uint8Array): Shape {
  const template: Record<string, unknown> = {}
  for (const key of keys) setOwn(template, key, undefined)
  return { keys, bytes, template }
}

/** Sets a property whatever its name is: `__proto__` as well. */
function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') object[key] = value
  else Object.defineProperty(object, key, { value, ...ordinary })
}

const ordinary = { enumerable: true, configurable: true, writable: true }

/** Shapes by their keys. */
export class ShapesByKeys {
  readonly #slots: (Shape | undefined)[] = Array.from({ length: shapeSlots })

  find(keys: readonly string[]): Shape | undefined {
    const shape = this.#slots[slotOfKeys(keys)]
    if (shape === undefined || shape.keys.length !== keys.length) return undefined
    for (let i = 0; i < keys.length; i++) if (shape.keys[i] !== keys[i]) return undefined
    return shape
  }

  keep(shape: Shape): void {
    if (isSmall(shape)) this.#slots[slotOfKeys(shape.keys)] = shape
  }
}

function slotOfKeys(keys: readonly string[]): number {
  if (keys.length === 0) return 0
  const first = keys[0]!
  const last = keys[keys.length - 1]!
  const ends = first.length * 17 + last.length * 5 + last.charCodeAt(last.length >> 1)
  return (keys.length * 31 + ends) & (shapeSlots - 1)
}

/** Shapes by their bytes. */
export class ShapesByBytes {
  readonly #slots: (Shape | undefined)[] = Array.from({ length: shapeSlots })

  find(bytes: Uint8Array, start: number, end: number): Shape | undefined {
    const shape = this.#slots[slotOfBytes(bytes, start, end)]
    if (shape === undefined || shape.bytes.length !== end - start) return undefined
    for (let i = 0; i < shape.bytes.length; i++) {
      if (shape.bytes[i] !== bytes[start + i]) return undefined
    }
    return shape
  }

  keep(shape: Shape): void {
    const { bytes } = shape
    if (isSmall(shape)) this.#slots[slotOfBytes(bytes, 0, bytes.length)] = shape
  }
}

function slotOfBytes(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return 0
  const middle = bytes[(start + end) >> 1]!
  return ((end - start) * 31 + middle * 7 + bytes[end - 1]!) & (shapeSlots - 1)
}

function isSmall({ keys, bytes }: Shape): boolean {
  return keys.length <= shapeKeysMax && bytes.length <= shapeBytesMax
}
