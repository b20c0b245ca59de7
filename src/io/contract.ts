/** What callers owe the ports: asserted where the world begins, since beyond it a wrong number is taken
 * for another one. */
import { assert } from '../base/errors.ts'

export function assertExtent(position: number, count: number): void {
  assert(Number.isSafeInteger(position) && position >= 0, 'a position in a file is a whole number')
  assert(Number.isSafeInteger(count) && count >= 0, 'a count of bytes is a whole number')
}

/** Node takes a delay that is not a number for none. */
export function assertDelay(delayMs: number): void {
  assert(!Number.isNaN(delayMs), 'a delay is a number of milliseconds')
}
