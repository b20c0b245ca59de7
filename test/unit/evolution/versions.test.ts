/**
 * Verdicts held against what happens: messages that one version writes and the other reads, with protobuf-es and
 * with our codec. What is lost, changed or unreadable was refused, and what is refused can be lost.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescField, DescMessage, MessageShape } from '@bufbuild/protobuf'
import { reflect } from '@bufbuild/protobuf/reflect'
import type { ReflectList, ReflectMap, ReflectMessage } from '@bufbuild/protobuf/reflect'
import fc from 'fast-check'
import { Writer } from '../../../src/base/bytes.ts'
import { directions } from '../../../src/evolution/change.ts'
import type { Change, ChangeKind } from '../../../src/evolution/change.ts'
import { compareMessages } from '../../../src/evolution/messages.ts'
import { compileCodec } from '../../../src/schema/codec.ts'
import { descriptorOf } from './versions.ts'
import type { Field, Version } from './versions.ts'
import { Draw, edited, randomValue, randomVersion } from './versions-random.ts'

/** Pairs of versions tried; more of them on demand: `RUNS=20000 node --test ...`. */
const runs = Number(process.env['RUNS'] ?? 200)
const seed = process.env['SEED'] === undefined ? 8 : Number(process.env['SEED'])

type Item = string | ReflectMessage | { readonly key: string; readonly value: Item }

/** What a scalar says whatever type holds it. */
function scalarText(value: unknown): string {
  if (typeof value === 'string') return `bytes ${Buffer.from(value).toString('hex')}`
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`
  return String(typeof value === 'boolean' ? Number(value) : value)
}

const isZero = (item: Item): boolean => item === '0' || item === 'bytes '

const itemOf = (value: unknown): Item =>
  typeof value === 'object' && value !== null && !(value instanceof Uint8Array)
    ? (value as ReflectMessage)
    : scalarText(value)

/** The values of a field, none where it is not set; of a map its entries. */
function itemsOf(message: ReflectMessage, field: DescField): readonly Item[] {
  if (!message.isSet(field)) return []
  const value: unknown = message.get(field)
  if (field.fieldKind === 'list') return [...(value as ReflectList)].map(itemOf)
  if (field.fieldKind !== 'map') return [itemOf(value)]
  return [...(value as ReflectMap)].map(([key, each]) => ({
    key: scalarText(key),
    value: itemOf(each),
  }))
}

function isEntry(item: Item): item is { readonly key: string; readonly value: Item } {
  return typeof item === 'object' && 'key' in item
}

/** A message as the map entry that its bytes are. */
function asEntry(item: Item): Item {
  if (typeof item === 'string' || isEntry(item)) return item
  const [key, value] = [1, 2].map((number) => item.fields.find((field) => field.number === number))
  const held = (field: DescField | undefined): Item => {
    if (field === undefined || field.fieldKind === 'list' || field.fieldKind === 'map')
      return 'none'
    return itemsOf(item, field)[0] ?? itemOf(item.get(field))
  }
  return { key: held(key) as string, value: held(value) }
}

/** Where what was read is not what was written; undefined where it is. */
function lost(written: ReflectMessage, read: ReflectMessage, path = ''): string | undefined {
  for (const writer of written.fields) {
    const reader = read.fields.find(({ number }) => number === writer.number)
    if (reader === undefined) continue
    const found = lostIn(writer, itemsOf(written, writer), reader, itemsOf(read, reader))
    if (found !== undefined) return `${path}.${writer.number}${found}`
  }
  const missing = read.fields.find((field) => field.presence === 3 && !read.isSet(field))
  return missing && `${path}.${missing.number} is required`
}

function lostIn(
  writer: DescField,
  written: readonly Item[],
  reader: DescField,
  read: readonly Item[],
): string | undefined {
  if ([writer, reader].some(({ fieldKind }) => fieldKind === 'map')) {
    const byKey = (items: readonly Item[]) =>
      items.map(asEntry).toSorted((a, b) => (isEntry(a) && isEntry(b) && a.key < b.key ? -1 : 1))
    return lostItems(byKey(written), byKey(read))
  }
  const isAbsent = read.length === 0 && reader.presence === 2 && reader.fieldKind !== 'list'
  if (isAbsent && written.length === 1 && isZero(written[0]!)) return undefined
  if (written.length > 0 || read.length > 0) return lostItems(written, read)
  const [old, young] = [absent(writer), absent(reader)]
  if (old === undefined || young === undefined || old === young) return undefined
  return `: not set is ${old} and ${young}`
}

/** What a field that is not set means. */
function absent(field: DescField): string | undefined {
  if (field.fieldKind === 'enum') {
    return scalarText(field.getDefaultValue() ?? field.enum.values[0]!.number)
  }
  if (field.fieldKind !== 'scalar') return undefined
  const zero = field.scalar === 9 || field.scalar === 12 ? '' : 0
  return scalarText(field.getDefaultValue() ?? zero)
}

function lostItems(written: readonly Item[], read: readonly Item[]): string | undefined {
  if (written.length !== read.length) return `: ${written.length} values, ${read.length} read`
  for (const [i, one] of written.entries()) {
    const found = lostItem(one, read[i]!)
    if (found !== undefined) return found
  }
  return undefined
}

const textOf = (item: Item): string => (typeof item === 'string' ? item : 'a message')

function lostItem(one: Item, other: Item): string | undefined {
  if (typeof one === 'string' || typeof other === 'string') {
    return one === other ? undefined : `: ${textOf(one)} is ${textOf(other)}`
  }
  if (isEntry(one) || isEntry(other)) {
    if (!isEntry(one) || !isEntry(other)) return ': an entry is none'
    return one.key === other.key ? lostItem(one.value, other.value) : `: ${one.key} is ${other.key}`
  }
  return lost(one, other)
}

interface Codec {
  write(message: DescMessage, init: Record<string, unknown>): Uint8Array
  read(message: DescMessage, bytes: Uint8Array): MessageShape<DescMessage>
}

const ours: Codec = {
  write: (message, init) => {
    const writer = new Writer()
    compileCodec(message).encode(init, writer)
    return writer.bytes.slice(0, writer.at)
  },
  read: (message, bytes) => compileCodec(message).decode(bytes),
}
const theirs: Codec = {
  write: (message, init) => toBinary(message, create(message, init)),
  read: fromBinary,
}

/** protobuf-es takes bytes of another wire type for a field's own, so it is asked only where none changed. */
const ofOtherBytes = new Set<ChangeKind>([
  'type-changed',
  'encoding-changed',
  'cardinality-changed',
])

/** What goes wrong with one value on its way, written by either codec. */
function carried(
  draw: Draw,
  writer: DescMessage,
  reader: DescMessage,
  readers: readonly Codec[],
): string | undefined {
  const init = randomValue(draw, writer)
  const message = create(writer, init)
  const bytes = draw.of([ours, theirs]).write(writer, init)
  let read: MessageShape<DescMessage>
  try {
    read = draw.of(readers).read(reader, bytes)
  } catch (error) {
    return `unreadable: ${(error as Error).message}`
  }
  return lost(reflect(writer, message), reflect(reader, read))
}

/** Whether it is wrong depends on what is meant, which no value shows. */
const judgements = new Set<ChangeKind>([
  'field-removed',
  'field-reused',
  'oneof-member-removed',
  'reservation-removed',
  'type-replaced',
  'enum-closed',
  'value-added',
  'value-removed',
  'value-reused',
])

const breaking = (changes: readonly Change[], direction: 'backward' | 'forward') =>
  changes.filter(({ wire }) => wire[direction] === 'breaks')

/** How often what was said was borne out. */
const seen = { passed: 0, refused: 0 }

function holds(draw: Draw): void {
  const before = randomVersion(draw)
  const { after, done } = edited(draw, before, draw.of([1, 1, 1, 2, 3]))
  const [old, young] = [descriptorOf(before), descriptorOf(after)]
  const changes = compareMessages(old.message, young.message, {
    before: old.names,
    after: young.names,
  })
  const readers = changes.some(({ kind }) => ofOtherBytes.has(kind)) ? [ours] : [ours, theirs]
  const pair = () => JSON.stringify({ done, before, after, changes })
  for (const direction of directions) {
    const [writer, reader] =
      direction === 'backward' ? [old.message, young.message] : [young.message, old.message]
    const broken = breaking(changes, direction)
    const isRefusal = broken.length > 0
    const judged = broken.filter(({ kind }) => !judgements.has(kind))
    let wrong: string | undefined
    const tries = isRefusal ? 400 : 12
    for (let i = 0; i < tries && wrong === undefined; i++) {
      wrong = carried(draw, writer, reader, readers)
    }
    seen[isRefusal ? 'refused' : 'passed'] += isRefusal && wrong === undefined ? 0 : 1
    if (!isRefusal) assert.equal(wrong, undefined, `${direction} passes: ${pair()}`)
    const isShown = judged.every(({ evidence }) =>
      evidence.some((each) => each.direction === direction),
    )
    assert.ok(
      judged.length === 0 || wrong !== undefined || isShown,
      `${direction} is refused: ${pair()}`,
    )
  }
}

describe('two versions of a message', () => {
  test('what is not refused is read as it was written, and what is refused is not', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => holds(new Draw(g))),
      { seed, numRuns: runs, endOnFailure: true },
    )
    for (const count of Object.values(seen)) assert.ok(count > runs / 4, JSON.stringify(seen))
  })

  test('may be deeper than a stack', () => {
    const field = { number: 1, key: '', presence: 'explicit', oneof: '', packed: false } as const
    const of = (type: string, shape: 'one' | 'list' = 'one'): Field[] => [
      { ...field, type, shape, delimited: false, hasDefault: false },
    ]
    const below = Array.from({ length: 3000 }, (_, i) => [`D${i}`, of(`D${i + 1}`)] as const)
    const deep = (shape: 'one' | 'list', last: string): Version => ({
      syntax: 'proto3',
      messages: Object.fromEntries([['M', of('D0', shape)], ...below, ['D3000', of(last)]]),
      enums: {},
    })
    const [old, young] = [descriptorOf(deep('one', 'int32')), descriptorOf(deep('list', 'sint32'))]
    const types = { before: old.names, after: young.names }
    assert.deepEqual(
      compareMessages(old.message, young.message, types).map(({ kind, wire }) => [kind, wire]),
      [
        ['cardinality-changed', { backward: 'safe', forward: 'breaks' }],
        ['type-changed', { backward: 'breaks', forward: 'breaks' }],
      ],
    )
  })
})
