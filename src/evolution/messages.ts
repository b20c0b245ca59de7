/** Two versions of one message, field by field; fields are those of one number. */
import type { DescField, DescMessage } from '@bufbuild/protobuf'
import { placeOf } from '../schema/place.ts'
import { presenceOf } from '../schema/presence.ts'
import { breaks, safe } from './change.ts'
import type { Change, Evidence, Verdict, Verdicts } from './change.ts'
import { compareEnums } from './enums.ts'
import { fieldChange } from './field-change.ts'
import type { Surroundings } from './field-change.ts'
import { compareFields } from './fields.ts'
import { isSameName } from './names.ts'
import { compareOneofs } from './oneofs.ts'
import { anyValueOf, fieldText } from './reading.ts'
import { noLongerReserved, reservedIn } from './reserved.ts'

/** Names of all types there are, in both versions. */
export interface TypeNames {
  readonly before: ReadonlySet<string>
  readonly after: ReadonlySet<string>
}

/**
 * What changed in a stream's message and in all it holds. Two types are compared once, where they are met first:
 * one after the other and not one inside the other, so messages may hold messages as deep as they like.
 */
export function compareMessages(
  before: DescMessage,
  after: DescMessage,
  types: TypeNames,
): Change[] {
  const met = new Set<string>()
  const isFirst = (old: { typeName: string }, young: { typeName: string }): boolean => {
    const pair = `${old.typeName} ${young.typeName}`
    // What the platform's own types are, no file of anybody's changes.
    const isPlatform = old.typeName === young.typeName && isOfPlatform(young.typeName)
    if (met.has(pair) || isPlatform) return false
    met.add(pair)
    return true
  }
  const waiting: Meeting[] = []
  const meet = (old: DescMessage, young: DescMessage, path: string): void => {
    if (isFirst(old, young)) waiting.push({ before: old, after: young, path })
  }
  meet(before, after, '')
  const changes: Change[] = []
  for (let next = 0; next < waiting.length; next++) {
    const { path, ...pair } = waiting[next]!
    const around = (below: string): Surroundings => ({
      path: below,
      has: (version, typeName) => isOfPlatform(typeName) || types[version].has(typeName),
      messages: (old, young) => meet(old, young, below),
      enums: (old, young) => (isFirst(old, young) ? compareEnums(old, young, below) : []),
    })
    changes.push(...compareTwo(pair, path, around))
  }
  return changes
}

/** Types that are there for everybody, whether a file imports them or not. */
function isOfPlatform(typeName: string): boolean {
  return typeName.startsWith('google.protobuf.')
}

interface Meeting {
  readonly before: DescMessage
  readonly after: DescMessage
  readonly path: string
}

function compareTwo(
  { before, after }: Omit<Meeting, 'path'>,
  path: string,
  around: (path: string) => Surroundings,
): Change[] {
  const numbers = numbersOf(after)
  const pairs = before.fields.flatMap((old) => {
    const young = numbers.get(old.number)
    return young === undefined ? [] : [{ before: old, after: young }]
  })
  return [
    ...pairs.flatMap(({ before: old, after: young }) =>
      compareFields(old, young, around(pathTo(young, path))),
    ),
    ...compareOneofs(pairs, path),
    ...goneAndCome(before, after, path),
    ...freed(before, after, path),
  ]
}

function pathTo({ name }: DescField, path: string): string {
  return path === '' ? name : `${path}.${name}`
}

function numbersOf({ fields }: DescMessage): ReadonlyMap<number, DescField> {
  return new Map(fields.map((field) => [field.number, field]))
}

function namesOf({ fields }: DescMessage): ReadonlyMap<string, DescField> {
  return new Map(fields.map((field) => [field.name, field]))
}

/** Fields whose number only one version has. */
function goneAndCome(before: DescMessage, after: DescMessage, path: string): Change[] {
  const [oldNumbers, youngNumbers] = [numbersOf(before), numbersOf(after)]
  const [oldNames, youngNames] = [namesOf(before), namesOf(after)]
  const gone = before.fields.filter(({ number }) => !youngNumbers.has(number))
  const come = after.fields.filter(({ number }) => !oldNumbers.has(number))
  return [
    ...gone.map((field) => {
      const moved = youngNames.get(field.name)
      return moved === undefined
        ? removed(field, after, pathTo(field, path))
        : renumbered(field, moved, pathTo(moved, path))
    }),
    // A name that was there under another number is told where that number is, unless it was renamed there.
    ...come
      .filter(({ name }) => {
        const old = oldNames.get(name)
        const heir = old && youngNumbers.get(old.number)
        return old === undefined || (heir !== undefined && isSameName(old, heir))
      })
      .map((field) => added(field, before, pathTo(field, path))),
  ]
}

/** The bytes of the old number are unknown to whoever reads the new one. */
function renumbered(before: DescField, after: DescField, path: string): Change {
  const lost = (field: DescField): string => fieldText(field, [anyValueOf(field)])
  const none = `${after.name} not set`
  return fieldChange('field-renumbered', [before, after], {
    path,
    wire: breaks,
    json: safe,
    what: `${before.name} was ${before.number} and is ${after.number} now`,
    evidence: [
      { direction: 'backward', written: lost(before), read: none },
      { direction: 'forward', written: lost(after), read: none },
    ],
    fix: `give ${before.name} its number ${before.number} back`,
  })
}

function removed(field: DescField, after: DescMessage, path: string): Change {
  const reserved = reservedIn(after)
  const isKept = reserved.hasNumber(field.number) && reserved.hasName(field.name)
  const missing: Verdict = isKept ? 'depends' : 'breaks'
  const { wire, evidence } = goneFor(field, missing)
  const isRequired = presenceOf(field) === 'required'
  return fieldChange(
    field.oneof === undefined ? 'field-removed' : 'oneof-member-removed',
    [field, undefined],
    {
      path,
      wire,
      source: 'breaks',
      what: isKept
        ? `${field.name} is gone`
        : `${field.name} is gone, and its ${stillFree(field, after)} could be used for something else`,
      evidence,
      fix: isRequired
        ? `make ${field.name} optional first, and remove it when no reader of that version is left`
        : isKept
          ? ''
          : `write \`reserved ${field.number}; reserved "${field.name}";\` in ${after.name}`,
    },
  )
}

/** Who misses a field: whoever expects it of new events; of a oneof, whoever wants to know what was chosen. */
function goneFor(field: DescField, missing: Verdict): { wire: Verdicts; evidence: Evidence[] } {
  if (field.oneof !== undefined) {
    const written = fieldText(field, [anyValueOf(field)])
    const read = `nothing in ${field.oneof.name}`
    return {
      wire: { backward: missing, forward: 'safe' },
      evidence: [{ direction: 'backward', written, read }],
    }
  }
  const isRequired = presenceOf(field) === 'required'
  const read = isRequired ? 'an event that cannot be read at all' : `${field.name} not set`
  return {
    wire: { backward: 'safe', forward: isRequired ? 'breaks' : missing },
    evidence: [{ direction: 'forward', written: `no ${field.name}`, read }],
  }
}

function stillFree(field: DescField, after: DescMessage): string {
  const reserved = reservedIn(after)
  const free = [
    ...(reserved.hasNumber(field.number) ? [] : [`number ${field.number}`]),
    ...(reserved.hasName(field.name) ? [] : [`name "${field.name}"`]),
  ]
  return free.join(' and its ')
}

function added(field: DescField, before: DescMessage, path: string): Change {
  const reserved = reservedIn(before)
  const isReserved = reserved.hasNumber(field.number)
  const isNameReserved = reserved.hasName(field.name)
  const isNameUsed = before.fields.some(({ name }) => name === field.name)
  const isRequired = presenceOf(field) === 'required'
  const isChoice =
    field.oneof !== undefined && before.oneofs.some(({ name }) => name === field.oneof!.name)
  const again: Evidence = {
    direction: 'backward',
    written: `what ${field.number} was before it was reserved`,
    read: `${field.name}`,
  }
  const missing: Evidence = {
    direction: 'backward',
    written: `no ${field.name}`,
    read: 'an event that cannot be read at all',
  }
  return fieldChange(kindOfAdded(isReserved || isNameReserved, isChoice), [undefined, field], {
    path,
    wire: {
      backward: isReserved || isRequired ? 'breaks' : 'safe',
      forward: isChoice ? 'depends' : 'safe',
    },
    json: {
      backward: isNameReserved || isNameUsed || isRequired ? 'breaks' : 'safe',
      forward: isChoice ? 'depends' : 'safe',
    },
    source: presenceOf(field) === 'implicit' ? 'depends' : 'safe',
    what: isReserved
      ? `${field.name} uses ${field.number}, which was reserved`
      : isNameReserved
        ? `${field.name} is a name that was reserved`
        : isNameUsed
          ? `${field.name} is new, and what is called something else now had this name`
          : `${field.name} is new`,
    evidence: isReserved ? [again] : isRequired ? [missing] : [],
    fix:
      isReserved || isNameReserved
        ? `give it a number and a name that were never used, and keep the reservation`
        : isRequired
          ? `make ${field.name} optional: events without it stay in the stream`
          : '',
  })
}

function kindOfAdded(isReserved: boolean, isChoice: boolean): Change['kind'] {
  if (isReserved) return 'field-added-over-reservation'
  return isChoice ? 'oneof-member-added' : 'field-added'
}

function freed(before: DescMessage, after: DescMessage, path: string): Change[] {
  const [numbers, names] = [numbersOf(after), namesOf(after)]
  const free = noLongerReserved(reservedIn(before), reservedIn(after), {
    number: (number) => numbers.has(number),
    name: (name) => names.has(name),
  })
  return free.map((what) => ({
    kind: 'reservation-removed',
    subject: after.typeName,
    path,
    before: placeOf(before),
    after: placeOf(after),
    wire: breaks,
    json: breaks,
    source: 'safe',
    what: `${what} is no longer reserved`,
    evidence: [],
    fix: `keep \`reserved ${what};\`: events that hold it stay in the stream`,
  }))
}
