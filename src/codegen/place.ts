/** Where something stands in a `.proto` file, from the source positions that its compiler keeps. */
import type { DescFile, DescMessage } from '@bufbuild/protobuf'

/** Line and column count from one, as editors do. */
export interface Place {
  /** Relative to the directory of `.proto` files. */
  readonly file: string
  readonly line: number
  readonly column: number
}

/** What is wrong with contracts, and where. */
export interface Problem extends Place {
  readonly message: string
}

/** `shop/v1/order.proto:12:3`. */
export function placeText({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`
}

/** Field numbers of google/protobuf/descriptor.proto, which paths of source positions are made of. */
const messageTypeNumber = 4
const nestedTypeNumber = 3
const messageOptionsNumber = 7

/**
 * The place of an option of a message, or of a field inside it; of the message where the option is not written.
 * @param option field numbers below the message's options: `[50700, 3]`
 */
export function optionPlace(message: DescMessage, option: readonly number[]): Place {
  const own = pathOf(message)
  const spans = message.file.proto.sourceCodeInfo?.location ?? []
  for (let length = option.length; length >= 0; length--) {
    const wanted = length === 0 ? own : [...own, messageOptionsNumber, ...option.slice(0, length)]
    const found = spans.find(({ path }) => startsWith(path, wanted))
    if (found !== undefined) return place(message.file, found.span)
  }
  return place(message.file, [])
}

/** The comment above a message, without the space that each line begins with; empty when there is none. */
export function commentOf(message: DescMessage): string {
  const own = pathOf(message)
  const found = message.file.proto.sourceCodeInfo?.location.find(
    ({ path }) => path.length === own.length && startsWith(path, own),
  )
  return (found?.leadingComments ?? '').replace(/^ /gm, '').trim()
}

function pathOf(message: DescMessage): number[] {
  const { parent, file } = message
  if (parent === undefined) {
    return [messageTypeNumber, file.proto.messageType.indexOf(message.proto)]
  }
  return [...pathOf(parent), nestedTypeNumber, parent.proto.nestedType.indexOf(message.proto)]
}

function startsWith(path: readonly number[], begin: readonly number[]): boolean {
  return begin.every((number, i) => path[i] === number)
}

function place(file: DescFile, [line = 0, column = 0]: readonly number[]): Place {
  return { file: `${file.name}.proto`, line: line + 1, column: column + 1 }
}
