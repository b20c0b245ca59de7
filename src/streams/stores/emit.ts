/** Where records leave a task: a producer, or a test. */
import type { HeadwaterError } from '../../base/errors.ts'

export interface Emit {
  /**
   * The bytes may be reused after the call. Who gives a `delivery` with one record of a topic gives one with each.
   * Throws `EmitFailure`.
   */
  append(
    topic: string,
    partition: number,
    timestamp: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers?: readonly EmitHeader[],
    delivery?: EmitDelivery,
  ): void
  /**
   * Why a record is larger than its topic takes; undefined when it is not, or when nobody knows. To be asked before
   * anything is done with the record: what is refused only by the broker takes the transaction with it.
   */
  tooLarge?(
    topic: string,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers?: readonly EmitHeader[],
  ): HeadwaterError | undefined
}

/** Told where a record is, before the transaction that it is in commits. */
export interface EmitDelivery {
  delivered(partition: number, offset: number): void
  /** It is given up, and so is the transaction. */
  failed(): void
}

export interface EmitHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

/**
 * What `append` throws when the way out is barred. It says nothing about the record that was on its way nor
 * about the function that made it, so whoever names those lets it pass.
 */
export class EmitFailure extends Error {
  override readonly name = 'EmitFailure'

  constructor(cause: unknown) {
    super('a record could not be written', { cause })
  }
}
