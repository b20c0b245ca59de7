/**
 * What state and rekeyed values may be, as types: plain data, that which `stores/plain.ts` has bytes for.
 *
 * A type that holds anything else becomes a sentence with the path to it. Types cannot see everything (a
 * class without methods looks like an object; `unknown` may be anything; only so many levels are looked at),
 * so what gets past them is refused when it is to be written.
 */
import type { Message } from '@bufbuild/protobuf'
import type { GenMessage } from '@bufbuild/protobuf/codegenv2'

/** Nothing, or a sentence when values of type `T` cannot be stored; `What` begins the sentence. */
export type Storable<T, What extends string> = [Flaw<T, What>] extends [never]
  ? unknown
  : Flaw<T, What>

/** The descriptor of the message that state of type `A` is, or a sentence when it is none. */
export type StateSchema<A> = [A] extends [Message]
  ? GenMessage<A>
  : 'this state is plain data: leave the option out, or make the state a whole message'

/** Levels that are looked at. */
type Levels = [0, 0, 0, 0, 0, 0]

type Flaw<T, Path extends string, Left extends readonly 0[] = Levels> = unknown extends T
  ? never
  : T extends null | undefined | boolean | number | bigint | string | Date | Uint8Array
    ? never
    : T extends symbol
      ? Sentence<Path, 'a symbol'>
      : T extends (...args: never[]) => unknown
        ? Sentence<Path, 'a function'>
        : T extends ReadonlyMap<unknown, unknown>
          ? Sentence<Path, 'a Map'>
          : T extends ReadonlySet<unknown>
            ? Sentence<Path, 'a Set'>
            : T extends PromiseLike<unknown>
              ? Sentence<Path, 'a promise'>
              : T extends ArrayBufferView | ArrayBufferLike
                ? Sentence<Path, 'an array of another kind than Uint8Array'>
                : Left extends readonly [0, ...infer Fewer extends readonly 0[]]
                  ? FlawInside<T, Path, Fewer>
                  : never

type FlawInside<T, Path extends string, Left extends readonly 0[]> = T extends readonly (infer E)[]
  ? Flaw<E, `${Path}[]`, Left>
  : {
      [P in keyof T]-?: P extends string | number
        ? Flaw<T[P], `${Path}.${P}`, Left>
        : Sentence<Path, 'an object with symbols as keys'>
    }[keyof T]

type Sentence<
  Path extends string,
  What extends string,
> = `${Path} is ${What}, which cannot be stored: use plain objects, arrays, numbers, bigints, texts, booleans, Dates and bytes`
