/** Two versions of what a stream's contract says beside its message: who writes it, by what key, how it is split. */
import type { DescField, DescMessage } from '@bufbuild/protobuf'
import type { StreamContract } from '../schema/descriptor.ts'
import { streamOptionPlace } from '../schema/place.ts'
import type { StreamPart } from '../schema/place.ts'
import { breaks, depends, only, safe } from './change.ts'
import type { Change, ChangeKind, Verdicts } from './change.ts'
import { isWeaker, levelOf } from './level.ts'

/** A stream in one version. */
export interface Stream {
  readonly message: DescMessage
  readonly contract: StreamContract
}

interface Difference {
  readonly kind: ChangeKind
  readonly part: StreamPart
  readonly wire: Verdicts
  readonly what: string
  readonly fix?: string
}

export function compareContracts(before: Stream, after: Stream): Change[] {
  const [old, young] = [before.contract, after.contract]
  return [
    ...how(old, young),
    ...who(old, young),
    ...why(old, young),
    ...promised(before.message, after.message),
  ].map((difference) => ({
    kind: difference.kind,
    subject: `stream '${young.stream}'`,
    path: '',
    before: streamOptionPlace(before.message, difference.part),
    after: streamOptionPlace(after.message, difference.part),
    wire: difference.wire,
    json: difference.wire,
    source: difference.kind === 'kind-changed' ? 'breaks' : 'depends',
    what: difference.what,
    evidence: [],
    fix: difference.fix ?? '',
  }))
}

/** What decides in which partition an event is, and what it means there. */
function how(old: StreamContract, young: StreamContract): Difference[] {
  const again = 'write a new stream beside this one, and let readers move to it'
  const found: (Difference | false)[] = [
    old.kind !== young.kind && {
      kind: 'kind-changed',
      part: 'kind',
      wire: breaks,
      what: `the stream was ${old.kind} and is ${young.kind} now`,
      fix: again,
    },
    old.key?.number !== young.key?.number && {
      kind: 'key-changed',
      part: 'key',
      wire: breaks,
      what: `its key was ${nameOf(old.key)} and is ${nameOf(young.key)} now: events of one thing are under two keys`,
      fix: again,
    },
    old.partitions !== young.partitions &&
      old.partitions !== 0 &&
      young.partitions !== 0 && {
        kind: 'partitions-changed',
        part: 'partitions',
        wire: breaks,
        what:
          `it had ${old.partitions} partitions and has ${young.partitions} now: events of one key are in two of ` +
          'them, in no order',
        fix: again,
      },
    old.keyspace !== young.keyspace &&
      old.keyspace !== '' &&
      young.keyspace !== '' && {
        kind: 'keyspace-changed',
        part: 'keyspace',
        wire: depends,
        what: `its keyspace was ${old.keyspace} and is ${young.keyspace} now: what it is joined with changes`,
      },
    old.eventTime?.number !== young.eventTime?.number && {
      kind: 'event-time-changed',
      part: 'kind',
      wire: depends,
      what: `its event time was ${nameOf(old.eventTime)} and is ${nameOf(young.eventTime)} now: new events have other times`,
    },
  ]
  return found.filter((each) => each !== false)
}

function nameOf(field: DescField | undefined): string {
  return field?.name ?? 'none'
}

function who(old: StreamContract, young: StreamContract): Difference[] {
  const found: (Difference | false)[] = [
    old.owner !== young.owner && {
      kind: 'owner-changed',
      part: 'owner',
      wire: depends,
      what: `${old.owner} wrote it and ${young.owner} does now: the one has to stop before the other begins`,
    },
    old.context !== young.context && {
      kind: 'context-changed',
      part: 'context',
      wire: depends,
      what: `it was of context ${old.context} and is of ${young.context} now`,
    },
  ]
  return found.filter((each) => each !== false)
}

/** Reasons for which commands are rejected. */
function why(old: StreamContract, young: StreamContract): Difference[] {
  const added = young.reasons.filter((reason) => !old.reasons.includes(reason))
  const removed = old.reasons.filter((reason) => !young.reasons.includes(reason))
  return [
    ...added.map((reason) => ({
      kind: 'reason-added' as const,
      part: 'reasons' as const,
      wire: only('forward', 'depends'),
      what: `commands may be rejected for '${reason}', which callers of the old version do not know`,
    })),
    ...removed.map((reason) => ({
      kind: 'reason-removed' as const,
      part: 'reasons' as const,
      wire: safe,
      what: `commands are no longer rejected for '${reason}'`,
    })),
  ]
}

function promised(before: DescMessage, after: DescMessage): Difference[] {
  const [old, young] = [levelOf(before), levelOf(after)]
  if (!isWeaker(old, young)) return []
  return [
    {
      kind: 'promise-lowered',
      part: 'compatibility',
      wire: depends,
      what: `its readers were promised ${old} and are promised ${young} now; this change is held to the former`,
    },
  ]
}
