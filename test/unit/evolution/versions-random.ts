/** Random versions, random edits of them, and random values of a message. */
import { ScalarType } from '@bufbuild/protobuf'
import type { DescField, DescMessage } from '@bufbuild/protobuf'
import { isWrapperDesc } from '@bufbuild/protobuf/wkt'
import fc from 'fast-check'
import { isMessage, mapKeys, platformTypes, scalars } from './versions.ts'
import type { Field, Version } from './versions.ts'

/** Draws from what fast-check gives. */
export class Draw {
  readonly #g: fc.GeneratorValue

  constructor(g: fc.GeneratorValue) {
    this.#g = g
  }

  below(end: number): number {
    return this.#g(fc.integer, { min: 0, max: end - 1 })
  }

  chance(percent: number): boolean {
    return this.below(100) < percent
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }
}

const own = ['A', 'B', 'Entry'] as const
const enums = ['Open', 'Shut', 'Other'] as const

function randomType(draw: Draw): string {
  const kind = draw.below(10)
  if (kind < 6) return draw.of(scalars)
  if (kind < 8) return draw.of(enums)
  return kind === 8 ? draw.of(own) : draw.of([...own, ...platformTypes])
}

function randomField(draw: Draw, number: number): Field {
  const shape = draw.of(['one', 'one', 'one', 'list', 'map'] as const)
  return {
    number,
    shape,
    key: draw.of(mapKeys),
    type: randomType(draw),
    presence: draw.of(['implicit', 'explicit', 'explicit', 'required'] as const),
    oneof: shape === 'one' && draw.chance(25) ? draw.of(['c', 'd']) : '',
    packed: draw.chance(50),
    delimited: draw.chance(25),
    hasDefault: draw.chance(15),
  }
}

function randomFields(draw: Draw, count: number): Field[] {
  return Array.from({ length: count }, (_, i) => randomField(draw, i + 1)).map((field) => ({
    ...field,
    // A message that needs itself cannot be written; that one needs another is rare enough.
    presence:
      own.includes(field.type as 'A') && field.presence === 'required'
        ? 'explicit'
        : field.presence,
  }))
}

export function randomVersion(draw: Draw): Version {
  const version: Version = {
    syntax: draw.of(['proto2', 'proto3', 'editions', 'editions'] as const),
    messages: {
      M: randomFields(draw, 4),
      A: randomFields(draw, 2),
      B: randomFields(draw, 2),
      Entry: randomFields(draw, 2).map((field) => ({
        ...field,
        shape: 'one',
        presence: 'explicit',
        oneof: '',
      })),
    },
    enums: {
      Open: { open: true, numbers: [0, 1, 2] },
      Shut: { open: false, numbers: draw.of([[0], [0, 1], [1, 2], [-1, 5]]) },
      Other: { open: draw.chance(50), numbers: [0, 1] },
    },
  }
  openAsWritten(version)
  if (draw.chance(20)) mapLikeEntry(draw, version)
  return version
}

/** Which enums are open where the syntax says it; an open one begins with zero. */
function openAsWritten({ syntax, enums: all }: Version): void {
  for (const each of Object.values(all)) {
    if (syntax === 'proto3') each.open = true
    if (syntax === 'proto2') each.open = false
    if (each.open) each.numbers = [0, ...each.numbers.filter((number) => number !== 0)]
    if (each.numbers.length === 0) each.numbers = [0]
  }
}

/** Lets a field be what turns into a list of `Entry`, or comes of one. */
function mapLikeEntry(draw: Draw, { messages }: Version): void {
  const [key, value] = messages['Entry']!
  if (!mapKeys.includes(key!.type as 'int32')) key!.type = draw.of(mapKeys)
  const field = messages['M']![0]!
  Object.assign(
    field,
    draw.chance(50)
      ? { shape: 'map', key: key!.type, type: value!.type }
      : { shape: 'list', type: 'Entry' },
  )
  field.oneof = ''
}

type Edit = (draw: Draw, field: Field, version: Version) => void

const edits: Readonly<Record<string, Edit>> = {
  type: (draw, field) => {
    field.type = randomType(draw)
  },
  integer: (draw, field) => {
    field.type = draw.of([
      'int32',
      'int64',
      'uint32',
      'uint64',
      'bool',
      'sint32',
      'sint64',
      ...enums,
    ])
  },
  text: (draw, field) => {
    field.type = draw.of(['string', 'bytes'])
  },
  shape: (draw, field) => {
    field.shape = draw.of(['one', 'list', 'map'] as const)
    if (field.shape !== 'one') field.oneof = ''
  },
  entries: (draw, field, { messages }) => {
    const [key, value] = messages['Entry']!
    if (field.shape === 'map') Object.assign(field, { shape: 'list', type: 'Entry' })
    else Object.assign(field, { shape: 'map', key: key!.type, type: value!.type, oneof: '' })
    if (!mapKeys.includes(field.key as 'int32')) field.key = draw.of(mapKeys)
  },
  key: (draw, field) => {
    field.key = draw.of(mapKeys)
  },
  presence: (draw, field) => {
    field.presence = draw.of(['implicit', 'explicit', 'required'] as const)
  },
  oneof: (draw, field) => {
    if (field.shape === 'one') field.oneof = draw.of(['', 'c', 'd'])
  },
  packed: (_draw, field) => {
    field.packed = !field.packed
  },
  delimited: (_draw, field) => {
    field.delimited = !field.delimited
  },
  default: (_draw, field) => {
    field.hasDefault = !field.hasDefault
  },
  number: (draw, field) => {
    if (field.number < 40) field.number += 40 + draw.below(2) * 300
  },
  syntax: (draw, _field, version) => {
    version.syntax = draw.of(['proto2', 'proto3', 'editions'] as const)
  },
  openness: (draw, _field, version) => {
    const each = version.enums[draw.of(enums)]!
    each.open = !each.open
  },
  value: (draw, _field, version) => {
    const { numbers } = version.enums[draw.of(enums)]!
    if (!numbers.includes(9)) numbers.push(9)
    else numbers.splice(draw.below(numbers.length), 1)
  },
  rename: (_draw, _field, version) => {
    version.messages['Named'] = version.messages['A']!
    delete version.messages['A']
    for (const each of Object.values(version.messages).flat())
      if (each.type === 'A') each.type = 'Named'
  },
  add: (draw, _field, version) => {
    const fields = version.messages[draw.of(['M', 'B'])]!
    if (fields.length < 9) fields.push(randomField(draw, 20 + fields.length))
  },
}

/** A copy in which so many things are different. */
export function edited(
  draw: Draw,
  version: Version,
  count: number,
): { after: Version; done: string[] } {
  const after = structuredClone(version)
  const done: string[] = []
  for (let i = 0; i < count; i++) {
    const name = draw.of(Object.keys(edits))
    if (name === 'rename' && done.includes('rename')) continue
    const fields = draw.chance(70)
      ? after.messages['M']!
      : after.messages[draw.of(['M', 'B', 'Entry'])]!
    edits[name]!(draw, draw.of(fields), after)
    done.push(name)
  }
  openAsWritten(after)
  const { A, Named } = after.messages
  for (const field of Object.values(after.messages).flat()) {
    if (field.type === 'A' && A === undefined && Named !== undefined) field.type = 'Named'
    if (field.presence === 'required' && isMessage(after, field.type)) field.presence = 'explicit'
    if (field.shape !== 'one') field.oneof = ''
  }
  return { after, done }
}

const int32 = [0, 1, -1, 5, 2 ** 31 - 1, -(2 ** 31)]
const uint32 = [0, 1, 5, 2 ** 31, 2 ** 32 - 1]
const int64 = [0n, 1n, -1n, 5n, 2n ** 31n, 2n ** 32n, 2n ** 63n - 1n, -(2n ** 63n)]
const uint64 = [0n, 1n, 5n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n]
const text = (bytes: number[]) => Uint8Array.from(bytes)

const edges: ReadonlyMap<ScalarType, readonly unknown[]> = new Map<ScalarType, readonly unknown[]>([
  ...[ScalarType.INT32, ScalarType.SINT32, ScalarType.SFIXED32].map(
    (type) => [type, int32] as const,
  ),
  ...[ScalarType.UINT32, ScalarType.FIXED32].map((type) => [type, uint32] as const),
  ...[ScalarType.INT64, ScalarType.SINT64, ScalarType.SFIXED64].map(
    (type) => [type, int64] as const,
  ),
  ...[ScalarType.UINT64, ScalarType.FIXED64].map((type) => [type, uint64] as const),
  [ScalarType.BOOL, [false, true]],
  [ScalarType.FLOAT, [0, 0.5, -2, Infinity]],
  [ScalarType.DOUBLE, [0, 0.1, -2, 1e300]],
  [ScalarType.STRING, ['', 'a', 'é', '\u{1F680}', '\0']],
  [ScalarType.BYTES, [text([]), text([97]), text([255, 0]), text([10, 1, 97]), text([8, 1])]],
])

/** An initializer of a message; enums hold numbers that they name. */
export function randomValue(draw: Draw, message: DescMessage, depth = 3): Record<string, unknown> {
  const init: Record<string, unknown> = {}
  for (const oneof of message.oneofs) {
    const field = draw.of([undefined, ...oneof.fields, ...oneof.fields])
    if (field === undefined || (depth === 0 && field.message !== undefined)) continue
    init[oneof.localName] = { case: field.localName, value: elementValue(draw, field, depth) }
  }
  for (const field of message.fields) {
    if (field.oneof !== undefined) continue
    const isRequired = field.presence === 3
    if (!isRequired && (draw.chance(25) || (depth === 0 && field.message !== undefined))) continue
    init[field.localName] = fieldValue(draw, field, depth)
  }
  return init
}

function fieldValue(draw: Draw, field: DescField, depth: number): unknown {
  const items = Array.from({ length: draw.of([1, 1, 2]) }, () => elementValue(draw, field, depth))
  if (field.fieldKind === 'list') return items
  if (field.fieldKind !== 'map') {
    const isPlain = field.message !== undefined && isWrapperDesc(field.message)
    return isPlain ? (items[0] as { value: unknown }).value : items[0]
  }
  return Object.fromEntries(items.map((item) => [String(draw.of(edges.get(field.mapKey)!)), item]))
}

function elementValue(draw: Draw, field: DescField, depth: number): unknown {
  if (field.enum !== undefined) return draw.of(field.enum.values).number
  if (field.message === undefined) return draw.of(edges.get(field.scalar)!)
  const init = randomValue(draw, field.message, depth - 1)
  // A wrapper always holds something here: as a plain value it has no other way.
  return isWrapperDesc(field.message)
    ? { value: draw.of(edges.get(field.message.fields[0].scalar)!) }
    : init
}
