/** Where something stands in a `.proto` file, from the source positions that its compiler keeps. */
import type {
  DescEnum,
  DescEnumValue,
  DescField,
  DescFile,
  DescMessage,
  DescOneof,
} from '@bufbuild/protobuf'
import type { SourceCodeInfo_Location } from '@bufbuild/protobuf/wkt'

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

/** Field numbers of the stream option, and of its parts, from proto/headwater/v1/options.proto. */
const streamOptionNumber = 50700
const streamParts = {
  name: 1,
  kind: 2,
  key: 3,
  owner: 4,
  context: 5,
  partitions: 6,
  keyspace: 7,
  reasons: 8,
  compatibility: 9,
} as const

export type StreamPart = keyof typeof streamParts

/** The place of a message's stream option, or of a part of it; of the message where it is not written. */
export function streamOptionPlace(message: DescMessage, part?: StreamPart): Place {
  const option = [streamOptionNumber, ...(part === undefined ? [] : [streamParts[part]])]
  const own = pathOf(message)
  const written = message.file.proto.sourceCodeInfo?.location ?? []
  for (let length = option.length; length >= 0; length--) {
    const wanted = length === 0 ? own : [...own, messageOptionsNumber, ...option.slice(0, length)]
    const found = written.find(({ path }) => startsWith(path, wanted))
    if (found !== undefined) return place(message.file, found.span)
  }
  return place(message.file, [])
}

/** What has a place of its own in a file. */
export type Placed = DescMessage | DescField | DescOneof | DescEnum | DescEnumValue

/** Where something is declared; the file's beginning where its compiler kept no positions. */
export function placeOf(desc: Placed): Place {
  return place(fileOf(desc), locationOf(desc)?.span ?? [])
}

/** The comment above a message, without the space that each line begins with; empty when there is none. */
export function commentOf(message: DescMessage): string {
  return (locationOf(message)?.leadingComments ?? '').replace(/^ /gm, '').trim()
}

const locations = new WeakMap<DescFile, ReadonlyMap<string, SourceCodeInfo_Location>>()

/** What its compiler kept of something, found by its path in the file. */
function locationOf(desc: Placed): SourceCodeInfo_Location | undefined {
  const file = fileOf(desc)
  let found = locations.get(file)
  if (found === undefined) {
    const all = file.proto.sourceCodeInfo?.location ?? []
    found = new Map(all.map((location) => [location.path.join(), location]))
    locations.set(file, found)
  }
  return found.get(pathOf(desc).join())
}

function fileOf(desc: Placed): DescFile {
  return 'file' in desc ? desc.file : desc.parent.file
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
