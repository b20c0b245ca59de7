/** What can happen to transactions, and how it is stored. */
import { array, bool, int16, int32, int64, string, struct } from '../../protocol/schema.ts'
import type { TransactionsEffect } from '../commands.ts'
import type { Decision } from '../machine.ts'
import { changeCodec, form, type StoredChange } from '../stored.ts'
import { topicList, type Timing, type Transaction } from './state.ts'

const Topics = array(struct({ name: string, partitions: array(int32) }))

const forms = {
  /** All producer ids up to this one were given out. */
  'producer-id-allocated': form(1, 0, struct({ producerId: int64 })),
  /** A producer was initialised, or `dump` wrote the whole record. */
  'transaction-set': form(
    2,
    0,
    struct({
      transactionalId: string,
      state: string,
      producerId: int64,
      producerEpoch: int16,
      lastProducerEpoch: int16,
      previousProducerId: int64,
      nextProducerId: int64,
      timeoutMs: int32,
      topics: Topics,
      groups: array(string),
      startedAt: int64,
      updatedAt: int64,
    }),
  ),
  /** Partitions and groups entered the transaction, which began if it had not. */
  'transaction-entered': form(
    3,
    0,
    struct({ transactionalId: string, topics: Topics, groups: array(string), at: int64 }),
  ),
  /** The outcome is decided; the epoch is that of the markers. */
  'transaction-ending': form(
    4,
    0,
    struct({
      transactionalId: string,
      commit: bool,
      producerEpoch: int16,
      lastProducerEpoch: int16,
      nextProducerId: int64,
      at: int64,
    }),
  ),
  /** All markers stand. */
  'transaction-ended': form(5, 0, struct({ transactionalId: string, at: int64 })),
  'transaction-expired': form(6, 0, struct({ transactionalId: string })),
}

/** What runs out, and when: volatile. What it leaves out stays as it was. */
interface TimingSet extends Partial<Timing> {
  readonly type: 'timing-set'
  readonly transactionalId: string
}

export type TransactionsChange = StoredChange<typeof forms> | TimingSet

export type TransactionsDecision = Decision<TransactionsChange, TransactionsEffect>

export const transactionChanges = changeCodec('transactions', forms)

/** The change that writes the whole record. */
export function setting({ partitions, groups, ...rest }: Transaction): TransactionsChange {
  return {
    type: 'transaction-set',
    ...rest,
    topics: topicList(partitions),
    groups: [...groups],
  }
}
