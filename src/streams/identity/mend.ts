/**
 * What `headwater dev` does for a service whose stores are not what they were: it takes the way out that is safe,
 * where `run` names it and refuses, because what lies there is the developer's own.
 *
 * A store is folded anew from its streams: nothing goes out a second time. Where that cannot be, a service that
 * writes no stream and calls nothing outside is begun anew, which nobody but its own tables can tell. Any other
 * would send once more what others have counted: it is refused as it is anywhere.
 */
import { isHeadwaterError } from '../../base/errors.ts'
import type { HeadwaterError } from '../../base/errors.ts'
import { sleep } from '../../client/cluster/backoff.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import type { Plan } from '../plan/plan.ts'
import type { SourceVerdict, StoreVerdict, Verdicts } from './verdict.ts'
import { planRebuild, planService, rebuildStore, resetService } from './ways-out.ts'

const pollMs = 200
/** Operators of which others know what they have done. */
const reachOut: ReadonlySet<string> = new Set(['to', 'input', 'async', 'decide'])
/** Looks before a store is given up: of instances that start at once each may find another at work on it. */
const looksMax = 5

export interface Mending {
  /** Where to say what is done. */
  readonly tell: (line: string) => void
  /** How long members of the group are waited for: one that was killed is missed when its session is over. */
  readonly membersMs: number
  /** Gives up between two steps, by throwing its reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Puts right what can be, and tells what became of each store, where one is refused or dropped. What it leaves
 * is refused by whoever looks next.
 */
export async function mendStores(cluster: Cluster, plan: Plan, mending: Mending): Promise<void> {
  const { tell, signal } = mending
  const rebuilt = new Map<string, string>()
  for (let look = 1; ; look++) {
    signal?.throwIfAborted()
    const verdicts = await verdictsWithoutMembers(cluster, plan, mending)
    if (verdicts === undefined) return
    const lost = verdicts.sources.find(isOfService)
    if (lost !== undefined) {
      return beginAnew(cluster, plan, `topic '${lost.topic}' ${lost.why}`, tell)
    }
    const refused = verdicts.stores.filter(isRefused)
    if (refused.length === 0) return tellAll(plan, verdicts, rebuilt, tell)
    for (const { store, why } of refused) {
      const done = await rebuild(cluster, plan, store)
      if (typeof done === 'string') rebuilt.set(store, `${why}; ${done}`)
      else if (look >= looksMax) return beginAnew(cluster, plan, done.message, tell)
    }
    await sleep(cluster.clock, pollMs)
  }
}

function isRefused({ outcome }: { readonly outcome: string }): boolean {
  return outcome === 'refused'
}

/** Whether a topic is refused for what only a new beginning of the service puts right. */
function isOfService(source: SourceVerdict): boolean {
  return isRefused(source) && source.fixes.some((fix) => fix.includes('headwater reset'))
}

/** Undefined when some stay: they are refused by whoever asks next. */
async function verdictsWithoutMembers(
  cluster: Cluster,
  plan: Plan,
  { tell, membersMs, signal }: Mending,
): Promise<Verdicts | undefined> {
  const { service } = plan.topology
  const { clock } = cluster
  const until = clock.monotonic() + membersMs
  for (let isTold = false; ; isTold = true) {
    signal?.throwIfAborted()
    const { verdicts, situation } = await planService(cluster, plan)
    const isFine = ![...verdicts.stores, ...verdicts.sources].some(isRefused)
    if (isFine || situation.members.length === 0) return verdicts
    if (clock.monotonic() >= until) return undefined
    if (!isTold)
      tell(`service '${service}': waiting until its group misses ${situation.members.join(', ')}`)
    await sleep(clock, pollMs)
  }
}

/** What was done, or why it cannot be. */
async function rebuild(
  cluster: Cluster,
  plan: Plan,
  store: string,
): Promise<string | HeadwaterError> {
  try {
    const { ranges, incomplete } = await planRebuild(cluster, plan, store)
    const { records } = await rebuildStore(cluster, plan, store)
    const topics = [...new Set(ranges.map(({ topic }) => `'${topic}'`))].join(', ')
    const lost = incomplete.map((topic) => `, of which '${topic}' may have lost some by now`)
    const count = records === 1 ? 'one record' : `${records} records`
    return `folded anew from ${count} of ${topics}${lost.join('')}`
  } catch (error) {
    if (isHeadwaterError(error, 'state-mismatch')) return error
    throw error
  }
}

async function beginAnew(
  cluster: Cluster,
  plan: Plan,
  why: string,
  tell: (line: string) => void,
): Promise<void> {
  const { service, nodes } = plan.topology
  const isKnown = nodes.some(({ kind }) => reachOut.has(kind))
  if (isKnown) {
    tell(
      `service '${service}': ${why}. It is not begun anew by itself, as it would write, read or call a second ` +
        'time what others know already: undo the change, or stop `headwater dev`, delete its data and begin ' +
        'with nothing',
    )
    return
  }
  const { topics } = await resetService(cluster, plan)
  tell(`service '${service}': ${why}; so it begins anew: dropped are ${topics.join(', ')}`)
}

function tellAll(
  plan: Plan,
  { stores, changes }: Verdicts,
  rebuilt: ReadonlyMap<string, string>,
  tell: (line: string) => void,
): void {
  // One that was dropped at an earlier start is told no more.
  const changed = new Set(changes.map(({ key }) => key))
  const isNews = stores.some(({ store, outcome }) => outcome === 'dropped' && changed.has(store))
  if (rebuilt.size === 0 && !isNews) return
  tell(`service '${plan.topology.service}' has other stores than when it ran last:`)
  for (const each of stores) tell(`  ${lineOf(each, rebuilt)}`)
}

function lineOf(
  { store, outcome, why }: StoreVerdict,
  rebuilt: ReadonlyMap<string, string>,
): string {
  const anew = rebuilt.get(store)
  if (anew !== undefined) return `rebuilt  ${store}: ${anew}`
  return `${outcome.padEnd(8)} ${store}: ${why}`
}
