/** Two versions of one enum, value by value. */
import type { DescEnum, DescEnumValue } from '@bufbuild/protobuf'
import { placeOf } from '../schema/place.ts'
import { breaks, depends, only, safe } from './change.ts'
import type { Change, Verdicts } from './change.ts'
import { isSameValueName } from './names.ts'
import { noLongerReserved, reservedIn } from './reserved.ts'

/** @param path of the field that holds the enum, from the stream's message */
export function compareEnums(before: DescEnum, after: DescEnum, path: string): Change[] {
  const common = { path, evidence: [], fix: '' }
  const pairs = pairValues(before, after)
  return [
    ...pairs.flatMap((pair) => compareValues(pair, path)),
    ...renumbered(before, after, pairs).map((pair) => movedAway(pair, path)),
    ...closed(before, after, path),
    ...freed(before, after).map((what) => ({
      ...common,
      kind: 'reservation-removed' as const,
      subject: after.typeName,
      before: placeOf(before),
      after: placeOf(after),
      wire: breaks,
      json: breaks,
      source: 'safe' as const,
      what: `${what} is no longer reserved`,
      fix: `keep \`reserved ${what};\`: events that hold it stay in the stream`,
    })),
  ]
}

/** Values of one number; a number may have several names, of which the first counts unless another is common. */
interface Pair {
  readonly before: DescEnumValue | undefined
  readonly after: DescEnumValue | undefined
  readonly in: { readonly before: DescEnum; readonly after: DescEnum }
}

function pairValues(before: DescEnum, after: DescEnum): Pair[] {
  const numbers = new Set([...before.values, ...after.values].map(({ number }) => number))
  return [...numbers].map((number) => {
    const old = before.values.filter((value) => value.number === number)
    const young = after.values.filter((value) => value.number === number)
    const kept = old.find((value) => young.some((other) => isSameValueName(value, other)))
    const heir = kept && young.find((other) => isSameValueName(kept, other))
    return { before: kept ?? old[0], after: heir ?? young[0], in: { before, after } }
  })
}

function compareValues(pair: Pair, path: string): Change[] {
  const { before, after } = pair
  if (after === undefined) return removed(before!, pair, path)
  if (before === undefined) return added(after, pair, path)
  return isSameValueName(before, after)
    ? renamed(before, after, path)
    : reused(before, after, pair, path)
}

function renamed(before: DescEnumValue, after: DescEnumValue, path: string): Change[] {
  if (before.name === after.name) return []
  return [
    {
      kind: 'value-renamed',
      subject: subjectOf(after),
      path,
      before: placeOf(before),
      after: placeOf(after),
      wire: safe,
      json: breaks,
      source: 'breaks',
      what: `${before.name} is called ${after.name} now, as declared`,
      evidence: [],
      fix: '',
    },
  ]
}

/** A number that means something else now. */
function reused(
  before: DescEnumValue,
  after: DescEnumValue,
  { in: enums }: Pair,
  path: string,
): Change[] {
  const moved = enums.after.values.find(({ name }) => name === before.name)
  const { number } = before
  return [
    {
      kind: moved === undefined ? 'value-reused' : 'value-renumbered',
      subject: subjectOf(before),
      path,
      before: placeOf(before),
      after: placeOf(after),
      wire: breaks,
      json: moved === undefined ? breaks : safe,
      source: moved === undefined ? 'breaks' : 'safe',
      what:
        moved === undefined
          ? `${number} was ${before.name} and is ${after.name} now`
          : `${before.name} was ${number} and is ${moved.number} now, and ${number} is ${after.name}`,
      evidence: [
        { direction: 'backward', written: before.name, read: after.name },
        { direction: 'forward', written: after.name, read: before.name },
      ],
      fix:
        moved === undefined
          ? `give ${after.name} a number of its own and reserve ${number}; or, if it is the same by another ` +
            `name, write ${after.name} = ${number} [(headwater.v1.value).renamed_from = "${before.name}"]`
          : `give every value the number it had, and ${after.name} one that was never used`,
    },
  ]
}

function added(value: DescEnumValue, { in: enums }: Pair, path: string): Change[] {
  // That its number is another now is said of the name.
  if (enums.before.values.some(({ name }) => name === value.name)) return []
  const reserved = reservedIn(enums.before)
  const isReserved = reserved.hasNumber(value.number)
  const isNameReserved = reserved.hasName(value.name)
  const lost = enums.before.open ? ('depends' as const) : ('breaks' as const)
  const evidence = enums.before.open
    ? []
    : [{ direction: 'forward' as const, written: value.name, read: 'not set' }]
  const again = {
    direction: 'backward',
    written: `${value.number} of long ago`,
    read: value.name,
  } as const
  return [
    {
      kind: isReserved || isNameReserved ? 'value-added-over-reservation' : 'value-added',
      subject: subjectOf(value),
      path,
      before: undefined,
      after: placeOf(value),
      wire: { backward: isReserved ? 'breaks' : 'safe', forward: lost },
      json: { backward: isNameReserved ? 'breaks' : 'safe', forward: 'breaks' },
      source: 'depends',
      what: isReserved
        ? `${value.name} uses ${value.number}, which was reserved`
        : `${value.name} is new`,
      evidence: isReserved ? [again, ...evidence] : evidence,
      fix: isReserved
        ? `give ${value.name} a number that was never used, and keep the reservation`
        : enums.before.open
          ? ''
          : 'make the enum open first (proto3, or features.enum_type = OPEN) in every reader',
    },
  ]
}

/** Values of one name and two numbers, but those of whom it is said that another has their number now. */
function renumbered(before: DescEnum, after: DescEnum, pairs: readonly Pair[]): Pair[] {
  const told = new Set(
    pairs
      .filter((pair) => pair.before && pair.after && !isSameValueName(pair.before, pair.after))
      .map((pair) => pair.before),
  )
  return before.values.flatMap((old) => {
    const young = after.values.find(({ name }) => name === old.name)
    const isMoved = young !== undefined && young.number !== old.number && !told.has(old)
    return isMoved ? [{ before: old, after: young, in: { before, after } }] : []
  })
}

function movedAway({ before, after, in: enums }: Pair, path: string): Change {
  const [old, young] = [before!, after!]
  const nameIn = (to: DescEnum, number: number): string =>
    to.values.find((value) => value.number === number)?.name ?? `${number}, which has no name`
  return {
    kind: 'value-renumbered',
    subject: subjectOf(young),
    path,
    before: placeOf(old),
    after: placeOf(young),
    wire: breaks,
    json: safe,
    source: 'safe',
    what: `${young.name} was ${old.number} and is ${young.number} now`,
    evidence: [
      { direction: 'backward', written: old.name, read: nameIn(enums.after, old.number) },
      { direction: 'forward', written: young.name, read: nameIn(enums.before, young.number) },
    ],
    fix: `give ${young.name} its number ${old.number} back`,
  }
}

function removed(value: DescEnumValue, { in: enums }: Pair, path: string): Change[] {
  // Said where its new number is.
  if (enums.after.values.some(({ name }) => name === value.name)) return []
  const reserved = reservedIn(enums.after)
  const isNumberKept = reserved.hasNumber(value.number)
  const isNameKept = reserved.hasName(value.name)
  const isKept = isNumberKept && isNameKept
  const wire: Verdicts = only('backward', isKept ? 'depends' : 'breaks')
  return [
    {
      kind: 'value-removed',
      subject: subjectOf(value),
      path,
      before: placeOf(value),
      after: undefined,
      wire: enums.after.open ? wire : only('backward', 'breaks'),
      json: only('backward', 'breaks'),
      source: 'breaks',
      what: isKept
        ? `${value.name} is gone`
        : `${value.name} is gone, and could be used for something else`,
      evidence: [
        {
          direction: 'backward',
          written: value.name,
          read: enums.after.open ? `${value.number}, which has no name` : 'not set',
        },
      ],
      fix: isKept
        ? ''
        : `write \`reserved ${value.number}; reserved "${value.name}";\` in ${enums.after.name}`,
    },
  ]
}

/** A reader of a closed enum does not see a number that it does not know. */
function closed(before: DescEnum, after: DescEnum, path: string): Change[] {
  if (before.open === after.open) return []
  const direction = after.open ? 'forward' : 'backward'
  return [
    {
      kind: 'enum-closed',
      subject: after.typeName,
      path,
      before: placeOf(before),
      after: placeOf(after),
      wire: after.open ? only(direction, 'depends') : only(direction, 'breaks'),
      json: depends,
      source: 'safe',
      what: after.open ? 'the enum is open now' : 'the enum is closed now',
      evidence: after.open
        ? []
        : [{ direction, written: 'a number without a name', read: 'not set' }],
      fix: after.open ? '' : 'keep it open: features.enum_type = OPEN',
    },
  ]
}

function freed(before: DescEnum, after: DescEnum): readonly string[] {
  return noLongerReserved(reservedIn(before), reservedIn(after), {
    number: (number) => after.values.some((value) => value.number === number),
    name: (name) => after.values.some((value) => value.name === name),
  })
}

function subjectOf(value: DescEnumValue): string {
  return `${value.parent.typeName}.${value.name}`
}
