/** What asking is bounded by: defaults, and bounds whose breach is a `config-invalid`. */
import { assertWithin } from '../../base/bounds.ts'
import { HeadwaterError } from '../../base/errors.ts'
import { durationMs } from '../../base/units.ts'
import type { Duration } from '../../base/units.ts'
import { commandIdCharsMax, isCommandId } from '../../events/commands.ts'
import type { EventOptions } from '../sending/headers.ts'

export interface AskSettings {
  /** Commands whose outcome is waited for at once; more are refused. 10,000 when left out. */
  readonly asksMax: number
  /** Bytes that commands may hold which the broker has not acknowledged; more are refused. 32 MiB when left out. */
  readonly bufferBytesMax: number
  /** Bytes that key, message and headers of one command may have; 1 MiB when left out. */
  readonly messageBytesMax: number
}

/** What is said of one command beside its message. */
export interface AskOptions extends EventOptions {
  /** How long its outcome is waited for, up to a day; 10 seconds when left out. */
  readonly timeout?: Duration
  /**
   * Names the command: who asks again under the same id is told what came of it, and it is decided once. Up to
   * 200 characters; made up when left out.
   */
  readonly id?: string
  /** Ends the waiting: with a `CommandInDoubt`, unless the command has not left yet. */
  readonly signal?: AbortSignal
}

const mebibyte = 1024 * 1024
const dayMs = 86_400_000
const timeoutDefault = '10s'

export function askSettings(given: Partial<AskSettings>): AskSettings {
  const settings = {
    asksMax: given.asksMax ?? 10_000,
    bufferBytesMax: given.bufferBytesMax ?? 32 * mebibyte,
    messageBytesMax: given.messageBytesMax ?? mebibyte,
  }
  assertWithin('asksMax', settings.asksMax, 1, 1_000_000)
  assertWithin('bufferBytesMax', settings.bufferBytesMax, 1_024, 2 ** 31)
  assertWithin('messageBytesMax', settings.messageBytesMax, 1, 100 * mebibyte)
  return settings
}

/** Throws `config-invalid`. */
export function askTimeoutMs({ timeout = timeoutDefault }: AskOptions): number {
  const ms = durationMs(timeout)
  assertWithin('timeout in milliseconds', ms, 1, dayMs)
  return ms
}

/** Throws `input-invalid`. */
export function checkCommandId(id: string): void {
  if (typeof id === 'string' && isCommandId(id)) return
  throw new HeadwaterError(
    'input-invalid',
    `a command cannot be called ${JSON.stringify(String(id).slice(0, 40))}: an id is text of 1 to ${commandIdCharsMax} characters`,
    { outcome: 'not-written' },
  )
}
