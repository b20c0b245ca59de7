/** Numbers and names that a message or an enum has given up and keeps from being used again. */
import type { DescEnum, DescMessage } from '@bufbuild/protobuf'

export interface Reserved {
  hasNumber(number: number): boolean
  hasName(name: string): boolean
  /** Ranges of numbers, both ends in them. */
  readonly ranges: readonly (readonly [from: number, to: number])[]
  readonly names: readonly string[]
}

export function reservedIn(desc: DescMessage | DescEnum): Reserved {
  const names = desc.proto.reservedName
  // The end of an enum's range is in it, that of a message's is not.
  const past = desc.kind === 'message' ? 1 : 0
  const ranges = desc.proto.reservedRange.map(({ start, end }) => [start, end - past] as const)
  return {
    hasNumber: (number) => ranges.some(([from, to]) => from <= number && number <= to),
    hasName: (name) => names.includes(name),
    ranges,
    names,
  }
}

/** What was reserved, is so no more, and is not used instead: as in `7`, `10 to 12`, `"coupon"`. */
export function noLongerReserved(
  before: Reserved,
  after: Reserved,
  isUsed: {
    readonly number: (number: number) => boolean
    readonly name: (name: string) => boolean
  },
): readonly string[] {
  const ranges = before.ranges
    .filter(
      ([from, to]) => !isCovered(from, to, after.ranges) && !(from === to && isUsed.number(from)),
    )
    .map(([from, to]) => (from === to ? String(from) : `${from} to ${to}`))
  const names = before.names
    .filter((name) => !after.hasName(name) && !isUsed.name(name))
    .map((name) => JSON.stringify(name))
  return [...ranges, ...names]
}

/** Whether the ranges hold every number of one; a range may be as wide as all numbers are. */
function isCovered(from: number, to: number, ranges: Reserved['ranges']): boolean {
  let next = from
  for (const [start, end] of ranges.toSorted(([a], [b]) => a - b)) {
    if (start > next) break
    next = Math.max(next, end + 1)
  }
  return next > to
}
