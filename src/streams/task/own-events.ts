/**
 * What a decider begins from that has no state yet: the events that its stream holds already.
 *
 * A service may have written them before it had a decider, or under another name of it. They are folded before the
 * first command is decided, and the rows leave with the first commit, and with an offset; until then they are folded
 * again by whoever opens the task. A replay is a fact told once more, and is passed over.
 */
import { replayForHeader } from '../../events/dead-letters.ts'
import { headersOf } from '../../records/record.ts'
import { initialState } from '../operators/aggregate.ts'
import type { AggregateStore } from '../stores/aggregate-store.ts'
import type { KeyCodec } from '../stores/serde.ts'
import type { StoredRow } from '../stores/store.ts'
import type { AggregateNode, DecideNode } from '../topology/topology.ts'

export class OwnEvents {
  /** The topic of the commands: what is committed of it has been decided. */
  readonly commands: string
  /** The topic of the events. */
  readonly topic: string
  /** The topic that the state comes back from. */
  readonly changelog: string
  readonly #node: DecideNode
  readonly #state: AggregateNode
  readonly #states: AggregateStore
  readonly #keys: KeyCodec

  constructor(node: DecideNode, state: AggregateNode, states: AggregateStore, keys: KeyCodec) {
    this.commands = node.commands.name
    this.topic = node.events.name
    this.changelog = states.changelog.topic
    this.#node = node
    this.#state = state
    this.#states = states
    this.#keys = keys
  }

  /** Whether nothing has come back from the changelog. */
  get isBlank(): boolean {
    return this.#states.isBlank
  }

  /** Folds an event. */
  fold(record: StoredRow): void {
    const { bytes, keyStart, keyEnd, valueStart, valueEnd, timestamp } = record
    if (keyEnd < 0 || valueEnd < 0) return
    if (headersOf(bytes, valueStart, valueEnd).some((each) => each.key === replayForHeader)) return
    const states = this.#states
    const key = this.#keys.decode(bytes, keyStart, keyEnd)
    const event = this.#node.events.codec.decode(bytes, valueStart, valueEnd)
    const row = states.touch(key, 0)
    const copyOf = (made: unknown): unknown => states.copyOf(made)
    const before = states.valueOf(row) ?? initialState(this.#state, key, copyOf)
    states.set(row, this.#state.f(before, event, key) ?? undefined, timestamp)
  }
}
