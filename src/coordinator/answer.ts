/**
 * Answers, typed by the command they answer: an API's response body, or a named type of `commands.ts`.
 *
 * A reply can be made by `answer` alone. It takes no field that the answer does not have, however deep,
 * and whether it is written out or handed over in a variable: one misspelt would go out as its default.
 */
import type { AnswerOf } from './commands.ts'

declare const made: unique symbol

/** The answer to the command that came with token `to`. */
export interface Reply {
  readonly to: string
  readonly response: unknown
  readonly [made]: true
}

/** What is known of a command once it is to be answered. */
export interface Asked<T extends string> {
  readonly type: T
  readonly token: string
}

/** `R` if it has no field that `Shape` lacks; what a chunk of bytes holds is not looked into. */
type Exact<R, Shape> = R extends Uint8Array
  ? R
  : R extends readonly (infer E)[]
    ? readonly Exact<E, ElementOf<Shape>>[]
    : R extends object
      ? {
          readonly [K in keyof R]: K extends keyof Shape
            ? Exact<R[K], NonNullable<Shape[K]>>
            : never
        }
      : R

type ElementOf<Shape> = Shape extends readonly (infer E)[] ? E : never

export function answer<T extends string, R extends AnswerOf<T>>(
  { token }: Asked<T>,
  response: R & Exact<R, AnswerOf<T>>,
): Reply {
  return { to: token, response } as Reply
}

/** The decision of a command that changes nothing. */
export function onlyAnswer<T extends string, R extends AnswerOf<T>>(
  asked: Asked<T>,
  response: R & Exact<R, AnswerOf<T>>,
): { readonly changes: []; readonly replies: readonly Reply[]; readonly effects: [] } {
  const reply = { to: asked.token, response } as Reply
  return { changes: [], replies: [reply], effects: [] }
}
