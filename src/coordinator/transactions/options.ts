/** The bounds of the transactions machine. */

export interface TransactionsOptions {
  /** The longest timeout a producer may ask for: Kafka's `transaction.max.timeout.ms`. */
  readonly timeoutMsMax: number
  /** How long a transactional id may idle before it is forgotten. */
  readonly transactionalIdExpirationMs: number
  /** About what all transactional ids and their open transactions may hold in memory, in bytes. */
  readonly transactionsBytesMax: number
  /** Transactions and ids that are ended in one decision because they have run out. */
  readonly expiredMax: number
}

export const transactionsDefaults: TransactionsOptions = {
  timeoutMsMax: 900_000,
  transactionalIdExpirationMs: 604_800_000,
  transactionsBytesMax: 128 * 1024 * 1024,
  expiredMax: 200,
}
