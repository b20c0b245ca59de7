/**
 * What changed between two versions of a set of contracts, stream by stream. Linked descriptors are compared, not
 * texts: what a compiler makes the same is the same, whatever wrote it.
 */
import type { DescEnum, DescFile, DescMessage } from '@bufbuild/protobuf'
import { HeadwaterError } from '../base/errors.ts'
import { messagesIn, readContract, streamMessagesIn } from '../schema/descriptor.ts'
import { placeOf } from '../schema/place.ts'
import { depends, safe } from './change.ts'
import type { Change } from './change.ts'
import { compareContracts } from './contracts.ts'
import type { Stream } from './contracts.ts'
import { levelOf } from './level.ts'
import type { CompatibilityLevel } from './level.ts'
import { compareMessages } from './messages.ts'
import type { TypeNames } from './messages.ts'

export interface StreamDiff {
  readonly stream: string
  /** The full name of its message, in the new version where it is there. */
  readonly message: string
  /** What the old version promised, or the new one of a stream that was not there. */
  readonly level: CompatibilityLevel
  readonly changes: readonly Change[]
}

/** Throws `contract-invalid` where a stream's contract is none. Streams in the order of the new version. */
export function diffContracts(
  before: readonly DescFile[],
  after: readonly DescFile[],
): StreamDiff[] {
  const types: TypeNames = { before: namesIn(before), after: namesIn(after) }
  const [old, young] = [streamsIn(before), streamsIn(after)]
  const gone = [...old].filter(([name]) => !young.has(name))
  return [
    ...[...young].map(([name, stream]) => compareStreams(old.get(name), stream, types)),
    ...gone.map(([, stream]) => removed(stream)),
  ]
}

function compareStreams(before: Stream | undefined, after: Stream, types: TypeNames): StreamDiff {
  if (before === undefined) return added(after)
  const below = compareMessages(before.message, after.message, types)
  return {
    stream: after.contract.stream,
    message: after.message.typeName,
    level: levelOf(before.message),
    changes: [...compareContracts(before, after), ...renamed(before, after), ...below],
  }
}

const plain = { path: '', evidence: [], fix: '' } as const

function renamed(before: Stream, after: Stream): Change[] {
  const [old, young] = [before.message.typeName, after.message.typeName]
  if (old === young) return []
  return [
    {
      ...plain,
      kind: 'type-renamed',
      subject: young,
      before: placeOf(before.message),
      after: placeOf(after.message),
      wire: depends,
      json: safe,
      source: 'breaks',
      what: `its message was ${old} and is ${young} now, which readers that go by the name do not know`,
    },
  ]
}

function added({ message, contract }: Stream): StreamDiff {
  const change: Change = {
    ...plain,
    kind: 'stream-added',
    subject: `stream '${contract.stream}'`,
    before: undefined,
    after: placeOf(message),
    wire: safe,
    json: safe,
    source: 'safe',
    what: 'the stream is new',
  }
  return {
    stream: contract.stream,
    message: message.typeName,
    level: levelOf(message),
    changes: [change],
  }
}

function removed({ message, contract }: Stream): StreamDiff {
  const change: Change = {
    ...plain,
    kind: 'stream-removed',
    subject: `stream '${contract.stream}'`,
    before: placeOf(message),
    after: undefined,
    wire: depends,
    json: depends,
    source: 'breaks',
    what: 'the stream has no contract any more: its events stay, and nobody can read them with this version',
  }
  return {
    stream: contract.stream,
    message: message.typeName,
    level: levelOf(message),
    changes: [change],
  }
}

function streamsIn(files: readonly DescFile[]): Map<string, Stream> {
  const streams = new Map<string, Stream>()
  for (const message of streamMessagesIn(files)) {
    const contract = readContract(message)
    const other = streams.get(contract.stream)?.message.typeName
    if (other !== undefined) {
      throw new HeadwaterError(
        'contract-invalid',
        `messages ${other} and ${message.typeName} are both of stream '${contract.stream}': give one of them a name ` +
          'of its own',
      )
    }
    streams.set(contract.stream, { message, contract })
  }
  return streams
}

/** All types of the files and of what they import. */
function namesIn(files: readonly DescFile[]): ReadonlySet<string> {
  const names = new Set<string>()
  const seen = new Set<DescFile>()
  const visit = (file: DescFile): void => {
    if (seen.has(file)) return
    seen.add(file)
    for (const { typeName } of messagesIn(file).flatMap(typesOf)) names.add(typeName)
    for (const { typeName } of file.enums) names.add(typeName)
    for (const imported of file.dependencies) visit(imported)
  }
  for (const file of files) visit(file)
  return names
}

function typesOf(message: DescMessage): (DescMessage | DescEnum)[] {
  return [message, ...message.nestedEnums]
}
