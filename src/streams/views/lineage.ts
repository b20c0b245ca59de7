/**
 * Which topics the rows of a view are made of, and by which way: those that its own tasks read come last; behind
 * a rekey, or a stream that the service writes and reads itself, lie topics that other tasks read first.
 */
import { repartitionTopic } from '../plan/plan.ts'
import type { Plan } from '../plan/plan.ts'
import { upstreamOf } from '../topology/graph.ts'

/** A topic on the way to a view. */
export interface Step {
  readonly topic: string
  readonly partitions: number
  /** Whether tasks that hold the view read it. */
  readonly isLast: boolean
  /** Topics that are written from it and are on the way, too. */
  readonly next: readonly string[]
}

/** By topic. */
export type Lineage = ReadonlyMap<string, Step>

interface OpenStep extends Step {
  isLast: boolean
  readonly next: string[]
}

/** @param view the node of the view */
export function lineageOf({ topology: { service, nodes } }: Plan, view: number): Lineage {
  const steps = new Map<string, OpenStep>()
  const follow = (id: number, into: string | undefined): void => {
    const node = nodes[id]!
    const enter = (topic: string, partitions: number, writers: readonly number[]): void => {
      const known = steps.get(topic)
      const step = known ?? { topic, partitions, isLast: false, next: [] }
      steps.set(topic, step)
      if (into === undefined) step.isLast = true
      else if (!step.next.includes(into)) step.next.push(into)
      if (known === undefined) for (const from of writers) follow(from, topic)
    }
    if (node.kind === 'source' || node.kind === 'table') {
      const { name, partitions } = node.event
      const writers = nodes.flatMap((each) => {
        return each.kind === 'to' && each.event.name === name ? [each.from] : []
      })
      enter(name, partitions, writers)
    } else if (node.kind === 'rekey') {
      enter(repartitionTopic(service, node), node.keyspace.partitions, [node.from])
    } else for (const from of upstreamOf(node)) follow(from, into)
  }
  follow(view, undefined)
  return steps
}
