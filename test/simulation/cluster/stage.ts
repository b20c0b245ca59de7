/** What every client of a simulation has: the world, the ledger, and a way to a broker that comes and goes. */
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import type { Clock } from '../../../src/io/ports.ts'
import type { SimProcess, World } from '../../../src/testing/world.ts'
import type { Ledger } from './ledger.ts'
import { brokerAddress } from './machine.ts'

const retryMs = 50
/** Two clocks that are so wrong differ by the hour that a record may be ahead of its broker. */
export const wallAheadMsMax = 1_800_000

export interface Stage {
  readonly world: World
  readonly ledger: Ledger
  /** Connections break while the broker lives, so that requests may arrive after those sent later. */
  readonly isDisturbed: boolean
  /** Readers that have no end of their own stop when this is set. */
  isOver: boolean
  /** When the broker began that runs, or ran last. */
  readonly brokerBeganMs: () => number
  /** Facts that were written, for whoever checks a group at the end. */
  factsWritten: number
  /** Deposits that were accepted, each with its place; undefined where nobody asked for any. */
  accepted: ReadonlyMap<string, string> | undefined
}

/** Connects from a process, as often as it takes. */
export function connect(process: SimProcess): Promise<Cluster> {
  return persist(process.clock, () =>
    Cluster.connect({
      bootstrap: [brokerAddress],
      dial: (host, port) => process.network.connect(host, port),
      clock: process.clock,
      random: process.random,
      clientId: process.name,
      requestTimeoutMs: 5000,
    }),
  )
}

/** Tries until it is done: brokers are away, and disks are full, for longer than a client tries by itself. */
export async function persist<T>(clock: Clock, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isHeadwaterError(error) || !error.retriable) throw error
      await sleep(clock, retryMs)
    }
  }
}

/** Swallows an operating error: the caller starts over whatever it was. */
export async function attempt(work: Promise<unknown>): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    if (!isHeadwaterError(error)) throw error
    return false
  }
}
