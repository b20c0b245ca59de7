/** The part of a topology that leads to one store, and nothing that leaves it. Pure. */
import { upstreamOf } from '../topology/graph.ts'
import type { Topology, TopologyNode } from '../topology/topology.ts'

/** The nodes that node `store` takes records or rows from, itself included, as a topology of their own. */
export function leadingTo({ service, nodes, views }: Topology, store: number): Topology {
  const kept = new Set<number>()
  const keep = (id: number): void => {
    if (kept.has(id)) return
    kept.add(id)
    for (const from of upstreamOf(nodes[id]!)) keep(from)
  }
  keep(store)
  const ids = new Map([...kept].toSorted((a, b) => a - b).map((id, at) => [id, at]))
  return {
    service,
    nodes: [...ids.keys()].map((id) => renumbered(nodes[id]!, ids)),
    views: Object.fromEntries(
      Object.entries(views).flatMap(([name, id]) => (ids.has(id) ? [[name, ids.get(id)!]] : [])),
    ),
  }
}

function renumbered(node: TopologyNode, ids: ReadonlyMap<number, number>): TopologyNode {
  const id = ids.get(node.id)!
  const at = (from: number): number => ids.get(from)!
  if (node.kind === 'merge') return { ...node, id, from: [at(node.from[0]), at(node.from[1])] }
  if (node.kind === 'join') return { ...node, id, from: at(node.from), table: at(node.table) }
  return 'from' in node ? { ...node, id, from: at(node.from) } : { ...node, id }
}
