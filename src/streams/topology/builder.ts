/**
 * What a topology is written with: streams, tables and windows as types.
 *
 * The types carry the keyspace and the streams the service may write, so a join of differently keyed
 * streams, a write to somebody else's stream or a stateful operator without a name does not compile. Where
 * TypeScript's own complaint would be a riddle, the parameter's type becomes a sentence and that is what
 * the compiler prints. `build.ts` is the implementation; nothing here exists at run time.
 *
 * User functions are synchronous and must depend on their arguments alone: after a crash they run again.
 */
import type { JsonObject } from '@bufbuild/protobuf'
import type {
  AnyCommand,
  AnyEvent,
  AnyKeyspace,
  EventInit,
  KeyOf,
  Keyspace,
  ReasonOf,
  ValueOf,
} from '../../events/event.ts'
import type { Duration } from '../../base/units.ts'
import type { CallOptions } from './call-options.ts'
import type { Fitting, FittingAsIs, IfAsIs, Made } from './fitting.ts'
import type { StateSchema, Storable } from './storable.ts'
import type {
  AcceptedDecision,
  CallContext,
  InputBatch,
  Handling,
  Position,
  RejectedDecision,
  Startup,
  TumblingWindow,
  WindowSpan,
} from './topology.ts'

/** What `service` hands to a topology: the streams named in `R` may be read, those in `W` written. */
export interface Builder<R extends string, W extends string> {
  /** Every event of a stream. `onError` is for records that do not decode. */
  stream<E extends AnyEvent>(
    event: Declared<E, R>,
    options?: Handling,
  ): Stream<E['key'], ValueOf<E>, W>
  /**
   * An entity stream as a table. `startup: 'bootstrap'` (the default) reads it to its end before anything
   * else is processed, so joins miss nothing that was there; `'interleave'` starts at once. Of a record that
   * does not decode, and is not to stop the service, the table keeps the row that it has.
   */
  table<E extends AnyEvent>(
    event: DeclaredEntity<E, R>,
    options?: { startup?: Startup } & Handling,
  ): Table<E['key'], ValueOf<E>, W>
  /**
   * Decides commands that this service owns: those of one key one after the other, each against the state that
   * is folded from the events of those before. Events, state and outcome count together, exactly once. A command
   * that comes again under its id is answered with what came of it then (`remember`).
   * @param name names state and outcomes for good
   */
  decide<C extends AnyCommand, E extends AnyEvent, A>(
    name: string & Storable<A, 'the state'>,
    commands: Declared<C, R>,
    options: DecideOptions<C, E, A, W>,
  ): Decided<E, A, W>
  /**
   * A source outside the broker whose events this service owns. `read` yields events in order, each batch
   * with the position after it; after a restart, or on the instance that has taken it over, it is called with
   * the position of the last batch that was written, so nothing is written twice. One instance at a time reads.
   *
   * With `splits` the source is read in so many parts, which the instances share; `read` is called for each
   * one of an instance, with its number from 0 on, and each has a position of its own.
   */
  input<E extends AnyEvent, M extends Made<E>, P extends Position>(
    name: string,
    event: Writable<E, W>,
    read: (position: P | undefined, split: number) => AsyncIterable<InputBatch<Fitting<M, E>, P>>,
    options?: InputOptions,
  ): void
}

/** How commands are decided, and what is remembered of it. */
export interface DecideOptions<
  C extends AnyCommand,
  E extends AnyEvent,
  A,
  W extends string,
> extends StoreOptions {
  /** The stream of the events, which nothing else of the service writes. */
  readonly events: DecidedEvents<E, C['key'], W>
  /** The state of a thing that nothing has happened to. */
  readonly initial: (key: KeyOf<C['key']>) => A
  /** Says what becomes of a command. It is given a copy of the state. */
  readonly decide: (
    command: ValueOf<C>,
    state: NoInfer<A>,
    context: DecideContext<C, E>,
  ) => AcceptedDecision | RejectedDecision
  /**
   * The state after an event, as its stream holds it; it may be changed and returned. Null or undefined: there is
   * none any more, and the next command finds the initial one.
   */
  readonly evolve: (
    state: NoInfer<A>,
    event: ValueOf<E>,
    key: KeyOf<C['key']>,
  ) => NoInfer<A> | null | undefined
  /** The message that the state is; left out, it is plain data. */
  readonly state?: StateSchema<A>
  /**
   * How long what came of a command is remembered, so that one that is asked again under its id is answered and not
   * decided: up to 7 days, 10 minutes when left out. It is a time of commands, by their timestamps, in which the
   * service need not be up.
   */
  readonly remember?: Duration
  /**
   * Bytes of memory that outcomes of one partition may take, 1 MiB to 256 MiB; 16 MiB when left out, which are some
   * 80,000 outcomes. Beyond it the oldest are forgotten before their time, and counted as `forgotten`.
   */
  readonly rememberBytesMax?: number
}

/** What a decision is told of its command, and makes its answer with. */
export interface DecideContext<C extends AnyCommand, E extends AnyEvent> {
  readonly key: KeyOf<C['key']>
  /** Of the command; undefined when its sender gave none. */
  readonly id: string | undefined
  /** When the command was sent, or says that it was: milliseconds since 1970. */
  readonly timestamp: number
  /** It is so, and these events say what has happened: all of them about the thing that the key names. */
  readonly accept: (...events: readonly EventInit<E>[]) => AcceptedDecision
  /** It is not done, and why: one of the reasons of the contract, and what else the caller should know, as JSON. */
  readonly reject: (reason: ReasonOf<C>, details?: JsonObject) => RejectedDecision
}

/** What comes of commands. */
export interface Decided<E extends AnyEvent, A, W extends string> {
  /** The events, on their way to their stream; for what else is to be made of them. */
  readonly events: Stream<E['key'], ValueOf<E>, W>
  /** The state of each key. */
  readonly state: Table<E['key'], A, W>
}

/** Values that pass by, each under a key of keyspace `K`; `K` is null where there is no key. */
export interface Stream<K extends AnyKeyspace | null, V, W extends string> {
  filter<U extends V>(
    keep: (value: V, key: KeyOf<K>) => value is U,
    options?: Handling,
  ): Stream<K, U, W>
  filter(keep: (value: V, key: KeyOf<K>) => boolean, options?: Handling): Stream<K, V, W>
  /** A null or undefined from `f` is no value: it is dropped and counted. */
  map<U>(f: (value: V, key: KeyOf<K>) => U, options?: Handling): Stream<K, NonNullable<U>, W>
  flatMap<U>(
    f: (value: V, key: KeyOf<K>) => Iterable<U>,
    options?: Handling,
  ): Stream<K, NonNullable<U>, W>
  /**
   * Hands each value to a function that reaches outside, and goes on with what it resolves to. What follows
   * happens exactly once and in the order of the records; the function itself is called at least once: again
   * after a crash, with the same `idempotencyKey`. A null or undefined is no value: it is dropped, counted.
   * @param f `call` has the idempotency key, and a signal that is aborted when nobody waits any more
   */
  mapAsync<U>(
    name: string,
    f: (value: V, key: KeyOf<K>, call: CallContext) => Promise<U> | U,
    options?: CallOptions,
  ): Stream<K, NonNullable<U>, W>
  /** Hands each value to a function that does something outside, at least once each. */
  forEach(
    name: string,
    f: (value: V, key: KeyOf<K>, call: CallContext) => Promise<unknown> | void,
    options?: CallOptions,
  ): void
  /** This stream and another of the same keyspace as one. */
  merge<K2 extends AnyKeyspace | null, U>(
    other: Stream<K2, U, W> & SameKeyspace<K, K2>,
  ): Stream<K, V | U, W>
  /** The same values under another key: the only operator that sends them through an inner topic. */
  rekey<N extends string, T>(
    name: string & Storable<V, 'the value'>,
    keyspace: Keyspace<N, T>,
    f: (value: V, key: KeyOf<K>) => NoInfer<T>,
    options?: Handling,
  ): Stream<Keyspace<N, T>, V, W>
  /** Each value with the table's value under the same key; values without one are dropped, counted. */
  join<K2 extends AnyKeyspace | null, U, U2>(
    table: Table<K2, U, W> & Joinable<K, K2>,
    f: (value: V, other: U, key: KeyOf<K>) => U2,
    options?: Handling,
  ): Stream<K, NonNullable<U2>, W>
  /** Like `join`, with `undefined` where the table has no value. */
  leftJoin<K2 extends AnyKeyspace | null, U, U2>(
    table: Table<K2, U, W> & Joinable<K, K2>,
    f: (value: V, other: U | undefined, key: KeyOf<K>) => U2,
    options?: Handling,
  ): Stream<K, NonNullable<U2>, W>
  /** Groups by key and window of event time; `count` and `reduce` follow. */
  window(window: TumblingWindow & Grouped<K>): Windowed<K, V, W>
  /** How many values each key had. `name` names the store for good. */
  count(name: string & Grouped<K>, options?: StoreOptions): Table<K, number, W>
  /**
   * A fold of each key's values. The state is plain data, or the message `state` describes; `f` returns the
   * next one, or changes and returns it; null or undefined deletes the row.
   */
  reduce<A>(
    name: string & Grouped<K> & Storable<A, 'the state'>,
    init: (key: KeyOf<K>) => A,
    f: (state: A, value: V, key: KeyOf<K>) => A,
    options?: StoreOptions & { state?: StateSchema<A> },
  ): Table<K, A, W>
  /**
   * Writes each value to a stream this service owns, as the whole event that `f` makes of it; `f` may be left
   * out when the values are whole events already.
   */
  to<E extends AnyEvent>(event: Emittable<E, K, W> & FittingAsIs<V, E>): void
  to<E extends AnyEvent, M extends Made<E>>(
    event: Emittable<E, K, W>,
    f: ((value: V, key: KeyOf<K>) => Fitting<M, E>) | IfAsIs<V, E>,
    options?: Handling,
  ): void
}

/** How an input is read. */
export interface InputOptions {
  /**
   * How many parts the source has that are read side by side, 1 to 1,000; 1 unless said. It stays: positions
   * are those of splits, so a service with another number is refused.
   */
  readonly splits?: number
}

/** What is said of a store beside its name. */
export interface StoreOptions extends Handling {
  /**
   * 1 unless said. Raise it when the state of the store changes its shape or meaning: functions cannot
   * be compared, so nothing else tells. The service then refuses the old state until it is rebuilt.
   */
  readonly version?: number
}

/** The last value of each key. */
export interface Table<K extends AnyKeyspace | null, V, W extends string = string> {
  readonly of: 'table'
  /** Never there: it only carries the types. */
  readonly holds?: readonly [K, V] | undefined
  /**
   * Writes the last value of each changed key to an entity stream, once per commit; deletions, too. Of which
   * `f` makes null, that is deleted.
   */
  to<E extends AnyEvent>(event: EmittableEntity<E, K, W> & FittingAsIs<V, E>): void
  to<E extends AnyEvent, M extends Made<E>>(
    event: EmittableEntity<E, K, W>,
    f: ((value: V, key: KeyOf<K>) => Fitting<M, E> | null) | IfAsIs<V, E>,
    options?: Handling,
  ): void
}

/** A stream cut into windows of event time. */
export interface Windowed<K extends AnyKeyspace | null, V, W extends string> {
  count(name: string, options?: StoreOptions): WindowTable<K, number, W>
  reduce<A>(
    name: string & Storable<A, 'the state'>,
    init: (key: KeyOf<K>) => A,
    f: (state: A, value: V, key: KeyOf<K>) => A,
    options?: StoreOptions & { state?: StateSchema<A> },
  ): WindowTable<K, A, W>
}

/** The last value of each key in each window. */
export interface WindowTable<K extends AnyKeyspace | null, V, W extends string = string> {
  readonly of: 'window table'
  /** Never there: it only carries the types. */
  readonly holds?: readonly [K, V] | undefined
  /**
   * Writes the last value of each changed key and window to an entity stream, once per commit. The
   * record's key is the one inside the message, so the entity may have a keyspace of its own.
   */
  to<E extends AnyEvent, M extends Made<E>>(
    event: WritableEntity<E, W>,
    f: (value: V, window: WindowSpan, key: KeyOf<K>) => Fitting<M, E> | null,
    options?: Handling,
  ): void
}

/** What a topology may return: its tables, which become the service's query API. */
// oxlint-disable-next-line no-explicit-any -- any table, whatever it holds
export type Queries = Readonly<Record<string, Table<any, any, any> | WindowTable<any, any, any>>>

/** The event, or a sentence when the service has not said it reads it. */
type Declared<E extends AnyEvent, R extends string> = E['name'] extends R
  ? E
  : string extends E['name']
    ? NoEvent
    : `stream '${E['name']}' is not in this service's reads: add it there to read it`

type DeclaredEntity<E extends AnyEvent, R extends string> = E['name'] extends R
  ? E['kind'] extends 'entity'
    ? E
    : `'${E['name']}' is ${Article<E['kind']>} stream: only an entity stream can be a table`
  : Declared<E, R>

/** The event, or a sentence when the service has not said it writes it. */
type Writable<E extends AnyEvent, W extends string> = E['name'] extends W
  ? E
  : string extends E['name']
    ? NoEvent
    : `stream '${E['name']}' is not in this service's writes: add it there to write it`

type WritableEntity<E extends AnyEvent, W extends string> = E['name'] extends W
  ? E['kind'] extends 'entity'
    ? E
    : `'${E['name']}' is ${Article<E['kind']>} stream: a table can only be written to an entity stream`
  : Writable<E, W>

/** The event, or a sentence when its keys are of another keyspace than the values'. */
type Emittable<
  E extends AnyEvent,
  K extends AnyKeyspace | null,
  W extends string,
> = E['name'] extends W
  ? E['key'] extends null
    ? E
    : NameOf<K> extends NameOf<E['key']>
      ? E
      : `stream '${E['name']}' is keyed by ${NameOf<E['key']>}, these values by ${NameOf<K>}: rekey them first`
  : Writable<E, W>

/** The event, or a sentence when its stream is none that tells everything that happened to the things of a keyspace. */
type DecidedEvents<
  E extends AnyEvent,
  K extends AnyKeyspace | null,
  W extends string,
> = E['kind'] extends 'keyed'
  ? Emittable<E, K, W>
  : `'${E['name']}' is ${Article<E['kind']>} stream: what is decided is written to a keyed one`

type EmittableEntity<
  E extends AnyEvent,
  K extends AnyKeyspace | null,
  W extends string,
> = E['kind'] extends 'entity' ? Emittable<E, K, W> : WritableEntity<E, W>

/** Nothing, or a sentence when a stream's values have no key or another keyspace than a table's. */
type Joinable<K extends AnyKeyspace | null, K2 extends AnyKeyspace | null> = K extends null
  ? 'these values have no key to join by: rekey them first'
  : NameOf<K> extends NameOf<K2>
    ? unknown
    : `these values are keyed by ${NameOf<K>}, the table by ${NameOf<K2>}: rekey them first`

type SameKeyspace<K extends AnyKeyspace | null, K2 extends AnyKeyspace | null> =
  NameOf<K> extends NameOf<K2>
    ? unknown
    : `these values are keyed by ${NameOf<K>}, the others by ${NameOf<K2>}: rekey one of them first`

type Grouped<K extends AnyKeyspace | null> = K extends null
  ? 'these values have no key to group by: rekey them first'
  : unknown

type NoEvent = 'give the event itself, as contracts declare it, and not its name'

type NameOf<K> = K extends AnyKeyspace ? `keyspace '${K['name']}'` : 'no key'

type Article<Kind extends string> = Kind extends 'unkeyed' ? 'an unkeyed' : `a ${Kind}`
