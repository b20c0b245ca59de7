/**
 * What holds for a transaction after every change, checked as it is applied: a decision or a log that
 * breaks it is a bug, and must not be built upon.
 */
import { assert } from '../../base/errors.ts'
import type { TransactionsChange } from './changes.ts'
import { isPrepared, type Transaction, type TransactionsState } from './state.ts'

export function assertTransaction(
  { nextProducerId }: TransactionsState,
  before: Transaction | undefined,
  after: Transaction,
  { type }: TransactionsChange,
): void {
  assert(
    after.producerId < nextProducerId && after.nextProducerId < nextProducerId,
    'a transaction goes by a producer id that was not given out',
  )
  const isUnderWay = after.state === 'Ongoing' || isPrepared(after)
  assert(
    isUnderWay || (after.partitions.size === 0 && after.groups.size === 0),
    'a transaction that is over holds partitions or groups',
  )
  if (before === undefined) return
  assert(
    after.producerId !== before.producerId || after.producerEpoch >= before.producerEpoch,
    'the epoch of a producer fell',
  )
  assert(
    !isPrepared(before) || type === 'transaction-ended',
    'a transaction changed after its outcome was decided',
  )
  assert(
    isPrepared(before) || type !== 'transaction-ended',
    'a transaction ended whose outcome was not decided',
  )
}
