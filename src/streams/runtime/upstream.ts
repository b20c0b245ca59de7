/** Which of several topologies feeds which: the order in which to wait for them. */
import type { Topology } from '../topology/topology.ts'

/**
 * Positions of topologies so that each comes after those that write what it reads, as far as they do not
 * feed each other in a circle; whether some do.
 */
export function upstreamFirst(topologies: readonly Topology[]): {
  readonly order: readonly number[]
  readonly isCircular: boolean
} {
  const order: number[] = []
  const begun = new Set<number>()
  let isCircular = false
  const visit = (at: number): void => {
    if (begun.has(at)) {
      isCircular ||= !order.includes(at)
      return
    }
    begun.add(at)
    const reads = streamsOf(topologies[at]!, ['source', 'table'])
    for (const [i, other] of topologies.entries()) {
      if (streamsOf(other, ['to', 'input', 'decide']).some((stream) => reads.includes(stream)))
        visit(i)
    }
    order.push(at)
  }
  for (const at of topologies.keys()) visit(at)
  return { order, isCircular }
}

function streamsOf({ nodes }: Topology, kinds: readonly string[]): string[] {
  return nodes.flatMap((node) => {
    if (!kinds.includes(node.kind)) return []
    if (node.kind === 'decide') return [node.events.name]
    return 'event' in node ? [node.event.name] : []
  })
}
