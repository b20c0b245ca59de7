/**
 * Tries the decisions of a service without running anything, as they read: given what has happened, when this is
 * asked for, then that happens, or it is rejected.
 *
 * Events are folded as their stream holds them, and a decision is checked as a running service checks it. What does
 * not come out as expected is an `AssertionError` that shows both.
 */
import { deepStrictEqual } from 'node:assert/strict'
import type { DescMessage, JsonObject, MessageShape } from '@bufbuild/protobuf'
import { Writer } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'
import type { AnyCommand, AnyEvent, EventInit, ReasonOf } from '../events/event.ts'
import { messageJson } from '../schema/json.ts'
import type { Service } from '../service/service.ts'
import { initialState } from '../streams/operators/aggregate.ts'
import { judgeOf } from '../streams/operators/decide.ts'
import type { Judge, Standing } from '../streams/operators/decide.ts'
import { planTopology } from '../streams/plan/plan.ts'
import { Snapshots } from '../streams/stores/snapshots.ts'
import { keyCodecs } from '../streams/stores/serde.ts'
import type { Key } from '../streams/stores/serde.ts'
import type { AggregateNode, DecideNode } from '../streams/topology/topology.ts'

/** Begins a trial of the commands that `service` decides into events. */
export function decider<C extends AnyCommand, E extends AnyEvent>(
  service: Service,
  commands: C,
  events: E,
): Given<C, E> {
  const trial = trialOf(service, commands, events)
  return {
    given: (...happened) => ({
      when: (command, options = {}) => {
        const standing = trial.decide(happened, command, options)
        return {
          thenAccepted: (...expected) => trial.expectEvents(standing, expected),
          thenRejected: (reason, details) => trial.expectRejection(standing, reason, details),
        }
      },
    }),
  }
}

export interface Given<C extends AnyCommand, E extends AnyEvent> {
  /** What has happened to the thing before, in order; nothing when left out. */
  given(...events: readonly EventInit<E>[]): When<C, E>
}

export interface When<C extends AnyCommand, E extends AnyEvent> {
  /**
   * What it is asked. Throws what the decision throws.
   * @param options `at` is when it is asked, milliseconds since 1970, and 0 when left out
   */
  when(command: EventInit<C>, options?: { readonly id?: string; readonly at?: number }): Then<C, E>
}

export interface Then<C extends AnyCommand, E extends AnyEvent> {
  /** It is accepted, and these are all its events, in order. */
  thenAccepted(...events: readonly EventInit<E>[]): void
  /** It is rejected for this reason, and with these details when they are given. */
  thenRejected(reason: ReasonOf<C>, details?: JsonObject): void
}

interface Asked {
  readonly id?: string
  readonly at?: number
}

function trialOf(service: Service, commands: AnyCommand, events: AnyEvent) {
  const { node, state, judge, copyOf } = nodesOf(service, commands, events)
  const shown = (event: unknown): unknown => jsonOf(events, throughStream(events, event))
  return {
    decide: (happened: readonly unknown[], command: unknown, { id, at = 0 }: Asked): Standing => {
      const value = throughStream(commands, command)
      const key = commands.keyOf(value) as Key
      let before: unknown
      for (const event of happened) {
        const decoded = throughStream(node.events, event)
        before = state.f(before ?? initialState(state, key, copyOf), decoded, key) ?? undefined
      }
      return judge({ key, value, timestamp: at, mark: { id, replyPartition: undefined } }, before)
    },
    expectEvents: (standing: Standing, expected: readonly unknown[]): void => {
      const { rejected } = standing
      const actual = rejected ?? standing.events.map(({ event }) => jsonOf(events, event))
      deepStrictEqual(actual, expected.map(shown))
    },
    expectRejection: (standing: Standing, reason: string, details?: JsonObject): void => {
      const { rejected } = standing
      const actual = rejected && {
        reason: rejected.reason,
        ...(details && { details: rejected.details }),
      }
      const happened = standing.events.map(({ event }) => jsonOf(events, event))
      deepStrictEqual(actual ?? { events: happened }, { reason, ...(details && { details }) })
    },
  }
}

function nodesOf(service: Service, commands: AnyCommand, events: AnyEvent): Trial {
  const plan = planTopology(service.build())
  const { nodes } = plan.topology
  const node = nodes.find((each) => {
    return each.kind === 'decide' && each.commands.name === commands.name
  })
  if (node?.kind !== 'decide') {
    const what = `service '${service.name}' decides no commands of stream '${commands.name}'`
    throw new HeadwaterError('not-found', what)
  }
  if (node.events.name !== events.name) {
    throw new HeadwaterError(
      'not-found',
      `'${node.name}' writes its events to '${node.events.name}', not to '${events.name}'`,
    )
  }
  const state = nodes.find((each) => each.kind === 'aggregate' && each.from === node.id)!
  const stores = plan.subTopologies.flatMap((part) => part.stores)
  const { values } = stores.find((store) => store.node === state.id)!
  const snapshots = new Snapshots(values)
  const copyOf = (value: unknown): unknown => snapshots.copy(value)
  const named = { node, state: state as AggregateNode }
  const judge = judgeOf({ ...named, copyOf }, { keys: keyCodecs(), partition: 0 })
  return { ...named, judge, copyOf }
}

interface Trial {
  readonly node: DecideNode
  readonly state: AggregateNode
  readonly judge: Judge
  readonly copyOf: (value: unknown) => unknown
}

/** A message as whoever reads its stream gets it. */
function throughStream({ codec }: AnyEvent, message: unknown): MessageShape<DescMessage> {
  const writer = new Writer()
  codec.encode(message as Record<string, unknown>, writer)
  return codec.decode(writer.finish())
}

function jsonOf({ schema }: AnyEvent, message: unknown): unknown {
  return messageJson(schema, message as MessageShape<DescMessage>)
}
