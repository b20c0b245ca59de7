/**
 * Fields that came to exclude each other, or ceased to. A writer that may set two fields sets both; a reader
 * whose oneof holds them keeps the last.
 */
import type { DescField, DescOneof } from '@bufbuild/protobuf'
import { placeOf } from '../schema/place.ts'
import { only } from './change.ts'
import type { Change, Direction } from './change.ts'
import { anyValueOf, carry, fieldText } from './reading.ts'

/** A field in both versions. */
export interface Pair {
  readonly before: DescField
  readonly after: DescField
}

/** @param path of the message, from the stream's */
export function compareOneofs(pairs: readonly Pair[], path: string): Change[] {
  return [
    ...joined(pairs, 'backward', path),
    ...joined(pairs, 'forward', path),
    ...presenceOnly(pairs, path),
  ]
}

/** Fields that the reader's oneof holds and that the writer could set beside one another. */
function joined(pairs: readonly Pair[], direction: Direction, path: string): Change[] {
  const writerOf = (pair: Pair) => (direction === 'backward' ? pair.before : pair.after)
  const readerOf = (pair: Pair) => (direction === 'backward' ? pair.after : pair.before)
  const groups = Map.groupBy(
    pairs.filter((pair) => readerOf(pair).oneof !== undefined),
    (pair) => readerOf(pair).oneof!,
  )
  return [...groups].flatMap(([oneof, members]) => {
    const two = apart(members.map((pair) => ({ writer: writerOf(pair), reader: readerOf(pair) })))
    return two === undefined ? [] : [conflict(oneof, two, direction, path)]
  })
}

interface Sides {
  readonly writer: DescField
  readonly reader: DescField
}

/** The first two of a reader's oneof that are not in one of the writer's. */
function apart(members: readonly Sides[]): readonly [Sides, Sides] | undefined {
  for (const [i, first] of members.entries()) {
    const second = members
      .slice(i + 1)
      .find(({ writer }) => writer.oneof === undefined || writer.oneof !== first.writer.oneof)
    if (second !== undefined) return [first, second]
  }
  return undefined
}

function conflict(
  oneof: DescOneof,
  [first, second]: readonly [Sides, Sides],
  direction: Direction,
  path: string,
): Change {
  const written = [first, second].map(({ writer }) => ({
    field: writer,
    values: [anyValueOf(writer)],
  }))
  const read = carry(written, [first.reader, second.reader])
  const kept = [first, second].filter(({ reader }) => read(reader)?.length !== 0)
  const names = `${first.reader.name} and ${second.reader.name}`
  const isJoined = direction === 'backward'
  const fields = isJoined
    ? { before: placeOf(first.writer), after: placeOf(first.reader) }
    : { before: placeOf(first.reader), after: placeOf(first.writer) }
  return {
    kind: isJoined ? 'oneof-joined' : 'oneof-left',
    subject: `${oneof.parent.typeName}.${oneof.name}`,
    path: path === '' ? oneof.name : `${path}.${oneof.name}`,
    ...fields,
    wire: only(direction, 'breaks'),
    json: only(direction, 'breaks'),
    source: 'breaks',
    what: isJoined
      ? `${names} exclude each other now: oneof ${oneof.name} holds both`
      : `${names} no longer exclude each other: they were in oneof ${oneof.name}`,
    evidence: [
      {
        direction,
        written: written.map(({ field, values }) => fieldText(field, values)).join(', '),
        read: kept.map(({ reader }) => fieldText(reader, read(reader))).join(', '),
      },
    ],
    fix: isJoined
      ? `leave both where they were, and add a new oneof of new fields beside them`
      : `leave both in oneof ${oneof.name}, and add a field beside it for what comes with it`,
  }
}

/** Single fields that went into a oneof, or out of one, without meeting another: their bytes are the same. */
function presenceOnly(pairs: readonly Pair[], path: string): Change[] {
  return pairs
    .filter(({ before, after }) => (before.oneof === undefined) !== (after.oneof === undefined))
    .filter((pair) => !meetsAnother(pair, pairs))
    .map(({ before, after }) => {
      const isIn = after.oneof !== undefined
      return {
        kind: isIn ? ('oneof-joined' as const) : ('oneof-left' as const),
        subject: `${after.parent.typeName}.${after.name}`,
        path: path === '' ? after.name : `${path}.${after.name}`,
        before: placeOf(before),
        after: placeOf(after),
        wire: { backward: 'safe', forward: 'safe' } as const,
        json: { backward: 'safe', forward: 'safe' } as const,
        source: 'breaks' as const,
        what: isIn
          ? `${after.name} is in oneof ${after.oneof.name} now, with none that was there before`
          : `${after.name} is in no oneof any more, and was alone in it`,
        evidence: [],
        fix: '',
      }
    })
}

function meetsAnother(pair: Pair, pairs: readonly Pair[]): boolean {
  const { before, after } = pair
  return pairs.some((other) => {
    if (other === pair) return false
    if (after.oneof !== undefined) return other.after.oneof === after.oneof
    return other.before.oneof === before.oneof
  })
}
