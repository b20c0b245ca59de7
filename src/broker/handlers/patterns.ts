/**
 * Patterns of clients (RE2's, as in Kafka). JavaScript's own engine goes back and tries again, so that one
 * short pattern can hold it up for hours; RE2 takes time in proportion to the text, whatever the pattern.
 */
import type { Steps } from '../../base/steps.ts'
import type { BrokerConfig } from '../config.ts'

/** The work of looking at so many characters counts as one item of a request. */
const charactersAnItem = 64

export interface Pattern {
  /** Whether it is the whole text. */
  matches(text: string): boolean
}

/**
 * Undefined when it is none, is longer than `patternLengthMax` or takes more than `patternInstructionsMax`:
 * `.{0,490}x` takes 983. The engine is loaded when the first pattern comes.
 */
export async function patternOf(
  text: string,
  bounds: Pick<BrokerConfig, 'patternLengthMax' | 'patternInstructionsMax'>,
): Promise<Pattern | undefined> {
  if (text.length > bounds.patternLengthMax) return undefined
  const { RE2JS } = await import('re2js')
  try {
    const compiled = RE2JS.compile(text)
    return compiled.programSize() > bounds.patternInstructionsMax ? undefined : compiled
  } catch {
    return undefined
  }
}

/** Those of `all` whose `textOf` the pattern matches, in turns. */
export function* matching<T>(
  all: readonly T[],
  pattern: Pattern,
  textOf: (each: T) => string,
): Steps<T[]> {
  const found: T[] = []
  for (const each of all) {
    const text = textOf(each)
    if (pattern.matches(text)) found.push(each)
    yield 1 + Math.floor(text.length / charactersAnItem)
  }
  return found
}
