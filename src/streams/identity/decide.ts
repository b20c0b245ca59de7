/**
 * What becomes of a service's stores and of the topics it reads, before anything is processed. Pure.
 *
 * Several versions of a service may run side by side in one group. So what this version does not know
 * stays as it is, with one exception: a store of another version that reads what this version reads is
 * marked as left, because records that this version processes are missing in it from then on.
 *
 * Where nothing is left of what identities speak of (no offset, no row, nothing on its way, because somebody
 * deleted the group and its topics by hand), the service begins anew instead of being refused.
 */
import type { Plan, SubTopology } from '../plan/plan.ts'
import { topicProblem } from '../plan/topics.ts'
import { aggregatesOf, sourceKey } from './identity.ts'
import type { IdentityChange, SourceIdentity, StoreIdentity } from './identity.ts'
import { decideStore, isReplaced, listed, processedOf } from './decide-store.ts'
import { partitionsProblem, readTopics } from './read-topics.ts'
import type { ReadTopic } from './read-topics.ts'
import type { Situation } from './situation.ts'
import type { Policies, SourceVerdict, StoreVerdict, Verdicts } from './verdict.ts'

export function decide(plan: Plan, situation: Situation, policies: Policies): Verdicts {
  const verdicts = decideByIdentities(plan, situation, policies)
  const isRefused = [...verdicts.stores, ...verdicts.sources].some(
    ({ outcome }) => outcome === 'refused',
  )
  if (!isRefused || !isForgotten(situation)) return verdicts
  const anew = { ...situation, stores: new Map(), sources: new Map() }
  return decideByIdentities(plan, anew, policies)
}

/** Whether nothing is left that a new beginning could be added to. */
function isForgotten({ stores, sources, topics, offsets, rows }: Situation): boolean {
  if (stores.size + sources.size === 0 || offsets.size > 0 || rows.size > 0) return false
  return [...sources].every(([topic, { role, topicId }]) => {
    const state = topics.get(topic)
    if (role === 'stream' || role === 'progress' || state === undefined) return true
    return state.id !== topicId || state.partitions.every(({ start, end }) => start === end)
  })
}

function decideByIdentities(plan: Plan, situation: Situation, policies: Policies): Verdicts {
  const { service } = plan.topology
  const stores: StoreVerdict[] = []
  const sources: SourceVerdict[] = []
  const changes: IdentityChange[] = []
  const aggregates = aggregatesOf(plan)
  for (const [name, store] of aggregates) {
    const { verdict, identity } = decideStore(plan, name, store, situation, policies)
    stores.push(verdict)
    if (identity !== undefined) changes.push({ key: name, identity })
  }
  for (const part of plan.subTopologies) {
    for (const store of part.stores) {
      if (store.kind === 'table') stores.push(tableVerdict(store.topic, situation))
    }
  }
  const readHere = new Set(plan.subTopologies.flatMap((part) => topicsOf(part)))
  for (const [name, identity] of situation.stores) {
    if (aggregates.has(name)) continue
    const { verdict, isLeft } = leftVerdict(name, identity, readHere)
    stores.push(verdict)
    if (isLeft) changes.push({ key: name, identity: { ...identity, state: 'left' } })
  }
  for (const source of readTopics(plan)) {
    const { verdict, identity } = decideSource(service, source, situation, policies)
    sources.push(verdict)
    if (identity !== undefined) changes.push({ key: sourceKey(source.topic), identity })
  }
  for (const verdict of leftSources(plan, situation)) {
    sources.push(verdict)
    if (verdict.outcome === 'dropped') {
      changes.push({ key: sourceKey(verdict.topic), identity: null })
    }
  }
  for (const verdict of otherTopics(plan, situation)) sources.push(verdict)
  return { service, stores, sources, changes }
}

function topicsOf(part: SubTopology): string[] {
  return part.sources.map(({ topic }) => topic)
}

function tableVerdict(topic: string, situation: Situation): StoreVerdict {
  return {
    store: topic,
    outcome: 'rebuilt',
    why: 'is a table: it is read from its own stream, as far as that is processed',
    fixes: [],
    isAcceptable: false,
    from: [{ topic, records: processedOf(situation, topic) }],
  }
}

function leftVerdict(
  name: string,
  { reads, state }: StoreIdentity,
  readHere: ReadonlySet<string>,
): { verdict: StoreVerdict; isLeft: boolean } {
  const shared = reads.filter((topic) => readHere.has(topic))
  const misses =
    shared.length === 0
      ? 'nothing reads its topics, so a version with it can go on'
      : `it misses what is read of ${listed(shared)} from now on`
  const why = `is not in this version: ${misses}`
  return {
    verdict: { store: name, outcome: 'dropped', why, fixes: [], isAcceptable: false, from: [] },
    isLeft: shared.length > 0 && state !== 'left',
  }
}

function decideSource(
  service: string,
  read: ReadTopic,
  situation: Situation,
  policies: Policies,
): { verdict: SourceVerdict; identity: SourceIdentity | undefined } {
  const { topic, role, declared } = read
  const actual = situation.topics.get(topic)
  const known = situation.sources.get(topic)
  const reset = `\`headwater reset FILE ${service}\` lets the service begin anew`
  const refused = (why: string, fixes: readonly string[]) => {
    return { verdict: { topic, outcome: 'refused', why, fixes } as const, identity: undefined }
  }
  const count = actual?.partitions.length ?? declared
  const had = isReplaced(situation, topic) ? undefined : known?.partitions
  const problem = actual && partitionsProblem(service, read, had, count)
  if (problem !== undefined) return refused(problem.why, problem.fixes)
  const identity: SourceIdentity = { topicId: actual?.id ?? '', partitions: count, role }
  if (known === undefined) {
    return {
      verdict: { topic, outcome: 'new', why: 'is read for the first time', fixes: [] },
      identity,
    }
  }
  if (actual === undefined) return refused('is gone', [reset])
  if (isReplaced(situation, topic)) {
    const why =
      `was deleted and made anew: its id was ${known.topicId} and is ${actual.id}, so offsets and ` +
      'state are of another topic'
    if (role === 'inner') return refused(`${why}, and what was on its way in it is lost`, [reset])
    if (role === 'progress') return refused(`${why}: late records would count again`, [reset])
    if (role === 'position') return refused(`${why}: the input would be read again`, [reset])
    if (policies.onTopicReplaced === 'restart') {
      return { verdict: { topic, outcome: 'restarted', why, fixes: [] }, identity }
    }
    return refused(why, [
      '`headwater run FILE --on-topic-replaced restart` (in code `onTopicReplaced`) keeps the state and reads the new topic from its beginning',
      reset,
    ])
  }
  const isSame = JSON.stringify(known) === JSON.stringify(identity)
  const verdict: SourceVerdict = { topic, outcome: 'kept', why: 'is the same topic', fixes: [] }
  return { verdict, identity: isSame ? undefined : identity }
}

/** Inner topics of the version before: what is on its way in them reaches nobody any more. */
function leftSources(plan: Plan, situation: Situation): SourceVerdict[] {
  const { service } = plan.topology
  const here = new Set(readTopics(plan).map(({ topic }) => topic))
  const left = [...situation.sources].filter(
    ([topic, { role }]) => role === 'inner' && !here.has(topic) && situation.topics.has(topic),
  )
  return left.map(([topic]): SourceVerdict => {
    const unread = [...situation.unread].some((place) => place.startsWith(`${topic}/`))
    const before = 'let the version before run until it has caught up, and stop it'
    if (situation.members.length > 0) {
      const why = 'is not in this version, and instances that write it are still running'
      return { topic, outcome: 'refused', why, fixes: [`${before} before this one starts`] }
    }
    if (!unread) return { topic, outcome: 'dropped', why: 'is not in this version', fixes: [] }
    const why = 'is not in this version, and holds records that nobody has processed'
    const reset = `or \`headwater reset FILE ${service}\` lets the service begin anew`
    return { topic, outcome: 'refused', why, fixes: [before, reset] }
  })
}

/** Topics that are only written: changelogs and other streams. */
function otherTopics(plan: Plan, { topics }: Situation): SourceVerdict[] {
  const read = new Set(readTopics(plan).map(({ topic }) => topic))
  return plan.topics.flatMap((topic): SourceVerdict[] => {
    const actual = topics.get(topic.name)?.partitions.length
    if (actual === undefined || read.has(topic.name)) return []
    const problem = topicProblem(plan.topology.service, topic, actual)
    return problem ? [{ topic: topic.name, outcome: 'refused', ...problem }] : []
  })
}
