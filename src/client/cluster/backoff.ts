/** Waiting between attempts: exponential with jitter, so that clients of a restarted broker spread out. */
import type { Clock, Random } from '../../io/ports.ts'

const firstDelayMs = 20
const lastDelayMs = 1_000

/** The pause before attempt `attempt` (the first retry is 1): half of it fixed, half of it random. */
export function backoffMs(attempt: number, random: Random): number {
  const full = Math.min(lastDelayMs, firstDelayMs * 2 ** Math.min(attempt - 1, 16))
  return full / 2 + (full / 2) * (random.bytes(1)[0]! / 255)
}

export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve)
  })
}
