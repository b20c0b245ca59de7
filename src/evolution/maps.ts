/** Two versions of a field of which one is a map at least. On the wire a map is a list of entries. */
import type { DescField } from '@bufbuild/protobuf'
import { breaks, directions, only } from './change.ts'
import type { Change, Direction, Evidence, Verdicts } from './change.ts'
import { fieldChange } from './field-change.ts'
import { anyValueOf, misread, misreadKey } from './reading.ts'
import { cardinalityOf, typeText } from './shape.ts'

type MapField = Extract<DescField, { fieldKind: 'map' }>

interface MapChanges {
  readonly changes: Change[]
  /** Whether their values are there to be compared. */
  readonly isComparable: boolean
}

export function compareMaps(before: DescField, after: DescField, path: string): MapChanges {
  if (before.fieldKind === 'map' && after.fieldKind === 'map') {
    return { changes: compareKeys(before, after, path), isComparable: true }
  }
  return { changes: [mapOrNot(before, after, path)], isComparable: false }
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
      fix: `leave ${before.name} a ${typeText(before)}, and add a map with the new keys beside it`,
    }),
  ]
}

/** A list of entries may hold a key twice, of which a map keeps the last. */
function mapOrNot(before: DescField, after: DescField, path: string): Change {
  const [map, other] = before.fieldKind === 'map' ? [before, after] : ([after, before] as const)
  const isAlike = cardinalityOf(other) === 'list' && isEntryLike(map as MapField, other)
  const direction: Direction = map === after ? 'backward' : 'forward'
  const wire = isAlike ? only(direction, 'breaks') : breaks
  const evidence = directions
    .filter((each) => wire[each] === 'breaks')
    .flatMap((each): Evidence[] => {
      const [writer, reader] = each === 'backward' ? [before, after] : [after, before]
      const value = isAlike ? twice(map as MapField, other) : [anyValueOf(writer)]
      const found = misread(writer, reader, value)
      return found === undefined ? [] : [{ direction: each, ...found }]
    })
  return fieldChange(isAlike ? 'cardinality-changed' : 'type-changed', [before, after], {
    path,
    wire,
    json: breaks,
    source: 'breaks',
    what: `${before.name} was ${typeText(before)} and is ${typeText(after)} now`,
    evidence,
    fix: `leave ${before.name} a ${typeText(before)}, and add a field of the new type beside it`,
  })
}

/** Whether messages of a list have the two fields of the map's entries, and no more. */
function isEntryLike(map: MapField, list: DescField): boolean {
  const [key, value, more] = list.message?.fields.toSorted((a, b) => a.number - b.number) ?? []
  if (key?.number !== 1 || value?.number !== 2 || more !== undefined) return false
  const isKey = key.fieldKind === 'scalar' && key.scalar === map.mapKey
  const isValue =
    value.fieldKind === map.mapKind &&
    value.scalar === map.scalar &&
    value.message?.typeName === map.message?.typeName &&
    value.enum?.typeName === map.enum?.typeName
  return isKey && isValue
}

/** Two entries of one key. */
function twice(map: MapField, list: DescField): readonly unknown[] {
  const [key, value] = list.message!.fields.toSorted((a, b) => a.number - b.number)
  const entry = { [key!.localName]: anyValueOf(key!), [value!.localName]: anyValueOf(map) }
  return [entry, entry]
}
