/** What is said of calls that go outside: defaults, and bounds whose breach names both. */
import { durationMs } from '../../base/units.ts'
import type { Duration } from '../../base/units.ts'
import type { AsyncNode, CallOrder, Handling } from './topology.ts'

export interface CallOptions extends Handling {
  /** Calls at once, all partitions of an instance together: 1 to 10,000; 16 when left out. */
  readonly concurrency?: number
  /** Which calls wait for each other: those of one `key` (when left out), of a `partition`, or `none`. */
  readonly order?: CallOrder
  /** How long an attempt may take, up to a day; 30 seconds when left out. */
  readonly timeout?: Duration
  readonly retry?: RetryOptions
}

/** What is done when the function throws, rejects or takes too long; after the last attempt, `onError`. */
export interface RetryOptions {
  /** The first one included; 5 when left out, `Infinity` for no end. */
  readonly attempts?: number
  /** The pause before the second attempt, doubled before each one after that; 100 ms when left out. */
  readonly backoff?: Duration
  /** The longest pause; 10 seconds when left out. */
  readonly backoffMax?: Duration
  /** Whether trying again is of use; always when left out. */
  readonly when?: (error: unknown) => boolean
}

const concurrencyMax = 10_000
const dayMs = 86_400_000
const orders: readonly CallOrder[] = ['key', 'partition', 'none']

type Said = Pick<AsyncNode, 'concurrency' | 'order' | 'timeoutMs' | 'retry'>

/** @param refuse makes the error of what is out of its bounds */
export function callSettings(options: CallOptions, refuse: (why: string) => Error): Said {
  const { concurrency = 16, order = 'key', timeout = '30s', retry = {} } = options
  const { attempts = 5, backoff = '100ms', backoffMax = '10s', when = () => true } = retry
  const whole = (name: string, value: number, least: number, most: number): void => {
    if (value === Infinity && most === Infinity) return
    if (Number.isInteger(value) && value >= least && value <= most) return
    const upTo = most === Infinity ? 'on' : `to ${most}`
    throw refuse(`${name} is ${value}: give a whole number from ${least} ${upTo}`)
  }
  const [timeoutMs, backoffMs, backoffMaxMs] = [timeout, backoff, backoffMax].map(durationMs)
  whole('concurrency', concurrency, 1, concurrencyMax)
  whole('timeout in milliseconds', timeoutMs!, 1, dayMs)
  whole('retry.attempts', attempts, 1, Infinity)
  whole('retry.backoff in milliseconds', backoffMs!, 0, dayMs)
  whole('retry.backoffMax in milliseconds', backoffMaxMs!, 0, dayMs)
  if (!orders.includes(order)) {
    throw refuse(`order is '${String(order)}': write 'key', 'partition' or 'none'`)
  }
  const policy = { attempts, backoffMs: backoffMs!, backoffMaxMs: backoffMaxMs!, when }
  return { concurrency, order, timeoutMs: timeoutMs!, retry: policy }
}
