/**
 * What comes of commands: the stream `<service>-outcomes`, and the headers by which a command asks for its outcome.
 *
 * Its contract is the platform's own (`headwater/v1/command.proto`) and its name the service's, so the stream
 * has no option in a `.proto` file. Each outcome is for one caller, which reads the one partition that it named in
 * the header of its command: so the partition is not that of the key, and nobody joins such a stream.
 */
import type { MessageInitShape } from '@bufbuild/protobuf'
import { exactUtf8String, utf8Bytes } from '../base/bytes.ts'
import type { Writer } from '../base/bytes.ts'
import { compileCodec } from '../schema/codec.ts'
import { CommandOutcomeSchema } from '../schema/gen/headwater/v1/command_pb.ts'
import type { CommandOutcome } from '../schema/gen/headwater/v1/command_pb.ts'

export type { CommandOutcome }

/** The header with what a command is called: who sends it again under the same id is answered with what came of it. */
const commandIdHeader = 'headwater-command-id'
/** The header with the partition of `<service>-outcomes` in which somebody waits, as decimal text. */
const replyPartitionHeader = 'headwater-reply-partition'

/** Characters of a command's id, at most: they are remembered. */
export const commandIdCharsMax = 200

/** Callers share them: each reads one, and a decision that many wait for writes to as many as they read. */
export const outcomePartitions = 8

export const outcomeCodec = compileCodec(CommandOutcomeSchema)

/** The topic of what came of a service's commands. */
export function outcomesTopic(service: string): string {
  return `${service}-outcomes`
}

/** An outcome as it is made. */
export type OutcomeInit = MessageInitShape<typeof CommandOutcomeSchema> & {
  readonly id: string
  readonly commands: string
}

/** How outcomes are remembered: without the id, which is in the key of their row. */
export const rememberedOutcomes = {
  message: CommandOutcomeSchema.typeName,
  encode: (outcome: unknown, writer: Writer): void => {
    outcomeCodec.encode({ ...(outcome as OutcomeInit), id: '' }, writer)
  },
  decode: (bytes: Uint8Array, start: number, end: number): CommandOutcome =>
    outcomeCodec.decode(bytes, start, end),
}

/** What a command says of itself. */
export interface CommandMark {
  /** Undefined: nobody sends it again knowingly. */
  readonly id: string | undefined
  /** Undefined: nobody waits. */
  readonly replyPartition: number | undefined
}

interface Header {
  readonly key: string
  readonly value: Uint8Array | null
}

/** The headers of a command whose outcome is waited for. */
export function commandHeaders(id: string, replyPartition: number): readonly Header[] {
  return [
    { key: commandIdHeader, value: utf8Bytes(id) },
    { key: replyPartitionHeader, value: utf8Bytes(String(replyPartition)) },
  ]
}

/** Reads a command's headers; what is no id or partition counts as none. */
export function commandMark(headers: readonly Header[]): CommandMark {
  const text = (name: string): string | undefined => {
    const value = headers.find(({ key }) => key === name)?.value
    // Bytes that are no text are no id: as text with its faults replaced, many of them would be one.
    return value ? exactUtf8String(value) : undefined
  }
  const id = text(commandIdHeader)
  const partition = text(replyPartitionHeader) ?? ''
  const isPartition = /^\d{1,3}$/.test(partition) && Number(partition) < outcomePartitions
  return {
    id: id !== undefined && isCommandId(id) ? id : undefined,
    replyPartition: isPartition ? Number(partition) : undefined,
  }
}

/** Whether a text may be the id of a command. */
export function isCommandId(id: string): boolean {
  return id.length > 0 && id.length <= commandIdCharsMax && id.isWellFormed()
}
