/** Whether a change may be made: what a stream's readers were promised, held against what changed. */
import { directions } from './change.ts'
import type { Change, Direction } from './change.ts'
import { directionsOf } from './level.ts'
import type { CompatibilityLevel } from './level.ts'

/** What is judged: bytes always, the others where somebody asks for them. */
export type Axis = 'wire' | 'json' | 'source'

/** Why a change is refused; nothing where it is not. */
export interface Refusal {
  readonly axis: Axis
  /** Whose reading breaks; both of `source`. */
  readonly directions: readonly Direction[]
}

/** @param axes besides the bytes */
export function refusalsOf(
  change: Change,
  level: CompatibilityLevel,
  axes: readonly Axis[] = [],
): readonly Refusal[] {
  const promised = directionsOf(level)
  const broken = (axis: 'wire' | 'json'): Refusal[] => {
    const found = promised.filter((direction) => change[axis][direction] === 'breaks')
    return found.length === 0 ? [] : [{ axis, directions: found }]
  }
  const wire = broken('wire')
  const json = axes.includes('json') ? broken('json') : []
  const isSource = axes.includes('source') && change.source === 'breaks' && level !== 'NONE'
  return [...wire, ...json, ...(isSource ? [{ axis: 'source' as const, directions }] : [])]
}
