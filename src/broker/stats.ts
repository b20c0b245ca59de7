/** What a broker can say about itself when it is asked: read there and then, so that nothing is kept for it. */
import type { BrokerParts } from './handlers/context.ts'
import type { MemoryPool } from './memory.ts'
import type { Connections } from './server/connections.ts'
import type { Traffic } from './server/traffic.ts'

/** Counts are since the broker was opened. */
export interface BrokerStats {
  readonly connections: {
    readonly open: number
    readonly accepted: number
    /** Closed by the broker for a fault of the client's, or not taken. */
    readonly refused: number
    /** Closed by the broker because nothing was asked for. */
    readonly idle: number
  }
  /** By API. */
  readonly requests: ReadonlyMap<string, number>
  readonly receivedBytes: number
  readonly sentBytes: number
  readonly topics: number
  readonly partitions: number
  /** Bytes of records in all partitions, on disk or on their way there. */
  readonly logBytes: number
  /** Bytes accepted that are not in segment files yet. */
  readonly unwrittenBytes: number
  /** What requests and answers hold, and may hold. */
  readonly memory: { readonly requests: MemoryUse; readonly answers: MemoryUse }
  /** Consumer groups by their state, and their members. */
  readonly groups: ReadonlyMap<string, number>
  readonly groupMembers: number
  /** Transactions that are neither committed nor aborted. */
  readonly openTransactions: number
  /** Records, commits and topics are refused until there is room. */
  readonly isDiskFull: boolean
  /** The system has no descriptors left: no connections are taken. */
  readonly isShortOfDescriptors: boolean
}

interface MemoryUse {
  readonly bytes: number
  readonly bytesMax: number
}

export interface StatsSources {
  readonly parts: BrokerParts
  readonly connections: Connections
  readonly traffic: Traffic
  readonly memory: { readonly requests: MemoryPool; readonly answers: MemoryPool }
  readonly isShortOfDescriptors: boolean
}

export function statsOf({ parts, connections, traffic, memory, ...o }: StatsSources): BrokerStats {
  const { catalog, groups, transactions, store } = parts
  const partitions = [...catalog.topics()].flatMap((topic) => topic.partitions)
  const all = [...groups.state.groups.values()]
  const open = [...transactions.state.transactions.values()].filter(({ state }) => {
    return state === 'Ongoing'
  })
  return {
    connections: { open: connections.size, ...connections.counts },
    requests: traffic.requests(),
    receivedBytes: traffic.receivedBytes,
    sentBytes: traffic.sentBytes,
    topics: [...catalog.topics()].length,
    partitions: partitions.length,
    logBytes: partitions.reduce((bytes, { log }) => bytes + log.sizeBytes, 0),
    unwrittenBytes: store.backlogBytes,
    memory: { requests: useOf(memory.requests), answers: useOf(memory.answers) },
    groups: countBy(all.map(({ state }) => state)),
    groupMembers: all.reduce((count, { members }) => count + members.size, 0),
    openTransactions: open.length,
    isDiskFull: store.full !== undefined,
    isShortOfDescriptors: o.isShortOfDescriptors,
  }
}

function useOf({ usedBytes, bytesMax }: MemoryPool): MemoryUse {
  return { bytes: usedBytes, bytesMax }
}

function countBy(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}
