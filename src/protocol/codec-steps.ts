/**
 * Reading and writing lists in steps: a message of very many items is decoded, and an answer of as many
 * encoded, over several turns (`base/steps.ts`).
 *
 * Only what holds a list has steps. An item is what stands in a list, lists included: its parts are few,
 * and none is longer than a string may be. Bytes are views, whatever their length.
 */
import type { Reader } from '../base/bytes.ts'
import type { Steps } from '../base/steps.ts'
import type { Outgoing } from './wire.ts'

export interface CodecSteps {
  read(from: Reader): Steps<unknown>
  write(out: Outgoing, value: unknown): Steps<void>
  /** Items in `value`, those of the lists in its lists included. */
  count(value: unknown): number
}

/** A part of a message, and its steps if it holds a list. */
interface Part {
  read(from: Reader): unknown
  write(out: Outgoing, value: unknown): void
  readonly steps?: CodecSteps | undefined
}

/** Items without lists that are done in one step; a step of its own each would cost more than they do. */
const stride = 32

/** `readCount` gives less than 0 for null; `writeCount` writes it. */
export function arraySteps(
  item: Part,
  readCount: (from: Reader) => number,
  writeCount: (out: Outgoing, value: readonly unknown[] | null) => void,
): CodecSteps {
  const inner = item.steps
  return {
    *read(from) {
      const count = readCount(from)
      if (count < 0) return null
      const items: unknown[] = []
      for (let i = 1; i <= count; i++) {
        items.push(inner === undefined ? item.read(from) : yield* inner.read(from))
        if (inner !== undefined || i % stride === 0) yield inner === undefined ? stride : 1
      }
      return items
    },
    *write(out, value) {
      const items = value as readonly unknown[] | null
      writeCount(out, items)
      let i = 0
      for (const each of items ?? []) {
        if (inner === undefined) item.write(out, each)
        else yield* inner.write(out, each)
        if (inner !== undefined || ++i % stride === 0) yield inner === undefined ? stride : 1
      }
    },
    count(value) {
      const items = value as readonly unknown[] | null | undefined
      if (items === null || items === undefined) return 0
      let count = items.length
      if (inner !== undefined) for (const each of items) count += inner.count(each)
      return count
    },
  }
}

/** A member of a struct, in its place. */
interface Place {
  readonly name: string
  readonly codec: Part
  readonly byDefault: unknown
}

type Struct = Record<string, unknown>

/** What of a struct is not its untagged members: the value to fill and the end after them. */
interface Frame {
  readonly begin: () => Struct
  readonly readEnd: (from: Reader, value: Struct) => void
  readonly writeBegin: (value: Readonly<Struct>) => void
  readonly writeEnd: (out: Outgoing, value: Readonly<Struct>) => void
}

/** Undefined for a struct without a list. */
export function structSteps(places: readonly Place[], frame: Frame): CodecSteps | undefined {
  const lists = places.filter(({ codec }) => codec.steps !== undefined)
  if (lists.length === 0) return undefined
  return {
    *read(from) {
      const value = frame.begin()
      for (const { name, codec } of places) {
        value[name] = codec.steps === undefined ? codec.read(from) : yield* codec.steps.read(from)
      }
      frame.readEnd(from, value)
      return value
    },
    *write(out, value) {
      const struct = value as Readonly<Struct>
      frame.writeBegin(struct)
      for (const { name, codec, byDefault } of places) {
        const given = struct[name]
        const member = given === undefined ? byDefault : given
        if (codec.steps === undefined) codec.write(out, member)
        else yield* codec.steps.write(out, member)
      }
      frame.writeEnd(out, struct)
    },
    count(value) {
      let count = 0
      for (const { name, codec } of lists) {
        count += codec.steps!.count((value as Readonly<Struct>)[name])
      }
      return count
    },
  }
}
