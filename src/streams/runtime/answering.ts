/**
 * Whether an instance may answer queries, and what it knows of who else holds partitions.
 *
 * It answers while it runs what the group has given it, and no longer than it knows that to be so: what is lost is
 * not answered from the moment it is heard, however long the loop takes to drop it, nor is anything by who closes.
 */
import { planted } from '../../base/planted.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import type { GroupMember, Ownership } from '../../client/group/group-member.ts'
import { readPeers } from '../plan/peers.ts'
import type { Holders } from '../plan/peers.ts'
import type { Plan } from '../plan/plan.ts'
import type { Task } from '../task/task.ts'
import { PeerCounts } from '../views/peer-counts.ts'
import { openViews } from '../views/view-reader.ts'
import type { Surroundings, ViewReader } from '../views/view-reader.ts'
import { Feeds, openFeed } from './feed.ts'
import { progressOf } from './progress.ts'
import type { ServiceState } from './service-event.ts'
import type { Waiters } from './waiters.ts'

export interface AnsweringOptions {
  readonly cluster: Cluster
  readonly member: GroupMember
  readonly queryAddress: string | undefined
  /** Those who wait for the instance; they know why there can be no answer any more. */
  readonly waiters: Waiters
  /** Ends the loop's sleep. */
  readonly wake: () => void
  readonly now: () => InstanceNow
}

/** An instance at this moment. */
export interface InstanceNow {
  readonly state: ServiceState
  readonly isClosing: boolean
  /** What the group has given; undefined while it rebalances. */
  readonly held: Ownership | undefined
  /** Whether the tasks that run are those of what it holds, and not of what it held before. */
  readonly isOpen: boolean
}

/**
 * What an instance is doing, as far as it concerns who asks: it answers while it is `running`. Who gets
 * partitions anew is told so before it has dropped the tasks that it had.
 * @param isHeard whether the coordinator would not have let it go yet
 */
export function answeringState(now: InstanceNow, isHeard: (held: Ownership) => boolean): string {
  const { state, isClosing, held, isOpen } = now
  if (state !== 'running') return state
  if (isClosing) return 'closing'
  const isOwn = isOpen || planted.has('answer-by-old-tasks')
  return held !== undefined && isOwn && isHeard(held) ? state : 'restoring'
}

export class Answering {
  readonly #o: AnsweringOptions
  #told: { readonly by: Ownership; readonly holders: Holders } | undefined
  #hasToldAgain = false
  /** Questions at other instances. */
  readonly peers = new PeerCounts()

  constructor(options: AnsweringOptions) {
    this.#o = options
  }

  /** @param tasks those that run now */
  views(plan: Plan, tasks: () => Iterable<Task>): Readonly<Record<string, ViewReader>> {
    const gate = this.#o.waiters.gate(() => this.#state())
    const progress = progressOf({ ...this.#o, plan })
    const { cluster } = this.#o
    const feeds = new Feeds()
    return openViews(plan, {
      tasks,
      gate,
      around: () => this.#around(),
      progress,
      peers: this.peers,
      feed: (store, of, wish) => feeds.limited(openFeed({ cluster, store, of, gate }, wish)),
    })
  }

  /** Whether it answers now. */
  get isAnswering(): boolean {
    return this.#state() === 'running'
  }

  #state(): string {
    return answeringState(this.#o.now(), (held) => this.#o.member.isHeard(held))
  }

  /** While it runs. */
  #around(): Surroundings {
    const { cluster, queryAddress } = this.#o
    const held = this.#o.now().held!
    const cached = this.#told
    const { holders } = cached?.by === held ? cached : (this.#told = toldBy(held))
    const standing = { cluster: cluster.metadata.clusterId ?? '', generation: held.generation }
    return { standing, holders, queryAddress }
  }

  /**
   * Whether the group is to form anew, once, because it tells others another address than this instance has: a
   * static member that comes back is given what its predecessor had, and nobody hears of it (KIP-345).
   */
  mustTellAgain(ownership: Ownership): boolean {
    const [first] = ownership.partitions
    if (first === undefined || this.#hasToldAgain) return false
    const { holders } = toldBy(ownership)
    if (!holders.isTold && holders.why !== 'no-addresses') return false
    const told = holders.isTold ? holders.of(first)?.address : undefined
    this.#hasToldAgain = told !== this.#o.queryAddress
    return this.#hasToldAgain
  }
}

function toldBy(by: Ownership): { readonly by: Ownership; readonly holders: Holders } {
  return { by, holders: readPeers(by.userData).holders }
}
