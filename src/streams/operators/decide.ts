/**
 * Decides commands: each against the state that is folded from the events of those before it.
 *
 * All of a decision happens or nothing: events are encoded, and folded as their stream will hold them, before the
 * first is written; where the service is not to stop at an error, folds work on a copy. A command whose id is
 * known is not decided again. One that fails leaves nothing behind and is not remembered: it may come again.
 *
 * How long ids are known goes by the timestamps of commands, and never faster than the clock. So the time in which
 * commands wait for a service that is away does not count, and no timestamp of tomorrow makes it forget today.
 */
import { HeadwaterError } from '../../base/errors.ts'
import { planted } from '../../base/planted.ts'
import { commandMark } from '../../events/commands.ts'
import type { CommandMark, OutcomeInit } from '../../events/commands.ts'
import type { AggregateStore } from '../stores/aggregate-store.ts'
import type { EmitDelivery } from '../stores/emit.ts'
import type { OutcomeStore } from '../stores/outcome-store.ts'
import type { Key } from '../stores/serde.ts'
import type {
  AcceptedDecision,
  AggregateNode,
  DecideNode,
  RejectedDecision,
} from '../topology/topology.ts'
import { initialState } from './aggregate.ts'
import { jsonFlaw } from './json-flaw.ts'
import { detailsFlaw, eventsFlaw, failure, untold } from './outcomes.ts'
import type { Outcomes } from './outcomes.ts'
import { operatorFailed } from './operator.ts'
import type { RecordAtHand } from './source-record.ts'
import type { OperatorContext, Push } from './operator.ts'
import { messageEncoder } from './sink.ts'

/** What a decider keeps, and where what it says goes. */
export interface Deciding {
  readonly node: DecideNode
  /** What the state is called and how it is folded. */
  readonly state: AggregateNode
  readonly states: AggregateStore
  /** `OutcomeInit`s of the commands that had an id. */
  readonly remembered: OutcomeStore
  readonly outcomes: Outcomes
  /** Takes the events, as their stream holds them. */
  readonly next: Push
}

/** A command at hand. */
interface Command {
  readonly key: Key
  readonly value: unknown
  readonly timestamp: number
  readonly mark: CommandMark
}

/** An event that is decided and not written yet. */
interface DecidedEvent {
  readonly event: unknown
  readonly partition: number
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array
}

/** A decision that can stand. */
export interface Standing {
  readonly events: readonly DecidedEvent[]
  /** After the events. */
  readonly state: unknown
  readonly rejected: RejectedDecision | undefined
}

export function decide(deciding: Deciding, context: OperatorContext): Push {
  const { node, remembered, outcomes } = deciding
  const { atHand, counts, discards, now } = context
  const { decisions } = counts
  for (const reason of node.commands.reasons) decisions.reasons[reason] ??= 0
  const keys = context.keys[node.commands.key.type]
  const name = `decide '${node.name}'`
  const stream = node.commands.name
  const failed = discards.failing(node.onError, name)
  const isKept = node.onError !== 'stop'
  const noKey = discards.drop('noKey', name)
  const { state, states } = deciding
  const judge = judgeOf({ node, state, copyOf: (value) => states.copyOf(value) }, context)
  const checkSizes = sizeCheckOf(deciding, context)
  const carryOut = carrierOf(deciding, context)
  return (key, value, timestamp) => {
    if (key === null) return noKey()
    const mark = commandMark(atHand.allHeaders())
    remembered.moveTo(now === undefined ? timestamp : Math.min(timestamp, now()))
    const { id } = mark
    if (id !== undefined) decisions.asked++
    const rowKey = id === undefined ? undefined : remembered.rowKey(key, id)
    const known = rowKey && (remembered.get(rowKey) as OutcomeInit | undefined)
    if (id !== undefined && known?.commands === stream && !planted.has('decide-again')) {
      decisions.repeated++
      return outcomes.tell(mark, { ...known, id }, keys.encode(key).bytes)
    }
    const command = { key, value, timestamp, mark }
    let standing: Standing
    let headers: Headers
    try {
      headers = atHand.headers()
      standing = judge(command, states.valueOf(states.touch(key, 0)))
      if (isKept) checkSizes(command, standing, headers)
    } catch (thrown) {
      const error = operatorFailed(name, thrown)
      decisions.failed++
      if (isKept && id !== undefined) {
        outcomes.tell(mark, failure(id, stream, error), keys.encode(key).bytes)
      }
      return failed(error)
    }
    const outcome = carryOut(command, standing, headers)
    if (rowKey === undefined || outcome === undefined) return
    remembered.add(rowKey, outcome)
    outcomes.tell(mark, outcome, keys.encode(key).bytes)
  }
}

/** What go on with the events of a command. */
type Headers = ReturnType<RecordAtHand['headers']>

/**
 * Tells who asked for the record at hand that it is no command that could be decided. What asks is read from its
 * headers and its key's bytes, which are there when nothing else can be read.
 */
export function refuserOf(
  { node, outcomes }: Pick<Deciding, 'node' | 'outcomes'>,
  { atHand, counts }: OperatorContext,
): (error: HeadwaterError) => void {
  return (error) => {
    counts.decisions.failed++
    const mark = commandMark(atHand.allHeaders())
    const key = atHand.current()?.key ?? null
    if (mark.id === undefined || key === null) return
    counts.decisions.asked++
    outcomes.tell(mark, failure(mark.id, node.commands.name, error), key)
  }
}

/** How a command is decided, given the state there is; undefined: none. */
export type Judge = (command: Command, before: unknown) => Standing

/**
 * Makes the decision about a command, and sees that all of it can be written. Of what is kept it changes at most the
 * state, in place, and only where the service stops at an error.
 */
export function judgeOf(
  {
    node,
    state,
    copyOf,
  }: Pick<Deciding, 'node' | 'state'> & { readonly copyOf: (value: unknown) => unknown },
  { keys, partition }: Pick<OperatorContext, 'keys' | 'partition'>,
): Judge {
  const encode = messageEncoder(node.events, keys, partition)
  const { codec } = node.events
  const isKept = node.onError !== 'stop'
  const decided = (event: unknown, { key, timestamp }: Command): DecidedEvent => {
    const named = node.events.keyOf(event as Record<string, unknown>) as unknown
    if (named !== key) throw ofAnother(node, named, key)
    const record = encode(event, timestamp)
    const value = record.value.slice()
    return { ...record, value, event: codec.decode(value) }
  }
  return (command, before) => {
    const { key, value, timestamp, mark } = command
    const given = before === undefined ? initialState(state, key, copyOf) : copyOf(before)
    const decision: unknown = node.f(value, given, { key, id: mark.id, timestamp, accept, reject })
    if (isRejected(decision)) {
      checkRejection(node, decision)
      return { events: [], state: before, rejected: decision }
    }
    if (!isAccepted(decision)) throw noDecision(decision)
    const flaw = eventsFlaw(decision.events.length, node.events.name)
    if (flaw !== undefined) throw wrong(flaw)
    const events = decision.events.map((event) => decided(event, command))
    let next = isKept && before !== undefined ? copyOf(before) : before
    for (const { event } of events) {
      next = state.f(next ?? initialState(state, key, copyOf), event, key) ?? undefined
    }
    return { events, state: next, rejected: undefined }
  }
}

/**
 * Throws why topics would not take what a decision makes. The state is checked with the events: who may ask could
 * else make it so large that the service stops, for everybody.
 */
function sizeCheckOf({ node, states }: Deciding, { emit }: OperatorContext) {
  const stream = node.events.name
  return ({ key }: Command, { events, state }: Standing, headers: Headers): void => {
    if (events.length === 0) return
    for (const each of events) {
      const flaw = emit.tooLarge?.(stream, each.key, each.value, headers)
      if (flaw !== undefined) throw flaw
    }
    const flaw = states.changelog.flaw(emit, { key, start: 0, value: state })
    if (flaw !== undefined) throw flaw
  }
}

/** Makes a decision count; what is to be told and kept of it, undefined when the command has no id. */
function carrierOf(
  { node, states, outcomes, next }: Deciding,
  { emit, counts }: Pick<OperatorContext, 'emit' | 'counts'>,
) {
  const { decisions } = counts
  const stream = node.events.name
  return (command: Command, standing: Standing, headers: Headers): OutcomeInit | undefined => {
    const { key, timestamp, mark } = command
    const { events, rejected, state } = standing
    const id = mark.id
    if (rejected !== undefined) {
      decisions.rejected++
      decisions.reasons[rejected.reason]!++
      return id === undefined ? undefined : rejection(id, node.commands.name, rejected)
    }
    decisions.accepted++
    counts.folds += events.length
    counts.emitted += events.length
    if (events.length > 0) states.set(states.touch(key, 0), state, timestamp)
    const places = events.map(({ partition, timestamp: at, key: bytes, value }) => {
      const place = id === undefined ? undefined : outcomes.place(stream, partition, at)
      const delivery: EmitDelivery = place ?? untold
      emit.append(stream, partition, at, bytes, value, headers, delivery)
      return place
    })
    for (const { event, timestamp: at } of events) next(key, event, at)
    if (id === undefined) return undefined
    const accepted = { events: places.flatMap((place) => place ?? []) }
    return {
      id,
      commands: node.commands.name,
      outcome: { case: 'accepted', value: accepted },
    }
  }
}

function accept(...events: readonly unknown[]): AcceptedDecision {
  return { accepted: true, events }
}

function reject(reason: string, details?: RejectedDecision['details']): RejectedDecision {
  return { accepted: false, reason, details }
}

function isAccepted(decision: unknown): decision is AcceptedDecision {
  const { accepted, events } = (decision ?? {}) as Partial<AcceptedDecision>
  return accepted === true && Array.isArray(events)
}

function isRejected(decision: unknown): decision is RejectedDecision {
  const { accepted, reason } = (decision ?? {}) as Partial<RejectedDecision>
  return accepted === false && typeof reason === 'string'
}

function rejection(
  id: string,
  commands: string,
  { reason, details }: RejectedDecision,
): OutcomeInit {
  const value = { reason, ...(details && { details }) }
  return { id, commands, outcome: { case: 'rejected', value } }
}

function checkRejection({ commands }: DecideNode, { reason, details }: RejectedDecision): void {
  const flaw = details === undefined ? undefined : jsonFlaw(details)
  if (flaw !== undefined) {
    throw wrong(`the details of its rejection are no JSON: ${flaw}; write it as text or a number`)
  }
  const large = details && detailsFlaw(details)
  if (large !== undefined) throw wrong(large)
  if (commands.reasons.includes(reason)) return
  throw wrong(
    `it rejects for '${reason.slice(0, 100)}', and the contract of '${commands.name}' names ` +
      `${commands.reasons.map((each) => `'${each}'`).join(', ') || 'no reasons'}: add it there`,
  )
}

function ofAnother({ events }: DecideNode, named: unknown, key: Key): HeadwaterError {
  return wrong(
    `it accepts with an event of stream '${events.name}' about '${String(named)}', and the command is about ` +
      `'${key}': what happens to another thing, that one has to decide`,
  )
}

function noDecision(decision: unknown): HeadwaterError {
  const isPromise = typeof decision === 'object' && decision !== null && 'then' in decision
  // Nobody else looks after it, and a rejection that nobody does ends the process.
  if (isPromise) Promise.resolve(decision).catch(() => undefined)
  const what = isPromise ? 'a promise, and decides at once: fetch what it needs before' : 'none'
  return wrong(`of the decisions it can return, accept(…) and reject(…), it has returned ${what}`)
}

function wrong(what: string): HeadwaterError {
  return new HeadwaterError('operator-failed', what)
}
