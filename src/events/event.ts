/**
 * Events as values: a stream's name, kind, schema, key and owner in one object whose type is the contract.
 *
 * A *keyspace* is a key's type, encoding and partition count under one name, so streams whose keys agree
 * lie in equally many partitions and may be joined; the compiler compares names. What a program declares
 * here is checked against the contract in the `.proto` file at once, so the two cannot drift apart.
 *
 * Key bytes are the same in every language: a string is its UTF-8 bytes, an integer its decimal text.
 */
import type { DescMessage, Message, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import { utf8Bytes, utf8String } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'
import { compileCodec } from '../schema/codec.ts'
import type { Codec } from '../schema/codec.ts'
import type { EventKind } from '../schema/descriptor.ts'
import { checkContract, eventTimeReader } from './contract.ts'

/** A name under which keys of one type are encoded and partitioned alike. */
export interface Keyspace<N extends string = string, T = unknown> {
  readonly name: N
  readonly type: 'string' | 'int64'
  /** Partitions of every stream keyed by this keyspace. */
  readonly partitions: number
  encode(key: T): Uint8Array
  decode(bytes: Uint8Array): T
}

/** Any keyspace, whatever its name and key type. */
// oxlint-disable-next-line no-explicit-any -- keys are both read and written, so only `any` fits all
export type AnyKeyspace = Keyspace<string, any>

/** The key type of a keyspace; `null` for an unkeyed stream. */
export type KeyOf<KS> = KS extends Keyspace<string, infer T> ? T : null

/** Keyspaces are made once, in the code that services share. */
export const keyspace = {
  /** Keys are strings, stored as UTF-8. */
  string<const N extends string>(name: N, options: { partitions: number }): Keyspace<N, string> {
    checkKeyspace(name, options.partitions)
    return Object.freeze({
      name,
      type: 'string',
      partitions: options.partitions,
      encode: utf8Bytes,
      decode: utf8String,
    })
  },
  /** Keys are 64-bit integers, stored as decimal text. */
  int64<const N extends string>(name: N, options: { partitions: number }): Keyspace<N, bigint> {
    checkKeyspace(name, options.partitions)
    return Object.freeze({
      name,
      type: 'int64',
      partitions: options.partitions,
      encode: (key: bigint) => utf8Bytes(String(key)),
      decode: (bytes: Uint8Array) => BigInt(utf8String(bytes)),
    })
  },
}

/** A stream of events: its contract as a value and, in `K`, `N`, `S`, `KS` and `O`, as a type. */
export interface EventType<
  K extends EventKind,
  N extends string,
  S extends DescMessage,
  KS extends AnyKeyspace | null,
  O extends string,
> {
  readonly kind: K
  /** The stream's name, which is its topic's name. */
  readonly name: N
  readonly schema: S
  /** The keyspace of its keys; null for an unkeyed stream. */
  readonly key: KS
  /** The message's property that holds the key; undefined for an unkeyed stream. */
  readonly by: string | undefined
  /** The one service that may write it; of commands, which anybody may send, the one that decides them. */
  readonly owner: O
  /** The bounded context whose language it speaks. */
  readonly context: string
  /** Partitions of its topic. */
  readonly partitions: number
  /** Its values as bytes, and back. */
  readonly codec: Codec<S>
  /** The key inside a message; null for an unkeyed stream. */
  keyOf(message: MessageInitShape<S>): KeyOf<KS>
  /** When the fact happened, in milliseconds since 1970; undefined when the message does not say. */
  eventTimeOf(message: MessageInitShape<S>): number | undefined
}

/** A stream of commands: what things are asked to do, and why they may refuse (`R`). */
export type CommandType<
  N extends string,
  S extends DescMessage,
  KS extends AnyKeyspace,
  O extends string,
  R extends string,
> = EventType<'command', N, S, KS, O> & { readonly reasons: readonly R[] }

/** Any stream of commands. */
export type AnyCommand = CommandType<string, DescMessage, AnyKeyspace, string, string>

/** Why commands of a stream may be rejected. */
export type ReasonOf<C extends AnyCommand> = C['reasons'][number]

/** Any event, whatever its contract. */
export type AnyEvent = EventType<EventKind, string, DescMessage, AnyKeyspace | null, string>

/** The message an event's value is. */
export type ValueOf<E extends AnyEvent> = MessageShape<E['schema']>

/** What a new value of the event can be made from. */
export type InitOf<E extends AnyEvent> = MessageInitShape<E['schema']>

/**
 * What a whole new event is made from: every field but those that are `optional` or messages. Events are
 * complete, so a field that is forgotten does not compile, nor does one that the message has not.
 */
export type EventInit<E extends AnyEvent> = Whole<ValueOf<E>>

type Whole<M> = M extends Message
  ? { [P in keyof M as P extends `$${string}` ? never : P]: Part<M[P]> } & {
      $typeName?: M['$typeName']
      $unknown?: M['$unknown']
    }
  : M

/** A field's value; messages inside are whole, too. */
type Part<F> = F extends Message
  ? Whole<F>
  : F extends readonly (infer U)[]
    ? Part<U>[]
    : F extends { case: infer C extends string; value: infer V extends Message }
      ? { case: C; value: Whole<V> }
      : F extends Readonly<Record<string, infer V extends Message>>
        ? Record<string, Whole<V>>
        : F

/** The partitions of an unkeyed stream whose contract leaves the number to the platform. */
export const unkeyedPartitionsDefault = 4

/**
 * A stream in which each event is the whole present state of the thing its key names. It can be read as
 * a table; an absent value deletes.
 * @param declared `by` is the message's property that holds the key
 */
export function entity<
  const N extends string,
  S extends DescMessage,
  KN extends string,
  T,
  const O extends string,
>(name: N, schema: S, declared: Keyed<S, KN, T, O>): EventType<'entity', N, S, Keyspace<KN, T>, O> {
  return declareKeyed('entity', name, schema, declared)
}

/** A stream of facts, each about the thing its key names; facts about one thing stay in order. */
export function keyed<
  const N extends string,
  S extends DescMessage,
  KN extends string,
  T,
  const O extends string,
>(name: N, schema: S, declared: Keyed<S, KN, T, O>): EventType<'keyed', N, S, Keyspace<KN, T>, O> {
  return declareKeyed('keyed', name, schema, declared)
}

/**
 * A stream of what the things that keys name are asked to do. Anybody may send a command; the owner decides it
 * (`s.decide`), one of a key after the other.
 * @param declared `reasons` are all for which a command may be rejected
 */
export function command<
  const N extends string,
  S extends DescMessage,
  KN extends string,
  T,
  const O extends string,
  const R extends string,
>(
  name: N,
  schema: S,
  declared: Keyed<S, KN, T, O> & { reasons: readonly R[] },
): CommandType<N, S, Keyspace<KN, T>, O, R> {
  const reasons = Object.freeze([...declared.reasons])
  return Object.freeze({ ...declareKeyed('command', name, schema, declared), reasons })
}

/** A stream of facts that are about no one thing and have no key. */
export function unkeyed<const N extends string, S extends DescMessage, const O extends string>(
  name: N,
  schema: S,
  declared: { owner: O },
): EventType<'unkeyed', N, S, null, O> {
  const contract = checkContract(schema, { kind: 'unkeyed', name, owner: declared.owner })
  return Object.freeze({
    kind: 'unkeyed',
    name,
    schema,
    key: null,
    by: undefined,
    owner: declared.owner,
    context: contract.context,
    partitions: contract.partitions === 0 ? unkeyedPartitionsDefault : contract.partitions,
    codec: compileCodec(schema),
    keyOf: () => null,
    eventTimeOf: eventTimeReader(contract),
  })
}

/** What a program says about a keyed stream. */
interface Keyed<S extends DescMessage, KN extends string, T, O extends string> {
  key: Keyspace<KN, T>
  /** One of the message's properties of type `T`; spelt out here so that errors list them. */
  by: {
    [P in keyof MessageShape<S> & string]-?: P extends `$${string}`
      ? never
      : MessageShape<S>[P] extends T
        ? P
        : never
  }[keyof MessageShape<S> & string]
  owner: O
}

function declareKeyed<
  K extends 'keyed' | 'entity' | 'command',
  N extends string,
  S extends DescMessage,
  KN extends string,
  T,
  O extends string,
>(
  kind: K,
  name: N,
  schema: S,
  declared: Keyed<S, KN, T, O> & { reasons?: readonly string[] },
): EventType<K, N, S, Keyspace<KN, T>, O> {
  const { key, by, owner, reasons } = declared
  const said = { kind, name, owner, by, keyspace: key, ...(reasons && { reasons }) }
  const contract = checkContract(schema, said)
  return Object.freeze({
    kind,
    name,
    schema,
    key,
    by,
    owner,
    context: contract.context,
    partitions: key.partitions,
    codec: compileCodec(schema),
    keyOf: (message: MessageInitShape<S>) =>
      (message as Record<string, unknown>)[by] as KeyOf<Keyspace<KN, T>>,
    eventTimeOf: eventTimeReader(contract),
  })
}

function checkKeyspace(name: string, partitions: number): void {
  if (name === '') {
    throw new HeadwaterError('contract-invalid', 'a keyspace has no name: give it one')
  }
  if (!Number.isInteger(partitions) || partitions < 1) {
    throw new HeadwaterError(
      'contract-invalid',
      `keyspace '${name}' has ${partitions} partitions: write a whole number of at least 1`,
    )
  }
}
