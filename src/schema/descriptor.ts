/**
 * Reads the contract of a stream from a generated message descriptor.
 *
 * The contract stands in the `.proto` file as options (proto/headwater/v1/options.proto), so it travels
 * with the schema and every language reads the same one. This file only reads it and checks what the
 * descriptor alone can tell; whether a program's own declaration agrees is `events/contract.ts`.
 */
import { getOption, hasOption } from '@bufbuild/protobuf'
import type { DescField, DescFile, DescMessage } from '@bufbuild/protobuf'
import { ScalarType } from '@bufbuild/protobuf'
import { HeadwaterError } from '../base/errors.ts'
import {
  Kind,
  field as fieldOption,
  stream as streamOption,
} from './gen/headwater/v1/options_pb.ts'

/** What a key means: see the options' documentation. */
export type EventKind = 'unkeyed' | 'keyed' | 'entity' | 'command'

/** The contract of the stream whose values are messages of one type. */
export interface StreamContract {
  readonly stream: string
  readonly kind: EventKind
  /** The key's field; undefined for an unkeyed stream. */
  readonly key: DescField | undefined
  readonly owner: string
  readonly context: string
  /** Partitions of the topic; 0 where the contract does not say them. */
  readonly partitions: number
  /** The keyspace's name; empty where the contract does not say it, and for an unkeyed stream. */
  readonly keyspace: string
  /** The field that says when the fact happened. */
  readonly eventTime: DescField | undefined
  /** Why a command may be rejected; empty for streams of another kind. */
  readonly reasons: readonly string[]
}

/** The contract a message's options declare. Throws `contract-invalid` when there is none or it cannot hold. */
export function readContract(message: DescMessage): StreamContract {
  if (!hasOption(message, streamOption)) {
    throw invalid(
      message,
      `is not the value of a stream: give it option (headwater.v1.stream) in ${message.file.name}.proto`,
    )
  }
  const declared = getOption(message, streamOption)
  const kind = kinds.get(declared.kind)
  if (kind === undefined) {
    throw invalid(
      message,
      'has no kind: write KIND_UNKEYED, KIND_KEYED, KIND_ENTITY or KIND_COMMAND in its stream option',
    )
  }
  for (const part of ['name', 'owner', 'context'] as const) {
    if (declared[part] === '')
      throw invalid(message, `has no ${part} in its stream option: write one`)
  }
  if (!/^[a-zA-Z0-9._-]{1,249}$/.test(declared.name)) {
    throw invalid(
      message,
      `names its stream '${declared.name}', which is no topic name: use up to 249 letters, digits, '.', '_' and '-'`,
    )
  }
  return {
    stream: declared.name,
    kind,
    key: keyField(message, kind, declared.key),
    owner: declared.owner,
    context: declared.context,
    partitions: declared.partitions,
    keyspace: keyspaceName(message, kind, declared.keyspace),
    eventTime: eventTimeField(message),
    reasons: reasonsOf(message, kind, declared.reasons),
  }
}

const kinds = new Map<Kind, EventKind>([
  [Kind.UNKEYED, 'unkeyed'],
  [Kind.KEYED, 'keyed'],
  [Kind.ENTITY, 'entity'],
  [Kind.COMMAND, 'command'],
])

function reasonsOf(
  message: DescMessage,
  kind: EventKind,
  reasons: readonly string[],
): readonly string[] {
  if (kind !== 'command' && reasons.length > 0) {
    throw invalid(message, `is ${kind} and yet names reasons: only commands are rejected`)
  }
  const wrong = reasons.find((reason) => !/^[a-zA-Z0-9-]{1,100}$/.test(reason))
  if (wrong === undefined) return reasons
  throw invalid(
    message,
    `names the reason '${wrong}': a reason is one word of up to 100 letters, digits and '-'`,
  )
}

function keyspaceName(message: DescMessage, kind: EventKind, name: string): string {
  if (kind !== 'unkeyed' || name === '') return name
  throw invalid(
    message,
    `is unkeyed and yet names a keyspace, '${name}': remove it or make the stream keyed`,
  )
}

function keyField(message: DescMessage, kind: EventKind, name: string): DescField | undefined {
  if (kind === 'unkeyed') {
    if (name === '') return undefined
    throw invalid(
      message,
      `is unkeyed and yet names a key, '${name}': remove it or make the stream keyed`,
    )
  }
  if (name === '')
    throw invalid(message, `is ${kind} but names no key field: add key to its stream option`)
  const field = message.fields.find((candidate) => candidate.name === name)
  if (!field)
    throw invalid(
      message,
      `names the key '${name}', which is none of its fields: ${names(message)}`,
    )
  if (field.oneof || field.fieldKind !== 'scalar' || !keyScalars.has(field.scalar)) {
    throw invalid(
      message,
      `has the key '${name}', but a key is one string or 64-bit integer field outside a oneof`,
    )
  }
  return field
}

/** Scalar types a key can have: a string, or an integer that TypeScript sees as a bigint. */
const keyScalars = new Set<ScalarType>([
  ScalarType.STRING,
  ScalarType.INT64,
  ScalarType.SINT64,
  ScalarType.SFIXED64,
  ScalarType.UINT64,
  ScalarType.FIXED64,
])

function eventTimeField(message: DescMessage): DescField | undefined {
  const marked = message.fields.filter(
    (field) => hasOption(field, fieldOption) && getOption(field, fieldOption).eventTime,
  )
  const [first, second] = marked
  if (second) {
    throw invalid(message, `has two event times, '${first!.name}' and '${second.name}': keep one`)
  }
  if (!first) return undefined
  const isTimestamp =
    first.fieldKind === 'message' && first.message.typeName === 'google.protobuf.Timestamp'
  const isMilliseconds = first.fieldKind === 'scalar' && first.scalar === ScalarType.INT64
  if (first.oneof || !(isTimestamp || isMilliseconds)) {
    throw invalid(
      message,
      `has the event time '${first.name}', which must be a google.protobuf.Timestamp or an int64 of milliseconds`,
    )
  }
  return first
}

function names(message: DescMessage): string {
  return message.fields.map((field) => field.name).join(', ')
}

function invalid(message: DescMessage, what: string): HeadwaterError {
  return new HeadwaterError('contract-invalid', `message ${message.typeName} ${what}`)
}

/** All messages of a file, nested ones behind what they stand in. */
export function messagesIn({ messages }: DescFile): DescMessage[] {
  const withNested = (message: DescMessage): DescMessage[] => [
    message,
    ...message.nestedMessages.flatMap(withNested),
  ]
  return messages.flatMap(withNested)
}

/** The messages that are values of streams, in the order in which they stand in the files. */
export function streamMessagesIn(files: readonly DescFile[]): DescMessage[] {
  return files.flatMap(messagesIn).filter((message) => hasOption(message, streamOption))
}
