/**
 * The streams and keyspaces that a set of `.proto` files declares, held against each other: what one contract
 * alone cannot tell. Either all of it is sound, or each problem is named with the places it arises from.
 */
import { ScalarType } from '@bufbuild/protobuf'
import type { DescFile, DescMessage } from '@bufbuild/protobuf'
import { isHeadwaterError } from '../base/errors.ts'
import { readContract, streamMessagesIn } from '../schema/descriptor.ts'
import type { StreamContract } from '../schema/descriptor.ts'
import { constantName, isConstantName } from './names.ts'
import { placeText, streamOptionPlace } from '../schema/place.ts'
import type { Problem } from '../schema/place.ts'

/** A stream, and the name its definition gets in TypeScript. */
export interface DeclaredStream {
  readonly constant: string
  readonly message: DescMessage
  readonly contract: StreamContract
}

/** A keyspace's name is that of its definition, too. */
export interface DeclaredKeyspace {
  readonly name: string
  readonly type: 'string' | 'int64'
  readonly partitions: number
}

export interface Declared {
  readonly streams: readonly DeclaredStream[]
  readonly keyspaces: readonly DeclaredKeyspace[]
  /** When there are any, nothing should be made of the rest. */
  readonly problems: readonly Problem[]
}

/** Reads all streams of the files, in the order in which they stand there. */
export function readDeclared(files: readonly DescFile[]): Declared {
  const problems: Problem[] = []
  const streams = streamMessagesIn(files).flatMap((message) => readStream(message, problems))
  const keyed = streams.filter(({ contract }) => contract.kind !== 'unkeyed')
  const names = [...new Set(keyed.map(({ contract }) => contract.keyspace))]
  const keyspaces = names
    .filter((name) => name !== '')
    .flatMap((name) => readKeyspace(name, keyed, problems))
  problems.push(...twice(streams), ...unnamed(keyed), ...clashes(streams, names))
  return { streams, keyspaces, problems }
}

function readStream(message: DescMessage, problems: Problem[]): DeclaredStream[] {
  try {
    const contract = readContract(message)
    return [{ constant: constantName(contract.stream), message, contract }]
  } catch (error) {
    if (!isHeadwaterError(error, 'contract-invalid')) throw error
    problems.push({ ...streamOptionPlace(message), message: error.message })
    return []
  }
}

function readKeyspace(
  name: string,
  keyed: readonly DeclaredStream[],
  problems: Problem[],
): DeclaredKeyspace[] {
  const streams = keyed.filter(({ contract }) => contract.keyspace === name)
  const { message } = streams[0]!
  const type = keyType(streams[0]!)
  const other = streams.find((stream) => keyType(stream) !== type)
  if (other !== undefined) {
    const where = placeText(streamOptionPlace(other.message, 'keyspace'))
    problems.push({
      ...streamOptionPlace(message, 'keyspace'),
      message:
        `keyspace '${name}' has keys of type ${type} here and ${keyType(other)} at ${where}: ` +
        'make them equal, or give one of them another keyspace',
    })
  }
  const [first, ...others] = streams.filter(({ contract }) => contract.partitions !== 0)
  if (first === undefined) {
    problems.push({
      ...streamOptionPlace(message, 'keyspace'),
      message:
        `keyspace '${name}' has no partitions: write them in the stream option, as in ` +
        'partitions: 12. They cannot change once there are events',
    })
    return []
  }
  const { partitions } = first.contract
  for (const { message: differing, contract } of others) {
    if (contract.partitions === partitions) continue
    const where = placeText(streamOptionPlace(differing, 'partitions'))
    problems.push({
      ...streamOptionPlace(first.message, 'partitions'),
      message:
        `keyspace '${name}' has ${partitions} partitions here and ${contract.partitions} at ${where}: ` +
        'streams of one keyspace are partitioned alike, so make them equal',
    })
  }
  return [{ name, type, partitions }]
}

function keyType({ contract }: DeclaredStream): 'string' | 'int64' {
  return contract.key!.scalar === ScalarType.STRING ? 'string' : 'int64'
}

/** Streams of one name. */
function twice(streams: readonly DeclaredStream[]): Problem[] {
  return pairs(streams, ({ contract }) => contract.stream).map(([first, second]) => ({
    ...streamOptionPlace(second.message, 'name'),
    message:
      `stream '${second.contract.stream}' is declared twice, here and at ` +
      `${placeText(streamOptionPlace(first.message, 'name'))}: a stream has one kind of event, so rename one`,
  }))
}

/** Streams with a key and no keyspace: nobody could tell which of them may be joined. */
function unnamed(keyed: readonly DeclaredStream[]): Problem[] {
  return keyed
    .filter(({ contract }) => contract.keyspace === '')
    .map(({ message, contract }) => ({
      ...streamOptionPlace(message),
      message:
        `stream '${contract.stream}' has a key and no keyspace: write one in its stream option, as in ` +
        `keyspace: "${constantName(contract.key!.name)}"`,
    }))
}

/** Names that cannot be those of constants, or of two. */
function clashes(streams: readonly DeclaredStream[], keyspaces: readonly string[]): Problem[] {
  const wrong = keyspaces
    .filter((name) => name !== '' && !isConstantName(name))
    .map((name) => ({
      ...streamOptionPlace(inKeyspace(streams, name), 'keyspace'),
      message: `keyspace '${name}' cannot be a constant in TypeScript: call it '${constantName(name)}'`,
    }))
  const named = new Map(keyspaces.map((name) => [name, inKeyspace(streams, name)]))
  const taken = streams.flatMap(({ constant, message }) => {
    const other = named.get(constant)
    if (other === undefined) return []
    return [
      {
        ...streamOptionPlace(message, 'name'),
        message:
          `the stream and the keyspace at ${placeText(streamOptionPlace(other, 'keyspace'))} would both be ` +
          `'${constant}' in TypeScript: rename one`,
      },
    ]
  })
  const alike = pairs(streams, ({ constant }) => constant)
    .filter(([first, second]) => first.contract.stream !== second.contract.stream)
    .map(([first, second]) => ({
      ...streamOptionPlace(second.message, 'name'),
      message:
        `streams '${second.contract.stream}' and '${first.contract.stream}' (at ` +
        `${placeText(streamOptionPlace(first.message, 'name'))}) would both be '${second.constant}' in ` +
        'TypeScript: rename one',
    }))
  return [...wrong, ...taken, ...alike]
}

function inKeyspace(streams: readonly DeclaredStream[], name: string): DescMessage {
  return streams.find(({ contract }) => contract.keyspace === name)!.message
}

/** The first of each name with every later one of it. */
function pairs<T>(all: readonly T[], nameOf: (each: T) => string): (readonly [T, T])[] {
  const first = new Map<string, T>()
  return all.flatMap((each) => {
    const before = first.get(nameOf(each))
    if (before !== undefined) return [[before, each] as const]
    first.set(nameOf(each), each)
    return []
  })
}
