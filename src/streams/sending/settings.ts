/** What sending is bounded by: defaults, and bounds whose breach is a `config-invalid`. */
import { HeadwaterError } from '../../base/errors.ts'

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
  within('deliveryTimeoutMs', settings.deliveryTimeoutMs, 100, dayMs)
  within('bufferBytesMax', settings.bufferBytesMax, 1_024, 2 ** 31)
  within('messageBytesMax', settings.messageBytesMax, 1, 100 * mebibyte)
  within('transactionsWaitingMax', settings.transactionsWaitingMax, 0, 1_000_000)
  within('closeTimeoutMs', settings.closeTimeoutMs, 0, dayMs)
  return settings
}

function within(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new HeadwaterError(
    'config-invalid',
    `${name} is ${value}: give a whole number from ${least} to ${most}`,
  )
}
