/** What sending is bounded by: defaults, and bounds whose breach is a `config-invalid`. */
import { assertWithin } from '../../base/bounds.ts'

export interface SendOptions {
  /**
   * How long an event is tried while the broker is away, and how long a transaction may take, before
   * it is rejected; 30,000 ms when left out.
   */
  readonly deliveryTimeoutMs?: number
  /** Bytes that events nobody knows of yet may hold; more are refused. 32 MiB when left out. */
  readonly bufferBytesMax?: number
  /** Bytes that the key and message of one event may have; 1 MiB when left out. */
  readonly messageBytesMax?: number
  /** Transactions that may wait for their turn; 1,000 when left out. */
  readonly transactionsWaitingMax?: number
  /** How long `close` waits for what was sent before; 10,000 ms when left out. */
  readonly closeTimeoutMs?: number
}

export type SendSettings = Required<SendOptions>

const mebibyte = 1024 * 1024
const dayMs = 86_400_000

export function sendSettings(given: SendOptions): SendSettings {
  const settings: SendSettings = {
    deliveryTimeoutMs: given.deliveryTimeoutMs ?? 30_000,
    bufferBytesMax: given.bufferBytesMax ?? 32 * mebibyte,
    messageBytesMax: given.messageBytesMax ?? mebibyte,
    transactionsWaitingMax: given.transactionsWaitingMax ?? 1_000,
    closeTimeoutMs: given.closeTimeoutMs ?? 10_000,
  }
  assertWithin('deliveryTimeoutMs', settings.deliveryTimeoutMs, 100, dayMs)
  assertWithin('bufferBytesMax', settings.bufferBytesMax, 1_024, 2 ** 31)
  assertWithin('messageBytesMax', settings.messageBytesMax, 1, 100 * mebibyte)
  assertWithin('transactionsWaitingMax', settings.transactionsWaitingMax, 0, 1_000_000)
  assertWithin('closeTimeoutMs', settings.closeTimeoutMs, 0, dayMs)
  return settings
}
