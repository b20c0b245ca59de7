/** Two versions of a field of which one is a map at least. On the wire a map is a list of entries. */
import type { DescField } from '@bufbuild/protobuf'
import { breaks, directions, only } from './change.ts'
import type { Change, Direction, Evidence, Verdicts } from './change.ts'
import { fieldChange } from './field-change.ts'
import { anyValueOf, misread, misreadKey } from './reading.ts'
import { cardinalityOf, isDelimited, typeText } from './shape.ts'

type MapField = Extract<DescField, { fieldKind: 'map' }>

interface MapChanges {
  readonly changes: Change[]
  /** The fields that hold their values, where these are to be compared. */
  readonly values: readonly [before: DescField, after: DescField] | undefined
}

export function compareMaps(before: DescField, after: DescField, path: string): MapChanges {
  if (before.fieldKind === 'map' && after.fieldKind === 'map') {
    return { changes: compareKeys(before, after, path), values: [before, after] }
  }
  const [old, young] = [valueOf(before, after), valueOf(after, before)]
  const values = old && young && ([old, young] as const)
  return { changes: [mapOrNot(before, after, path, values !== undefined)], values }
}

function compareKeys(before: MapField, after: MapField, path: string): Change[] {
  if (before.mapKey === after.mapKey) return []
  const evidence = directions.flatMap((direction): Evidence[] => {
    const [writer, reader] = direction === 'backward' ? [before, after] : [after, before]
    const found = misreadKey(writer, reader)
    return found === undefined ? [] : [{ direction, ...found }]
  })
  const broken = (direction: Direction) => evidence.some((each) => each.direction === direction)
  const wire: Verdicts = {
    backward: broken('backward') ? 'breaks' : 'safe',
    forward: broken('forward') ? 'breaks' : 'safe',
  }
  return [
    fieldChange('type-changed', [before, after], {
      path,
      wire,
      source: 'breaks',
      what: `${before.name} was ${typeText(before)} and is ${typeText(after)} now`,
      evidence,
      fix: `leave ${before.name} of type ${typeText(before)}, and add a map with the new keys beside it`,
    }),
  ]
}

/** A list of entries may hold a key twice, of which a map keeps the last. */
function mapOrNot(before: DescField, after: DescField, path: string, isAlike: boolean): Change {
  const [map, list] = before.fieldKind === 'map' ? [before, after] : [after, before]
  const direction: Direction = map === after ? 'backward' : 'forward'
  const wire = isAlike ? only(direction, 'breaks') : breaks
  const evidence = directions
    .filter((each) => wire[each] === 'breaks')
    .map((each): Evidence => {
      const [writer, reader] = each === 'backward' ? [before, after] : [after, before]
      const value = isAlike ? twice(list) : [anyValueOf(writer)]
      const found = misread(writer, reader, value) ?? {
        written: `${writer.name}: a ${typeText(writer)}`,
        read: `${reader.name}: a ${typeText(reader)}`,
      }
      return { direction: each, ...found }
    })
  return fieldChange(isAlike ? 'cardinality-changed' : 'type-changed', [before, after], {
    path,
    wire,
    json: breaks,
    source: 'breaks',
    what: `${before.name} was ${typeText(before)} and is ${typeText(after)} now`,
    evidence,
    fix: `leave ${before.name} of type ${typeText(before)}, and add a field of the new type beside it`,
  })
}

/** What holds the values of a map or of a list of its entries; undefined where the one is not of the other. */
function valueOf(field: DescField, other: DescField): DescField | undefined {
  if (field.fieldKind === 'map') return field
  return isEntryLike(other as MapField, field) ? entryFields(field)[1] : undefined
}

function entryFields({ message }: DescField): readonly DescField[] {
  return message?.fields.toSorted((a, b) => a.number - b.number) ?? []
}

/** Whether messages of a list are written as a map's entries are, and have no more in them. */
function isEntryLike(map: MapField, list: DescField): boolean {
  const [key, value, more] = entryFields(list)
  if (key?.number !== 1 || value?.number !== 2 || more !== undefined) return false
  const isKey = key.fieldKind === 'scalar' && key.scalar === map.mapKey
  const isValue = value.fieldKind === map.mapKind && value.scalar === map.scalar
  const isMarked = isDelimited(list) || isDelimited(value)
  return cardinalityOf(list) === 'list' && isKey && isValue && !isMarked
}

/** Two entries of one key. */
function twice(list: DescField): readonly unknown[] {
  const [key, value] = entryFields(list)
  const entry = { [key!.localName]: anyValueOf(key!), [value!.localName]: anyValueOf(value!) }
  return [entry, entry]
}
