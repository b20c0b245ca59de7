/** Two versions of a field's type, judged by writing values with one and reading them with the other. */
import type { DescField } from '@bufbuild/protobuf'
import { breaks, directions, safe } from './change.ts'
import type { Change, ChangeKind, Direction, Evidence, Verdict, Verdicts } from './change.ts'
import { fieldChange } from './field-change.ts'
import type { Surroundings } from './field-change.ts'
import { compareMaps } from './maps.ts'
import { anyValueOf, misread, misreading } from './reading.ts'
import { cardinalityOf, isDelimited, typeText } from './shape.ts'
import { candidatesOf, elementOf } from './values.ts'

export function compareTypes(before: DescField, after: DescField, around: Surroundings): Change[] {
  const hasMap = [before, after].some((field) => cardinalityOf(field) === 'map')
  if (!hasMap) {
    return [
      ...compareCardinality(before, after, around.path),
      ...compareElements(before, after, around),
    ]
  }
  const { changes, values } = compareMaps(before, after, around.path)
  return values === undefined ? changes : [...changes, ...compareElements(...values, around)]
}

/** Whoever reads one value of many loses the others. */
function compareCardinality(before: DescField, after: DescField, path: string): Change[] {
  if (cardinalityOf(before) === cardinalityOf(after)) return []
  const isList = cardinalityOf(after) === 'list'
  const [list, one] = isList ? [after, before] : [before, after]
  const direction: Direction = isList ? 'forward' : 'backward'
  const evidence = misread(list, one, twoOf(list))
  return [
    fieldChange('cardinality-changed', [before, after], {
      path,
      wire: { ...safe, [direction]: 'breaks' },
      json: breaks,
      source: 'breaks',
      what: `${before.name} was ${typeText(before)} and is ${typeText(after)} now`,
      evidence: evidence === undefined ? [] : [{ direction, ...evidence }],
      fix: `leave ${before.name} as it was, and add a field for ${isList ? 'the list' : 'the one'} beside it`,
    }),
  ]
}

function twoOf(field: DescField): readonly unknown[] {
  const [first = anyValueOf(field), second = first] = candidatesOf(elementOf(field))
  return [first, second]
}

function compareElements(before: DescField, after: DescField, around: Surroundings): Change[] {
  if (before.message !== undefined && after.message !== undefined) {
    return compareMessageTypes(before, after, around)
  }
  if (before.message !== undefined || after.message !== undefined) {
    return [typeChanged(before, after, around.path, breaks)]
  }
  if (before.enum !== undefined && after.enum !== undefined) {
    return compareEnumTypes(before, after, around)
  }
  if (before.scalar !== undefined && before.scalar === after.scalar) return []
  return [typeChanged(before, after, around.path, scalarVerdicts(before, after))]
}

/** A number that an open enum has no name for is read as that number: whether that is enough, its reader knows. */
function scalarVerdicts(before: DescField, after: DescField): Verdicts {
  const verdict = (writer: DescField, reader: DescField): Verdict => {
    if (misreading(writer, reader) !== undefined) return 'breaks'
    return reader.enum === undefined ? 'safe' : 'depends'
  }
  return { backward: verdict(before, after), forward: verdict(after, before) }
}

function typeChanged(before: DescField, after: DescField, path: string, wire: Verdicts): Change {
  return fieldChange('type-changed', [before, after], {
    path,
    wire,
    source: 'breaks',
    what: `${before.name} was ${typeText(before)} and is ${typeText(after)} now`,
    evidence: evidenceOf(before, after, wire),
    fix: `leave ${before.name} of type ${typeText(before)}, and add a field of the new type beside it`,
  })
}

function evidenceOf(before: DescField, after: DescField, wire: Verdicts): Evidence[] {
  return directions
    .filter((direction) => wire[direction] === 'breaks')
    .flatMap((direction) => {
      const [writer, reader] = direction === 'backward' ? [before, after] : [after, before]
      const found = misreading(writer, reader) ?? misread(writer, reader, [anyValueOf(writer)])
      return found === undefined ? [] : [{ direction, ...found }]
    })
}

function compareMessageTypes(before: DescField, after: DescField, around: Surroundings): Change[] {
  if (isDelimited(before) !== isDelimited(after)) {
    return [
      fieldChange('encoding-changed', [before, after], {
        path: around.path,
        wire: breaks,
        json: safe,
        what: `${before.name} is ${isDelimited(after) ? '' : 'no longer '}written between marks (DELIMITED)`,
        evidence: evidenceOf(before, after, breaks),
        fix: `keep features.message_encoding of ${before.name} as it was`,
      }),
    ]
  }
  const [old, young] = [before.message!, after.message!]
  if (!isReplaced(old.typeName, young.typeName, around)) around.messages(old, young)
  return compareIdentity(before, after, around)
}

function compareEnumTypes(before: DescField, after: DescField, around: Surroundings): Change[] {
  const [old, young] = [before.enum!, after.enum!]
  return [
    ...compareIdentity(before, after, around),
    ...(isReplaced(old.typeName, young.typeName, around) ? [] : around.enums(old, young)),
  ]
}

/** Whether one type stands where another did, both being there before and after. */
function isReplaced(before: string, after: string, { has }: Surroundings): boolean {
  return before !== after && has('after', before) && has('before', after)
}

/** The same type under another name, or another. */
function compareIdentity(before: DescField, after: DescField, around: Surroundings): Change[] {
  const old = (before.message ?? before.enum)!.typeName
  const young = (after.message ?? after.enum)!.typeName
  if (old === young) return []
  const isOther = isReplaced(old, young, around)
  const kind: ChangeKind = isOther ? 'type-replaced' : 'type-renamed'
  return [
    fieldChange(kind, [before, after], {
      path: around.path,
      wire: isOther ? breaks : safe,
      json: isOther ? breaks : safe,
      source: 'breaks',
      what: `${before.name} was ${typeText(before)} and is ${typeText(after)} now${
        isOther ? ', which is another type' : ', which was not there before'
      }`,
      evidence: isOther ? replacedEvidence(before, after) : [],
      fix: isOther
        ? `leave ${before.name} of type ${old}, and add a field of type ${young} beside it`
        : '',
    }),
  ]
}

/** What is read is of the other type, whatever its bytes say. */
function replacedEvidence(before: DescField, after: DescField): Evidence[] {
  return directions.map((direction) => {
    const [writer, reader] = direction === 'backward' ? [before, after] : [after, before]
    return {
      direction,
      written: `${writer.name}: a ${(writer.message ?? writer.enum)!.typeName}`,
      read: `${reader.name}: a ${(reader.message ?? reader.enum)!.typeName}`,
    }
  })
}
