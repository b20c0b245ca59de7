/** Where the event time of a part of a topology comes from, and who needs to know it. */
import type { RekeyNode, Topology, TopologyNode } from '../topology/topology.ts'

/** What the records come from that reach a node, without what a join looks up. */
export interface TimeSources {
  /** Rekeys whose inner topics they come out of. */
  readonly rekeys: readonly RekeyNode[]
  /** Streams outside the service from which some come straight. */
  readonly outside: readonly string[]
}

export function timeSources({ nodes }: Topology, of: TopologyNode): TimeSources {
  const rekeys: RekeyNode[] = []
  const outside = new Set<string>()
  const visit = (id: number): void => {
    const node = nodes[id]!
    if (node.kind === 'rekey') rekeys.push(node)
    else if (node.kind === 'source' || node.kind === 'table') outside.add(node.event.name)
    else for (const before of flowsFrom(node)) visit(before)
  }
  for (const before of flowsFrom(of)) visit(before)
  return { rekeys: [...new Set(rekeys)], outside: [...outside] }
}

function flowsFrom(node: TopologyNode): readonly number[] {
  if (node.kind === 'merge') return node.from
  return 'from' in node ? [node.from] : []
}

/** Rekeys behind which windows are counted. */
export function timedRekeys(topology: Topology): ReadonlySet<number> {
  const timed = new Set<number>()
  const add = (node: TopologyNode): void => {
    for (const rekey of timeSources(topology, node).rekeys) {
      if (timed.has(rekey.id)) continue
      timed.add(rekey.id)
      add(rekey)
    }
  }
  for (const node of topology.nodes) {
    if (node.kind === 'aggregate' && node.window !== undefined) add(node)
  }
  return timed
}

/** Nodes whose progress in event time is kept: windows, and rekeys that lead to some. */
export function timedNodes(topology: Topology): readonly TopologyNode[] {
  const rekeys = timedRekeys(topology)
  return topology.nodes.filter((node) => {
    return rekeys.has(node.id) || (node.kind === 'aggregate' && node.window !== undefined)
  })
}
