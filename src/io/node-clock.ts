/**
 * The real clock and the real dice: `Clock` and `Random` on Node's timers and `node:crypto`.
 *
 * Timers are unreferenced, so a broker with nothing to do never holds its process open.
 */
import { randomFillSync } from 'node:crypto'
import { assertDelay } from './contract.ts'
import type { Clock, Random, Timer } from './ports.ts'

/** Node refuses longer delays (it would fire at once): such a timer is set again when it fires. */
const delayMsMax = 0x7fff_ffff

export const nodeClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, callback) => startTimer(delayMs, callback),
  soon: (callback) => void setImmediate(callback),
}

export const nodeRandom: Random = {
  bytes: (count) => randomFillSync(new Uint8Array(count)),
}

function startTimer(delayMs: number, callback: () => void): Timer {
  assertDelay(delayMs)
  let handle: NodeJS.Timeout
  const start = (leftMs: number): void => {
    const stepMs = Math.max(0, Math.min(leftMs, delayMsMax))
    handle = setTimeout(() => (leftMs > stepMs ? start(leftMs - stepMs) : callback()), stepMs)
    handle.unref()
  }
  start(delayMs)
  return { cancel: () => clearTimeout(handle) }
}
