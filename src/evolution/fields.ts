/** Two versions of one field: its name, its type, how many values it has, and whether it may be absent. */
import type { DescField } from '@bufbuild/protobuf'
import { presenceOf } from '../schema/presence.ts'
import { breaks, only, safe } from './change.ts'
import type { Change, Evidence } from './change.ts'
import { fieldChange } from './field-change.ts'
import type { Surroundings } from './field-change.ts'
import { isSameName } from './names.ts'
import { anyValueOf, carry, fieldText } from './reading.ts'
import { cardinalityOf } from './shape.ts'
import { compareTypes } from './types.ts'
import { elementOf, meaningOf, shown, zeroOf } from './values.ts'

/** Everything but oneofs, which are compared for a whole message. */
export function compareFields(before: DescField, after: DescField, around: Surroundings): Change[] {
  const name = compareNames(before, after, around.path)
  // What another field is, in the place of this one, needs no second reason.
  if (name.some(({ kind }) => kind === 'field-reused' || kind === 'field-renumbered')) return name
  const types = compareTypes(before, after, around)
  const isAnother = types.some(({ wire: { backward, forward } }) => {
    return backward === 'breaks' && forward === 'breaks'
  })
  return [
    ...name,
    ...types,
    ...comparePresence(before, after, around.path),
    // That another type has another zero needs no saying.
    ...(isAnother ? [] : compareDefaults(before, after, around.path)),
  ]
}

function compareNames(before: DescField, after: DescField, path: string): Change[] {
  if (!isSameName(before, after)) return [reused(before, after, path)]
  if (before.name !== after.name) {
    return [
      fieldChange('field-renamed', [before, after], {
        path,
        json: breaks,
        source: 'breaks',
        what: `${before.name} is called ${after.name} now, as declared`,
      }),
    ]
  }
  if (before.jsonName === after.jsonName) return []
  return [
    fieldChange('json-name-changed', [before, after], {
      path,
      json: breaks,
      source: 'safe',
      what: `in JSON, ${before.jsonName} is called ${after.jsonName} now`,
    }),
  ]
}

/** One number, two names: nobody but who wrote it can tell a rename from another field. */
function reused(before: DescField, after: DescField, path: string): Change {
  const { number } = before
  const moved = after.parent.fields.find(({ name }) => name === before.name)
  const evidence: Evidence[] = [
    {
      direction: 'backward',
      written: fieldText(before, [anyValueOf(before)]),
      read: readAs(before, after),
    },
    {
      direction: 'forward',
      written: fieldText(after, [anyValueOf(after)]),
      read: readAs(after, before),
    },
  ]
  return fieldChange(moved ? 'field-renumbered' : 'field-reused', [before, after], {
    path,
    wire: breaks,
    json: moved ? safe : breaks,
    source: moved ? 'safe' : 'breaks',
    subject: `${before.parent.typeName}.${before.name}`,
    what: moved
      ? `${before.name} was ${number} and is ${moved.number} now, and ${number} is ${after.name}`
      : `${number} was ${before.name} and is ${after.name} now`,
    evidence,
    fix: moved
      ? `give ${before.name} its number ${number} back, and ${after.name} one that was never used`
      : `give ${after.name} a number that was never used and reserve ${number} and "${before.name}"; or, if ` +
        `it is the same by another name, declare it: [(headwater.v1.field).renamed_from = "${before.name}"]`,
  })
}

function readAs(writer: DescField, reader: DescField): string {
  const values = [anyValueOf(writer)]
  return fieldText(reader, carry([{ field: writer, values }], [reader])(reader))
}

function comparePresence(before: DescField, after: DescField, path: string): Change[] {
  if (cardinalityOf(before) !== 'one' || cardinalityOf(after) !== 'one') return []
  const [old, young] = [presenceOf(before), presenceOf(after)]
  if (old === young) return []
  if (old === 'required' || young === 'required') return [requiredChanged(before, after, path)]
  const isTold = young === 'explicit'
  return [
    fieldChange('presence-changed', [before, after], {
      path,
      wire: isTold ? safe : only('backward', 'depends'),
      source: 'breaks',
      what: isTold
        ? `whether ${after.name} was set can be told now`
        : `whether ${after.name} was set cannot be told any more from its zero`,
    }),
  ]
}

/** A reader that requires a field refuses every event without it. */
function requiredChanged(before: DescField, after: DescField, path: string): Change {
  const isStricter = presenceOf(after) === 'required'
  const direction = isStricter ? 'backward' : 'forward'
  const { name } = after
  return fieldChange('required-changed', [before, after], {
    path,
    wire: only(direction, 'breaks'),
    source: 'breaks',
    what: isStricter ? `${name} is required now` : `${name} is no longer required`,
    evidence: [
      { direction, written: `${name} not set`, read: 'an event that cannot be read at all' },
    ],
    fix: isStricter
      ? `leave ${name} optional`
      : `leave ${name} required until no reader of the old version is left`,
  })
}

/** What a field that is not set is read as. */
function compareDefaults(before: DescField, after: DescField, path: string): Change[] {
  const [old, young] = [defaultOf(before), defaultOf(after)]
  if (old === undefined || young === undefined || old.meaning === young.meaning) return []
  const absent = (text: string) => `${after.name} not set, which means ${text}`
  return [
    fieldChange('default-changed', [before, after], {
      path,
      wire: breaks,
      what: `${after.name} that is not set meant ${old.text} and means ${young.text} now`,
      evidence: [
        { direction: 'backward', written: absent(old.text), read: absent(young.text) },
        { direction: 'forward', written: absent(young.text), read: absent(old.text) },
      ],
      fix: `leave the default ${old.text}, and have writers set ${after.name}`,
    }),
  ]
}

/** Of fields that may be absent and have one value, in words by which two types can be compared. */
function defaultOf(
  field: DescField,
): { readonly meaning: string; readonly text: string } | undefined {
  const isOne = field.fieldKind === 'scalar' || field.fieldKind === 'enum'
  if (!isOne || presenceOf(field) === 'required') return undefined
  const element = elementOf(field)
  const value =
    field.getDefaultValue() ??
    (field.fieldKind === 'enum' ? field.enum.values[0]!.number : zeroOf(element))
  return { meaning: meaningOf(element, value), text: shown(element, value) }
}
