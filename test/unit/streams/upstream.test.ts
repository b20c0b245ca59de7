import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AnyEvent } from '../../../src/events/event.ts'
import { upstreamFirst } from '../../../src/streams/runtime/upstream.ts'
import type { Topology, TopologyNode } from '../../../src/streams/topology/topology.ts'

describe('waiting for several services', () => {
  it('begins where events come in', () => {
    const board = topology({ reads: ['flights', 'days'] })
    const days = topology({ reads: ['flights'], writes: ['days'] })
    const flights = topology({ writes: ['flights'] })
    assert.deepEqual(upstreamFirst([board, days, flights]), {
      order: [2, 1, 0],
      isCircular: false,
    })
  })

  it('begins anywhere in a circle, and says that there is one', () => {
    const there = topology({ reads: ['back'], writes: ['there'] })
    const back = topology({ reads: ['there'], writes: ['back'] })
    assert.deepEqual(upstreamFirst([there, back]), { order: [1, 0], isCircular: true })
    const alone = topology({ reads: ['own'], writes: ['own'] })
    assert.deepEqual(upstreamFirst([alone]), { order: [0], isCircular: true })
  })

  it('takes two ways to one service for no circle', () => {
    const top = topology({ writes: ['a'] })
    const left = topology({ reads: ['a'], writes: ['b'] })
    const right = topology({ reads: ['a'], writes: ['c'] })
    const end = topology({ reads: ['b', 'c'] })
    assert.deepEqual(upstreamFirst([end, left, right, top]), {
      order: [3, 1, 2, 0],
      isCircular: false,
    })
  })
})

function topology(o: { readonly reads?: string[]; readonly writes?: string[] }): Topology {
  const node = (kind: string) => (name: string) =>
    ({ kind, event: { name } as AnyEvent }) as TopologyNode
  const nodes = [...(o.reads ?? []).map(node('source')), ...(o.writes ?? []).map(node('to'))]
  return { service: 'any', nodes, views: {} }
}
