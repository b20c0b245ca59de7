/** The flights there are, and the seats that each of them has. */

export const flights: readonly string[] = ['HW101', 'HW204', 'HW310', 'HW415', 'HW522', 'HW688']

export const rows = 8
/** From window to window; the aisle is in the middle. */
export const letters: readonly string[] = ['A', 'B', 'C', 'D']

/** From the front on. */
export const seats: readonly string[] = Array.from({ length: rows }, (_, row) =>
  letters.map((letter) => `${row + 1}${letter}`),
).flat()

/** Who sits where: passengers by seat. */
export type Taken = Record<string, string>

/** Undefined when there is none. */
export function firstFree(taken: Taken): string | undefined {
  return seats.find((seat) => taken[seat] === undefined)
}

export function countFree(taken: Taken): number {
  return seats.length - Object.keys(taken).length
}
