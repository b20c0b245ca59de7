/** What a request of many items is, and the ways in which partitions are named in one. */
import type { ApiName } from '../../../../src/protocol/api.ts'
import { each, type SmallWorld } from './small-world.ts'

export interface ManyItems {
  readonly api: ApiName
  readonly what: string
  readonly send: (world: SmallWorld) => Promise<unknown>
}

export function many(api: ApiName, what: string, send: ManyItems['send']): ManyItems {
  return { api, what, send }
}

/** Where an item takes little work it takes more of them for a square to show. */
export function more(api: ApiName, what: string, send: ManyItems['send']): ManyItems {
  return many(api, what, (world) => send({ ...world, n: world.n * 4 }))
}

/** Indexes of partitions: all of a topic's, or one of them as often. */
const ways = { 'all partitions': (i: number) => i, 'one partition again and again': () => 0 }
export const eachWay = Object.entries(ways)

export function commits(n: number, index: (i: number) => number) {
  return each(n, (i) => ({
    partitionIndex: index(i),
    committedOffset: 1,
    committedMetadata: '',
  }))
}
