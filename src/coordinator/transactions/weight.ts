/**
 * About what transactional ids hold in memory: each is kept for a week, whoever invented it, and an open
 * transaction keeps what has entered it.
 */
import type { Transaction } from './state.ts'

/** An id with its record, a topic or group of a transaction, and a partition: beside their texts. */
const idBytes = 1_024
const nameBytes = 128
const partitionBytes = 32

/** Looks at every topic and group of it, not at partitions. */
export function transactionBytes(transaction: Transaction | undefined): number {
  if (transaction === undefined) return 0
  const { transactionalId, partitions, groups } = transaction
  return newIdBytes(transactionalId) + partBytes(transaction, partitions.keys(), groups)
}

/** What an id takes that is not there yet. */
export function newIdBytes(transactionalId: string): number {
  return idBytes + transactionalId.length
}

/** What a group takes in a transaction. */
export function groupBytes(groupId: string): number {
  return nameBytes + groupId.length
}

/** What these of its topics and groups take, as far as they are in it; each is to be named once. */
export function partBytes(
  { partitions, groups }: Pick<Transaction, 'partitions' | 'groups'>,
  topicNames: Iterable<string>,
  groupIds: Iterable<string>,
): number {
  let bytes = 0
  for (const name of topicNames) {
    const indexes = partitions.get(name)
    if (indexes !== undefined) bytes += nameBytes + name.length + partitionBytes * indexes.size
  }
  for (const groupId of groupIds) if (groups.has(groupId)) bytes += groupBytes(groupId)
  return bytes
}
