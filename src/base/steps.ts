/**
 * Work that may be left in the middle and taken up again: a generator that yields how many items it has
 * done since it yielded last. It says where it may be left; whoever runs it decides whether it is.
 */
export type Steps<T> = Generator<number, T, void>

/** Does all of it now. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** `texts` in their order: sorted in runs, which are merged two by two. */
export function* sorted(texts: readonly string[]): Steps<readonly string[]> {
  let runs: (readonly string[])[] = []
  for (let from = 0; from < texts.length; from += runLength) {
    runs.push(texts.slice(from, from + runLength).toSorted())
    yield runLength
  }
  while (runs.length > 1) {
    const merged: (readonly string[])[] = []
    for (let i = 0; i < runs.length; i += 2) {
      const next = runs[i + 1]
      merged.push(next === undefined ? runs[i]! : yield* merge(runs[i]!, next))
    }
    runs = merged
  }
  return runs[0] ?? []
}

const runLength = 256

function* merge(one: readonly string[], other: readonly string[]): Steps<readonly string[]> {
  const merged: string[] = []
  let i = 0
  let j = 0
  while (i < one.length || j < other.length) {
    const isOfOne = j === other.length || (i < one.length && one[i]! <= other[j]!)
    merged.push(isOfOne ? one[i++]! : other[j++]!)
    if (merged.length % runLength === 0) yield runLength / 4
  }
  return merged
}

export function isSteps(value: unknown): value is Steps<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value && 'next' in value
}
