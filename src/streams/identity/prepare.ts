/**
 * The check before a service runs: stores and sources are what they were, or the service does not start.
 * A running instance goes on watching them (`KnownTopics`).
 */
import { HeadwaterError } from '../../base/errors.ts'
import { planted } from '../../base/planted.ts'
import { backoffMs, sleep } from '../../client/cluster/backoff.ts'
import { alterGroupOffsets } from '../../client/admin.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import type { Plan } from '../plan/plan.ts'
import { ensureTopics } from '../plan/topics.ts'
import { decide } from './decide.ts'
import { identityTopic } from './identity.ts'
import { KnownTopics } from './known-topics.ts'
import { writeIdentities } from './identity-topic.ts'
import { lookAround } from './situation.ts'
import type { Situation } from './situation.ts'
import { policiesDefault } from './verdict.ts'
import type { Policies, Verdicts } from './verdict.ts'

/** Looks until nothing changes: each of several instances that start at once may change something once. */
const looksMax = 8

/**
 * Makes a service's topics, compares its identities and writes those that are missing. To be awaited
 * before the group is joined. Throws `state-mismatch`, with nothing read or processed, when a store
 * or a source is refused.
 */
export async function prepareStores(
  cluster: Cluster,
  plan: Plan,
  policies: Partial<Policies>,
): Promise<KnownTopics> {
  await ensureTopics(cluster, plan.topics)
  const { service } = plan.topology
  for (let look = 1; ; look++) {
    const situation = await lookAround(cluster, plan)
    const verdicts = decide(plan, situation, { ...policiesDefault, ...policies })
    const refusal = planted.has('ignore-store-identity') ? undefined : refusalOf(verdicts)
    const isComplete = plan.topics.every(({ name }) => situation.topics.has(name))
    if (look === looksMax && !isComplete) throw unseen(plan, situation)
    if (isComplete && refusal === undefined && verdicts.changes.length === 0) {
      return new KnownTopics(plan, situation)
    }
    // Another instance may have begun between two of the questions: only a second look refuses.
    if (isComplete && refusal !== undefined && look > 1) throw refusal
    if (isComplete && refusal === undefined) {
      await restart(cluster, service, verdicts, situation)
      await writeIdentities(cluster, service, situation, verdicts.changes)
    } else {
      await sleep(cluster.clock, backoffMs(look, cluster.random))
    }
  }
}

/** The error that says everything that is refused; undefined when nothing is. */
function refusalOf({ service, stores, sources }: Verdicts): HeadwaterError | undefined {
  const texts = [
    ...sources
      .filter(isRefused)
      .map(({ topic, why, fixes }) => text(`topic '${topic}'`, why, fixes)),
    ...stores
      .filter(isRefused)
      .map(({ store, why, fixes }) => text(`store '${store}'`, why, fixes)),
  ]
  if (texts.length === 0) return undefined
  const rest = texts.length === 1 ? '' : `. Beside it: ${texts.slice(1).join('. ')}`
  return new HeadwaterError('state-mismatch', `service '${service}': ${texts[0]}${rest}`)
}

function isRefused({ outcome }: { readonly outcome: string }): boolean {
  return outcome === 'refused'
}

function text(what: string, why: string, fixes: readonly string[]): string {
  return `${what} ${why}: ${fixes.join(', ')}`
}

/** Sets the group's offsets in topics that were made anew to their beginnings. */
async function restart(
  cluster: Cluster,
  service: string,
  { sources }: Verdicts,
  { topics, members }: Situation,
): Promise<void> {
  const restarted = sources.filter(({ outcome }) => outcome === 'restarted')
  if (restarted.length === 0) return
  if (members.length > 0) {
    throw new HeadwaterError(
      'state-mismatch',
      `service '${service}': topic '${restarted[0]!.topic}' was made anew while instances run: ` +
        `stop ${members.join(', ')} first`,
    )
  }
  const places = restarted.flatMap(({ topic }) =>
    topics.get(topic)!.partitions.map((_, partition) => ({ topic, partition, offset: 0 })),
  )
  await alterGroupOffsets(cluster, service, places)
}

function unseen({ topology: { service }, topics }: Plan, situation: Situation): HeadwaterError {
  const missing = topics.find(({ name }) => !situation.topics.has(name))
  return new HeadwaterError(
    'timeout',
    `topic '${missing?.name ?? identityTopic(service)}' of service '${service}' was made, but the ` +
      'cluster does not show it yet: start again',
    { retriable: true },
  )
}
