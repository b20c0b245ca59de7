/** What versions of a stream's message owe each other, as its contract says: `compatibility` of its option. */
import { getOption } from '@bufbuild/protobuf'
import type { DescMessage } from '@bufbuild/protobuf'
import { Compatibility, stream as streamOption } from '../schema/gen/headwater/v1/options_pb.ts'
import { directions } from './change.ts'
import type { Direction } from './change.ts'

/** As schema registries name them. */
export type CompatibilityLevel = Exclude<keyof typeof Compatibility, 'UNSPECIFIED'>

/** Of a stream that says none: its events are kept for ever, and its services are replaced one by one. */
const unspecified: CompatibilityLevel = 'FULL_TRANSITIVE'

export function levelOf(message: DescMessage): CompatibilityLevel {
  const { compatibility } = getOption(message, streamOption)
  if (compatibility === Compatibility.UNSPECIFIED) return unspecified
  const [name] = Object.entries(Compatibility).find(([, number]) => number === compatibility)!
  return name as CompatibilityLevel
}

/** In which directions two versions have to understand each other. */
export function directionsOf(level: CompatibilityLevel): readonly Direction[] {
  if (level === 'NONE') return []
  return directions.filter((direction) => level.startsWith('FULL') || isOf(level, direction))
}

function isOf(level: CompatibilityLevel, direction: Direction): boolean {
  return level.toLowerCase().startsWith(direction)
}

/** Whether all versions there were count, not the last alone. */
export function isTransitive(level: CompatibilityLevel): boolean {
  return level.endsWith('TRANSITIVE')
}

/** Whether `after` holds versions to less than `before`. */
export function isWeaker(before: CompatibilityLevel, after: CompatibilityLevel): boolean {
  const kept = directionsOf(after)
  const isLost = directionsOf(before).some((direction) => !kept.includes(direction))
  return isLost || (isTransitive(before) && !isTransitive(after))
}
