/** Which fault comes when: a matter of the seed. What it hits is one of time, too. */
import { drawInteger, seededDraw } from '../../src/testing/seed.ts'
import type { FaultName } from './faults.ts'
import { makeFault } from './faults.ts'
import type { Fleet } from './fleet.ts'
import type { FaultSpan } from './stalls.ts'

const atOnceMax = 3

/**
 * Does harm for `ms`; resolves when every fault has given back what it took.
 * @param spans gets each fault when it begins
 */
export async function harm(
  fleet: Fleet,
  o: { readonly seed: number; readonly names: readonly FaultName[]; readonly ms: number },
  spans: FaultSpan[],
): Promise<void> {
  const running = new Set<Promise<void>>()
  const failures: unknown[] = []
  const endsAt = performance.now() + o.ms
  const timer = setTimeout(() => fleet.endHarm(), o.ms)
  for (let turn = 0; performance.now() < endsAt; turn++) {
    // Each turn draws from a stream of its own, so that a fault is the same however long others took.
    const draw = seededDraw(o.seed * 7_919 + turn)
    await fleet.pause(drawInteger(draw, 300, 2_500))
    if (performance.now() >= endsAt || running.size >= atOnceMax) continue
    const name = o.names[drawInteger(draw, 0, o.names.length - 1)]!
    const fault = makeFault(name, fleet, draw)
    if (fault === undefined) continue
    const span = { name, from: fleet.chronicle.ms, to: Infinity }
    spans.push(span)
    const done = fault()
      .catch((error: unknown) => void failures.push(error))
      .finally(() => {
        span.to = fleet.chronicle.ms
        running.delete(done)
      })
    running.add(done)
  }
  clearTimeout(timer)
  await Promise.all(running)
  if (failures.length > 0) throw failures[0]
}
