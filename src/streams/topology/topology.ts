/**
 * The inside of a service as plain data: a frozen graph of numbered nodes.
 *
 * The builder makes it, the runtime and the drawings read it. Nodes stand in the order they were made,
 * so every node comes after the nodes it reads from; ids are positions in `nodes`. What a node owns
 * outside the process (a store, an inner topic) is named by the writer of the topology, never by
 * position, so that editing a topology does not move state.
 */
import type { DescMessage, JsonObject } from '@bufbuild/protobuf'
import type { AnyCommand, AnyEvent, AnyKeyspace } from '../../events/event.ts'

export interface Topology {
  readonly service: string
  readonly nodes: readonly TopologyNode[]
  /** What the topology returned: ids of `table` and `aggregate` nodes by their public name. */
  readonly views: Readonly<Record<string, number>>
}

export type TopologyNode =
  | SourceNode
  | TableNode
  | FilterNode
  | MapNode
  | FlatMapNode
  | MergeNode
  | RekeyNode
  | JoinNode
  | AsyncNode
  | AggregateNode
  | DecideNode
  | ToNode
  | InputNode

export type NodeKind = TopologyNode['kind']

/**
 * What becomes of a value whose function throws, whose bytes do not decode, or of which a function made what
 * cannot be written: the service stops at the record; the value goes no further; or that, and the record
 * is put into the stream of the service's dead letters.
 */
export type OnError = 'stop' | 'skip' | 'deadLetter'

/** What an operator does when its function throws, or what it made cannot be written. */
export interface Handling {
  /** What the service says, unless given: `service(name, { onError, … })`, or `'stop'`. */
  readonly onError?: OnError
}

/** Events of a stream, each record one event. */
export interface SourceNode {
  readonly id: number
  readonly kind: 'source'
  readonly event: AnyEvent
  /** For records that do not decode. */
  readonly onError: OnError
}

/** An entity stream as a table: the last value per key; null deletes. Restored from the topic itself. */
export interface TableNode {
  readonly id: number
  readonly kind: 'table'
  readonly event: AnyEvent
  readonly store: string
  /** `bootstrap`: everything else waits until the table is read to its end; `interleave`: it does not. */
  readonly startup: Startup
  /** For records that do not decode: the table keeps the row it has. */
  readonly onError: OnError
}

export type Startup = 'bootstrap' | 'interleave'

export interface FilterNode {
  readonly id: number
  readonly kind: 'filter'
  readonly from: number
  readonly f: (value: unknown, key: unknown) => boolean
  readonly onError: OnError
}

export interface MapNode {
  readonly id: number
  readonly kind: 'map'
  readonly from: number
  readonly onError: OnError
  readonly f: (value: unknown, key: unknown) => unknown
}

export interface FlatMapNode {
  readonly id: number
  readonly kind: 'flatMap'
  readonly from: number
  readonly f: (value: unknown, key: unknown) => Iterable<unknown>
  readonly onError: OnError
}

/** Both streams as one, with no order between them. */
export interface MergeNode {
  readonly id: number
  readonly kind: 'merge'
  readonly from: readonly [number, number]
}

/** Sends every value through the inner topic `<service>-<name>-repartition` under another key. */
export interface RekeyNode {
  readonly id: number
  readonly kind: 'rekey'
  readonly from: number
  readonly name: string
  readonly keyspace: AnyKeyspace
  readonly f: (value: unknown, key: unknown) => unknown
  /** The message the values are, when every value is one; else they are encoded as plain values. */
  readonly schema: DescMessage | undefined
  readonly onError: OnError
}

/** Each value of a stream with what a table holds under its key. Only the stream side triggers. */
export interface JoinNode {
  readonly id: number
  readonly kind: 'join'
  readonly from: number
  /** A `table` node, or an `aggregate` node without a window. */
  readonly table: number
  /** Whether a value whose key the table lacks is kept, with `undefined` for the table's side. */
  readonly left: boolean
  readonly f: (value: unknown, other: unknown, key: unknown) => unknown
  readonly onError: OnError
}

/** Each value of a stream handed to a function that reaches outside: `mapAsync` and `forEach`. */
export interface AsyncNode {
  readonly id: number
  readonly kind: 'async'
  readonly from: number
  readonly name: string
  /** Whether nothing comes of it: `forEach`. */
  readonly isEffect: boolean
  readonly f: (value: unknown, key: unknown, call: CallContext) => unknown
  /** Calls at once, all tasks of an instance together. */
  readonly concurrency: number
  readonly order: CallOrder
  readonly timeoutMs: number
  readonly retry: RetryPolicy
  readonly onError: OnError
}

/** Which calls wait for each other: those of one key, all of a partition, or none. */
export type CallOrder = 'key' | 'partition' | 'none'

export interface RetryPolicy {
  /** The first one included. */
  readonly attempts: number
  /** Before the second attempt; doubled before each one after that, up to `backoffMaxMs`. */
  readonly backoffMs: number
  readonly backoffMaxMs: number
  readonly when: (error: unknown) => boolean
}

/** What a function that reaches outside is told of its call. */
export interface CallContext {
  /**
   * The same for the same value in every attempt, after a crash and in another instance, and never that of
   * another: `<service>/<name>/<topic>/<partition>/<offset>`. What the function calls may tell by it that
   * it has done the thing already.
   */
  readonly idempotencyKey: string
  /** Aborted when the time is up, when the partition goes to another instance, and when the service ends. */
  readonly signal: AbortSignal
  /** 1, and one more with each retry since the record was taken. */
  readonly attempt: number
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[]
}

/**
 * Commands of a stream, decided one of a key after the other. The events of those that are accepted leave to the
 * stream `events` and to what follows; the state that is folded from them is an `aggregate` node after this one.
 * What came of the commands that had an id is in the store `<name>-outcomes`.
 */
export interface DecideNode {
  readonly id: number
  readonly kind: 'decide'
  /** The source of the commands. */
  readonly from: number
  readonly name: string
  readonly commands: AnyCommand
  readonly events: AnyEvent
  /** Makes what `Decision` names, or something else, which is refused. */
  readonly f: (command: unknown, state: unknown, context: AnyDecideContext) => unknown
  /** How long outcomes are remembered, and how many bytes of memory those of one partition may take. */
  readonly remember: { readonly ms: number; readonly bytesMax: number }
  readonly onError: OnError
}

/** What a decision is told and makes its answer with, whatever its streams are. */
export interface AnyDecideContext {
  readonly key: unknown
  /** Of the command; undefined when its sender gave none. */
  readonly id: string | undefined
  /** When the command was sent, or says that it was: milliseconds since 1970. */
  readonly timestamp: number
  readonly accept: (...events: readonly unknown[]) => AcceptedDecision
  readonly reject: (reason: string, details?: JsonObject) => RejectedDecision
}

/** What becomes of a command. */
export interface AcceptedDecision {
  readonly accepted: true
  readonly events: readonly unknown[]
}

export interface RejectedDecision {
  readonly accepted: false
  readonly reason: string
  readonly details: JsonObject | undefined
}

/** A fold per key, or per key and window, in a store with the changelog `<service>-<name>-changelog`. */
export interface AggregateNode {
  readonly id: number
  readonly kind: 'aggregate'
  readonly from: number
  readonly name: string
  readonly keyspace: AnyKeyspace
  readonly window: TumblingWindow | undefined
  /**
   * A count and a reduce are told apart by this, two reduces only by `version`. Behind a `decide` node it is
   * that which folds, and this node only names the state.
   */
  readonly fold: 'count' | 'reduce' | 'decide'
  /** Declared with the store, and raised when its state means something else; 1 unless said. */
  readonly version: number
  /** The message the state is; undefined when it is plain data. */
  readonly state: DescMessage | undefined
  readonly init: (key: unknown) => unknown
  readonly f: (state: unknown, value: unknown, key: unknown) => unknown
  readonly onError: OnError
}

/** Windows `[start, start + size)` aligned to 1970; a record is late once stream time passes end + grace. */
export interface TumblingWindow {
  readonly kind: 'tumbling'
  readonly sizeMs: number
  readonly graceMs: number
  /** How long a closed window can still be queried, in event time; `Infinity` for ever. */
  readonly retentionMs: number
}

/** The bounds of a window, as functions of a topology see them. */
export interface WindowSpan {
  readonly start: Date
  /** Exclusive. */
  readonly end: Date
}

/**
 * Writes to a stream the service owns. From a stream: each value. From a table or an aggregate: the last
 * value of each changed key, once per commit.
 *
 * `f` makes the message: `f(value, key)`, and from a windowed aggregate `f(value, window, key)`. Without
 * `f` the value is the message. The record's key is the one inside the message; only a deletion in a
 * table, which has no message, takes the table's key.
 */
export interface ToNode {
  readonly id: number
  readonly kind: 'to'
  readonly from: number
  readonly event: AnyEvent
  // oxlint-disable-next-line no-explicit-any -- two shapes of arguments, told apart by `from`
  readonly f: ((value: any, second: any, third?: any) => unknown) | undefined
  readonly onError: OnError
}

/** A source outside the broker (a file, a database) whose events the service owns. */
export interface InputNode {
  readonly id: number
  readonly kind: 'input'
  readonly name: string
  readonly event: AnyEvent
  /** How many parts of the source are read side by side, each with a position of its own. */
  readonly splits: number
  /** Reads a split on after `position`, or from the beginning when there is none yet. */
  readonly read: (position: Position | undefined, split: number) => AsyncIterable<InputBatch>
}

/** How far an input, or a split of it, has been read: any value of the input's own, of these parts. */
export type Position =
  | null
  | boolean
  | number
  | string
  | readonly Position[]
  | { readonly [name: string]: Position }

/** Events of an input and the position after them; both are written in one transaction. */
export interface InputBatch<V = unknown, P = Position> {
  readonly events: readonly V[]
  readonly position: P
}
