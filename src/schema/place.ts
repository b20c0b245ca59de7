/** Where something stands in a `.proto` file, from the source positions that its compiler keeps. */
import type {
  DescEnum,
  DescEnumValue,
  DescField,
  DescFile,
  DescMessage,
  DescOneof,
} from '@bufbuild/protobuf'

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
const enumTypeNumber = 5
const nestedTypeNumber = 3
const nestedEnumNumber = 4
const fieldNumber = 2
const oneofNumber = 8
const valueNumber = 2
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

/** What has a place of its own in a file. */
export type Placed = DescMessage | DescField | DescOneof | DescEnum | DescEnumValue

/** Where something is declared; the file's beginning where its compiler kept no positions. */
export function placeOf(desc: Placed): Place {
  const file = fileOf(desc)
  return place(file, spansOf(file).get(pathOf(desc).join()) ?? [])
}

const spans = new WeakMap<DescFile, ReadonlyMap<string, readonly number[]>>()

/** By path, of all that stands in a file. */
function spansOf(file: DescFile): ReadonlyMap<string, readonly number[]> {
  let found = spans.get(file)
  if (found === undefined) {
    const locations = file.proto.sourceCodeInfo?.location ?? []
    found = new Map(locations.map(({ path, span }) => [path.join(), span]))
    spans.set(file, found)
  }
  return found
}

function fileOf(desc: Placed): DescFile {
  return 'file' in desc ? desc.file : desc.parent.file
}

/** The comment above a message, without the space that each line begins with; empty when there is none. */
export function commentOf(message: DescMessage): string {
  const own = pathOf(message)
  const found = message.file.proto.sourceCodeInfo?.location.find(
    ({ path }) => path.length === own.length && startsWith(path, own),
  )
  return (found?.leadingComments ?? '').replace(/^ /gm, '').trim()
}

function pathOf(desc: Placed): number[] {
  switch (desc.kind) {
    case 'message':
      return desc.parent === undefined
        ? [messageTypeNumber, desc.file.proto.messageType.indexOf(desc.proto)]
        : [
            ...pathOf(desc.parent),
            nestedTypeNumber,
            desc.parent.proto.nestedType.indexOf(desc.proto),
          ]
    case 'enum':
      return desc.parent === undefined
        ? [enumTypeNumber, desc.file.proto.enumType.indexOf(desc.proto)]
        : [...pathOf(desc.parent), nestedEnumNumber, desc.parent.proto.enumType.indexOf(desc.proto)]
    case 'field':
      return [...pathOf(desc.parent), fieldNumber, desc.parent.proto.field.indexOf(desc.proto)]
    case 'oneof':
      return [...pathOf(desc.parent), oneofNumber, desc.parent.proto.oneofDecl.indexOf(desc.proto)]
    case 'enum_value':
      return [...pathOf(desc.parent), valueNumber, desc.parent.proto.value.indexOf(desc.proto)]
  }
}

function startsWith(path: readonly number[], begin: readonly number[]): boolean {
  return begin.every((number, i) => path[i] === number)
}

function place(file: DescFile, [line = 0, column = 0]: readonly number[]): Place {
  return { file: `${file.name}.proto`, line: line + 1, column: column + 1 }
}
