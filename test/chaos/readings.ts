/** What is read of the meters, from a seed, and plain loops over it that say what must come out. */
import { drawInteger, seededDraw } from '../../src/testing/seed.ts'

export const windowMs = 10_000
const meters = 40
const districts = 12
const stepMs = 100
const firstAt = Date.UTC(2024, 0, 1)

export interface Reading {
  readonly meter: string
  readonly id: string
  readonly district: string
  readonly amount: number
  /** Milliseconds since 1970. */
  readonly readAt: number
}

/** Reading number `n` of a source: the same in whatever process it is asked for. */
export function makeReading(seed: number, source: 'reading' | 'entry', n: number): Reading {
  const draw = seededDraw(seed * 1_000_003 + n * 2 + (source === 'entry' ? 1 : 0))
  return {
    meter: `m${drawInteger(draw, 1, meters)}`,
    id: `${source}-${n}`,
    district: `d${drawInteger(draw, 1, districts)}`,
    amount: drawInteger(draw, 1, 100),
    readAt: firstAt + n * stepMs,
  }
}

export function makeReadings(
  seed: number,
  source: 'reading' | 'entry',
  from: number,
  to: number,
): Reading[] {
  return Array.from({ length: to - from }, (_, i) => makeReading(seed, source, from + i))
}

/** By meter: how many readings it had. */
export function countsOf(readings: readonly Reading[]): Map<string, string> {
  const counts = new Map<string, number>()
  for (const { meter } of readings) counts.set(meter, (counts.get(meter) ?? 0) + 1)
  return new Map([...counts].map(([meter, count]) => [meter, `${count} readings`]))
}

/** By district and window: how many readings there were, and their sum. */
export function sumsOf(readings: readonly Reading[]): Map<string, string> {
  const sums = new Map<string, { count: number; amount: number }>()
  for (const { district, readAt, amount } of readings) {
    const id = `${district}@${Math.floor(readAt / windowMs) * windowMs}`
    const sum = sums.get(id) ?? { count: 0, amount: 0 }
    sums.set(id, { count: sum.count + 1, amount: sum.amount + amount })
  }
  return new Map(
    [...sums].map(([id, { count, amount }]) => [id, `${count} readings of ${amount} in all`]),
  )
}
