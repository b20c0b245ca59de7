/**
 * What fits a stream, as types: whole messages of its own type, with no field too many.
 *
 * TypeScript lets a function return more than is asked of it, so a field that the message has not would be lost
 * without a word. Where a message misses a field or has a value of another type, TypeScript's own complaint
 * names the field; the rest becomes a sentence.
 */
import type { Message } from '@bufbuild/protobuf'
import type { AnyEvent, EventInit } from '../../events/event.ts'

/** What a function that makes messages may return before it is looked at closer. */
export type Made<E extends AnyEvent> = EventInit<E> | Message

/** What a function has made, or a sentence when it does not fit the stream. */
export type Fitting<M, E extends AnyEvent> = [Message] extends [M]
  ? EventInit<E>
  : [NameOfAnother<M, E>] extends [never]
    ? [Surplus<M, EventInit<E>>] extends [never]
      ? M
      : `stream '${E['name']}' has no field '${Surplus<M, EventInit<E>>}': leave it out`
    : Another<E, NameOfAnother<M, E>, 'make one of it'>

/** Nothing, or a sentence when values of type `V` cannot be written to the stream as they are. */
export type FittingAsIs<V, E extends AnyEvent> = [NameOfAnother<V, E>] extends [never]
  ? [V] extends [EventInit<E>]
    ? [SurplusHere<V, E>] extends [never]
      ? unknown
      : `stream '${E['name']}' has no field '${SurplusHere<V, E>}': give a function that leaves it out`
    : Lack<V, E>
  : Another<E, NameOfAnother<V, E>, 'give a function that makes one of it'>

/** `undefined` where a function may be left out. */
export type IfAsIs<V, E extends AnyEvent> = [FittingAsIs<V, E>] extends [string] ? never : undefined

type Another<
  E extends AnyEvent,
  Name extends string,
  Way extends string,
> = `this is a ${Name}, and stream '${E['name']}' holds ${E['schema']['typeName']}: ${Way}`

/** The name of the message that a value is, or was spread from, unless it is that of the stream. */
type NameOfAnother<M, E extends AnyEvent> = M extends { readonly $typeName: infer N extends string }
  ? N extends E['schema']['typeName']
    ? never
    : N
  : never

/** The fields that whole messages have and values of type `V` lack, or have otherwise. */
type Lack<V, E extends AnyEvent> = {
  [P in keyof EventInit<E> & string]-?: P extends `$${string}`
    ? never
    : V extends Pick<EventInit<E>, P>
      ? never
      : P extends keyof V
        ? `field '${P}' of these values is of another type than in stream '${E['name']}': give a function that makes a whole event`
        : `these values lack field '${P}' of stream '${E['name']}': give a function that makes a whole event`
}[keyof EventInit<E> & string]

/** The fields of `V` that a message of the stream has not; not of messages inside, which takes the compiler long. */
type SurplusHere<V, E extends AnyEvent> = Exclude<FieldsOf<V>, keyof EventInit<E>> & string

/** What has no fields of its own. */
type Plain = string | number | bigint | boolean | symbol | null | undefined | Uint8Array

/** Levels of messages that are looked at. */
type Levels = [0, 0, 0, 0]

/** The fields of `M`, as paths, that a message made from `W` has not. What is in a message was typed before. */
type Surplus<M, W, Path extends string = '', Left extends readonly 0[] = Levels> = M extends Plain
  ? never
  : M extends readonly (infer Item)[]
    ? Surplus<Item, ItemOf<W>, Path, Left>
    : M extends Message
      ? `${Path}${Exclude<keyof M, FieldsOf<W>> & string}`
      : Left extends readonly [0, ...infer Fewer extends readonly 0[]]
        ? {
            [P in keyof M & string]-?: P extends FieldsOf<W>
              ? Surplus<M[P], Field<W, P>, `${Path}${P}.`, Fewer>
              : [M[P]] extends [undefined]
                ? never
                : `${Path}${P}`
          }[keyof M & string]
        : never

/** Of a oneof any case may be meant. A map has all names. */
type FieldsOf<W> = W extends unknown ? keyof W : never
type Field<W, P> = W extends unknown ? (P extends keyof W ? W[P] : never) : never
type ItemOf<W> = W extends readonly (infer Item)[] ? Item : never
