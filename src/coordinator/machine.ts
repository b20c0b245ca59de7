/**
 * What a coordinator is: a pure machine that decides, and a state that follows from its changes alone.
 *
 *     command ──▶ decide(state, command, now) ──▶ changes ──▶ log ──▶ apply(state, change)
 *                                             ├─▶ replies   (leave once the changes are stored)
 *                                             ├─▶ effects   (what they write lies behind the changes)
 *                                             └─▶ wakeAt    (the host then sends { type: 'wake' })
 *
 * `decide` never changes the state it is given; `apply` never refuses; neither waits, reads a clock,
 * draws a random number or does I/O, so a state is exactly the fold of its changes. What must be
 * fresh (time, random ids) comes with the command. The host stores what `encode` gives for a change;
 * a change it gives nothing for is volatile: applied like any other, and forgotten by a restart.
 *
 * Whatever runs out does so by the monotonic clock, and is volatile: a wall clock that is set neither
 * hastens nor delays it. What is stored of time is by the wall clock, and is data. After a restart, which
 * begins another monotonic clock, sessions and timeouts count anew; only what idles for days goes by what
 * the wall clock says has passed.
 *
 * What a host owes a machine: one command at a time, though a long one may take several turns of the
 * process (`decideInSteps`) while the others wait; all changes of a decision in one atomic append,
 * applied in order at once; effects right after them and behind them in the journal, so that nothing an
 * effect wrote outlives the change that asked for it; replies once the changes are durable. Effects run
 * again after a replay, so they are idempotent. It keeps the earliest `wakeAt` asked for until it has sent
 * that wake; a wake that comes too early does no harm. After a failed append it decides nothing more: what
 * waits fails, and the next start builds the state from the log.
 */
import type { Instant } from '../base/instant.ts'
import type { Steps } from '../base/steps.ts'
import type { Reply } from './answer.ts'

export interface Decision<Change, Effect> {
  readonly changes: readonly Change[]
  readonly replies: readonly Reply[]
  readonly effects: readonly Effect[]
  /** When, by the monotonic clock, the machine wants a `wake` at the latest. */
  readonly wakeAt?: number
}

export interface Machine<State, Command, Change, Effect> {
  readonly name: string
  initial(): State
  decide(state: State, command: Command, now: Instant): Decision<Change, Effect>
  /** The same in steps, for a machine whose commands are decided as a whole however long they are. */
  decideInSteps?(state: State, command: Command, now: Instant): Steps<Decision<Change, Effect>>
  apply(state: State, change: Change): void
  /** The bytes to store; nothing for a volatile change. */
  encode(change: Change): Uint8Array | undefined
  decode(bytes: Uint8Array): Change
  /** The fewest stored changes that build this state from the initial one, without what is volatile.
   * The host writes them into a fresh log when the old one has grown long, some at a time: each is made when
   * it is asked for, of a state that does not change meanwhile. */
  dump(state: State): Iterable<Change>
  /** Commands to decide first after a replay: unfinished effects, fresh timeouts. */
  afterReplay(state: State): readonly Command[]
}

/** Applies stored changes, to a new state unless one is given; the state they add up to. */
export function replay<State, Command, Change, Effect>(
  machine: Machine<State, Command, Change, Effect>,
  stored: Iterable<Uint8Array>,
  state = machine.initial(),
): State {
  for (const bytes of stored) machine.apply(state, machine.decode(bytes))
  return state
}
