/** The bounds of the transactions machine. */

export interface TransactionsOptions {
  /** The longest timeout a producer may ask for: Kafka's `transaction.max.timeout.ms`. */
  readonly timeoutMsMax: number
  /** How long a transactional id may idle before it is forgotten. */
  readonly transactionalIdExpirationMs: number
}

export const transactionsDefaults: TransactionsOptions = {
  timeoutMsMax: 900_000,
  transactionalIdExpirationMs: 604_800_000,
}
