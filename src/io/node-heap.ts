/**
 * How far this process's heap may grow before V8 looks for garbage, in all of it and in its young part.
 *
 * A broker keeps little in its heap, a dozen MiB, while hundreds of MiB a second of bytes come and go outside
 * it; V8 counts those against a limit that follows the size of the heap, and starts to mark anew as soon as it
 * has swept. With a heap of 12 MiB the limit is 27 MiB, and a loaded broker marked it three times a second.
 *
 * The young part is the reverse: what survives a while, a start or a turn over a long request, makes V8 double
 * it, up to 128 MiB, which the processor's caches do not hold, and it is seldom given back.
 */
import { constants, PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8'

/** A heap with less in use is small. */
export const smallHeapBytesMax = 48 * 1024 * 1024
/** To four times its size, which is the most that V8 gives a heap by itself, to one that grows fast. */
const smallGrowthPercent = 300
/** V8 chooses by how fast it collects, as it always does. */
const chosenByV8 = 0
/** Where the young part stops growing; it may double once more before that is seen. */
export const youngHeapBytesMax = 8 * 1024 * 1024

/** What may be added to a heap in which so much is in use, in percent; 0 leaves it to V8. */
export function growthPercentOf(usedBytes: number): number {
  return usedBytes < smallHeapBytesMax ? smallGrowthPercent : chosenByV8
}

/**
 * From now on a small heap may grow further before all of it is marked, a larger one is left to V8, and its
 * young part stays small.
 */
export function shapeHeap(): void {
  let isBounded = false
  let percent = chosenByV8
  const boundYoung = (): void => {
    if (isBounded || youngHeapBytes() < youngHeapBytesMax) return
    isBounded = true
    setFlagsFromString('--semi-space-growth-factor=1')
  }
  const adjust = (): void => {
    const wanted = growthPercentOf(getHeapStatistics().used_heap_size)
    if (wanted === percent) return
    percent = wanted
    setFlagsFromString(`--heap-growing-percent=${percent}`)
  }
  adjust()
  const observer = new PerformanceObserver((list) => {
    boundYoung()
    if (list.getEntries().some((entry) => kindOf(entry) === major)) adjust()
  })
  observer.observe({ entryTypes: ['gc'] })
}

const major = constants.NODE_PERFORMANCE_GC_MAJOR

function kindOf(entry: object): number | undefined {
  return (entry as { readonly detail?: { readonly kind?: number } }).detail?.kind
}

function youngHeapBytes(): number {
  return getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')?.space_size ?? 0
}
