/** Waiting that ends: with what was waited for, with its time, or with whoever wanted it. */
import type { Clock } from './ports.ts'

export interface InTimeOptions {
  readonly clock: Clock
  readonly timeoutMs: number
  /** What is told when the time is over. */
  readonly late: () => unknown
  /** Ends the waiting before its time, with its reason. */
  readonly signal?: AbortSignal | undefined
}

/** What `work` comes to, if it does in time. What it comes to later is nobody's. */
export async function inTime<T>(work: Promise<T>, o: InTimeOptions): Promise<T> {
  const { clock, timeoutMs, late, signal } = o
  const { promise: ended, reject } = Promise.withResolvers<never>()
  const timer = clock.after(timeoutMs, () => reject(late()))
  const onAbort = (): void => reject(signal?.reason)
  if (signal?.aborted === true) onAbort()
  signal?.addEventListener('abort', onAbort)
  try {
    return await Promise.race([work, ended])
  } finally {
    timer.cancel()
    signal?.removeEventListener('abort', onAbort)
  }
}
