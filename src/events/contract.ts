/**
 * Holds a program's declaration of a stream against the contract in its `.proto` file.
 *
 * Both say the same things twice on purpose: the `.proto` file for every language and tool, the program
 * for its compiler. A difference is refused when the event is declared, naming both sides, so a program
 * never starts with an opinion of its own about a stream.
 */
import type { DescField, DescMessage } from '@bufbuild/protobuf'
import { HeadwaterError } from '../base/errors.ts'
import { readContract } from '../schema/descriptor.ts'
import type { EventKind, StreamContract } from '../schema/descriptor.ts'

/** What a program declares; `by` and `keyspace` only of a stream with a key, `reasons` only of commands. */
export interface Declaration {
  readonly kind: EventKind
  readonly name: string
  readonly owner: string
  readonly by?: string
  readonly keyspace?: { readonly name: string; readonly type: string; readonly partitions: number }
  readonly reasons?: readonly string[]
}

/** The schema's contract, after checking that `declared` says the same. Throws `contract-invalid`. */
export function checkContract(schema: DescMessage, declared: Declaration): StreamContract {
  const contract = readContract(schema)
  const refuse = (what: string, here: string | number, there: string | number): HeadwaterError =>
    new HeadwaterError(
      'contract-invalid',
      `stream '${declared.name}': the program says ${what} is '${here}', the contract of ${schema.typeName} ` +
        `in ${schema.file.name}.proto says '${there}': make them equal`,
    )
  if (declared.name !== contract.stream) throw refuse('the name', declared.name, contract.stream)
  if (declared.kind !== contract.kind) throw refuse('the kind', declared.kind, contract.kind)
  if (declared.owner !== contract.owner) throw refuse('the owner', declared.owner, contract.owner)
  const { by, keyspace } = declared
  if (by === undefined || keyspace === undefined) return contract
  const key = contract.key!
  if (by !== key.localName) throw refuse('the key', by, key.localName)
  const keyType = isString(key) ? 'string' : 'int64'
  if (keyspace.type !== keyType) {
    throw refuse(`the key type of '${keyspace.name}'`, keyspace.type, keyType)
  }
  if (contract.keyspace !== '' && contract.keyspace !== keyspace.name) {
    throw refuse('the keyspace', keyspace.name, contract.keyspace)
  }
  if (contract.partitions !== 0 && contract.partitions !== keyspace.partitions) {
    throw refuse('the number of partitions', keyspace.partitions, contract.partitions)
  }
  const listed = (reasons: readonly string[]): string => reasons.toSorted().join(', ')
  const [here, there] = [listed(declared.reasons ?? []), listed(contract.reasons)]
  if (here !== there) throw refuse('the list of reasons', here, there)
  return contract
}

/** Reads the event time out of a message, in milliseconds since 1970. */
export function eventTimeReader(contract: StreamContract): (message: object) => number | undefined {
  const field = contract.eventTime
  if (!field) return () => undefined
  const property = field.localName
  if (field.fieldKind === 'message') {
    return (message) => {
      const time = (message as Record<string, TimestampLike | undefined>)[property]
      if (!time) return undefined
      return Number(time.seconds ?? 0) * 1000 + Math.floor((time.nanos ?? 0) / 1_000_000)
    }
  }
  return (message) => {
    const time = (message as Record<string, bigint | string | undefined>)[property]
    return time === undefined ? undefined : Number(time)
  }
}

interface TimestampLike {
  readonly seconds?: bigint
  readonly nanos?: number
}

function isString(field: DescField): boolean {
  return field.scalar === 9
}
