/**
 * A machine on stage: runs commands as a host would, and checks with each what every machine promises.
 *
 * - deciding changes nothing; - a token is answered at most once; - what is stored builds the same state,
 * and so does the dump; - each start of the host begins another monotonic clock.
 */
import assert from 'node:assert/strict'
import type { Instant } from '../../../src/base/instant.ts'
import { replay, type Decision, type Machine } from '../../../src/coordinator/machine.ts'

export class Rehearsal<State, Command extends object, Change extends object, Effect> {
  readonly #machine: Machine<State, Command, Change, Effect>
  readonly #lasting: (state: State) => unknown
  state: State
  /** The world's time; so is `wakeAt`. */
  now = 1_000
  /** How wrong the wall clock is. */
  wallAheadMs = 0
  #startedAt = 0
  /** Every answer so far, by token. */
  readonly answers = new Map<string, unknown>()
  readonly effects: Effect[] = []
  wakeAt: number | undefined
  #stored: Uint8Array[] = []

  constructor(
    machine: Machine<State, Command, Change, Effect>,
    lasting: (state: State) => unknown,
  ) {
    this.#machine = machine
    this.#lasting = lasting
    this.state = machine.initial()
  }

  run(command: Command): Decision<Change, Effect> {
    const before = structuredClone(this.state)
    const now: Instant = {
      monotonicMs: this.now - this.#startedAt,
      wallMs: this.now + this.wallAheadMs,
    }
    const decision = this.#machine.decide(this.state, command, now)
    assert.deepEqual(this.state, before, 'deciding has changed the state')
    for (const change of decision.changes) {
      const stored = this.#machine.encode(change)
      if (stored !== undefined) this.#stored.push(stored)
      this.#machine.apply(this.state, change)
    }
    for (const { to, response } of decision.replies) {
      assert(!this.answers.has(to), `${to} is answered twice`)
      this.answers.set(to, response)
    }
    this.effects.push(...decision.effects)
    if (decision.wakeAt !== undefined) {
      this.wakeAt = Math.min(this.wakeAt ?? Infinity, decision.wakeAt + this.#startedAt)
    }
    return decision
  }

  /** The host dies and comes back with what was stored; half the time with a shortened log. */
  restart(shorten: boolean): void {
    if (shorten) {
      this.#stored = [...this.#machine.dump(this.state)].map((change) => {
        const stored = this.#machine.encode(change)
        assert(stored !== undefined, 'a dump holds a volatile change')
        return stored
      })
    }
    const lasting = structuredClone(this.#lasting(this.state))
    this.state = replay(this.#machine, this.#stored)
    assert.deepEqual(this.#lasting(this.state), lasting, 'the restart has changed the state')
    this.wakeAt = undefined
    this.#startedAt = this.now
    for (const command of this.#machine.afterReplay(this.state)) this.run(command)
  }
}
