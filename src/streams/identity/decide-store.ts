/**
 * Whether a store of this version is the one whose rows lie in its changelog. Pure.
 *
 * The rule: state, changelog and committed offsets belong together. Whatever has been counted of the
 * topics a store reads must be in the store, once, and be readable; else the service does not start.
 */
import type { Plan, StorePlan } from '../plan/plan.ts'
import { identityOf } from './identity.ts'
import type { StoreIdentity } from './identity.ts'
import type { Situation, TopicState } from './situation.ts'
import type { Policies, StoreVerdict } from './verdict.ts'

/** A verdict, and the identity to write when it stands. */
export interface StoreDecision {
  readonly verdict: StoreVerdict
  readonly identity: StoreIdentity | undefined
}

export function decideStore(
  plan: Plan,
  name: string,
  store: StorePlan,
  situation: Situation,
  policies: Policies,
): StoreDecision {
  const { service } = plan.topology
  const topic = situation.topics.get(store.topic)
  const wanted = identityOf(plan, store, topic?.id ?? '')
  const known = situation.stores.get(name)
  const at = new Place(plan, store, wanted, known, situation, policies)
  // What was decided is not decided anew: nothing else can make it again.
  const isDecided = wanted.fold === 'decide'
  const rebuilding = `\`headwater rebuild FILE ${service} ${name}\` folds it anew from ${listed(at.roots)}`
  const rebuild = isDecided ? [] : [rebuilding]
  const accepted = isForgettable(store, known)
    ? 'forgets what is remembered of commands, and keeps all state: one that is asked again is decided anew'
    : 'goes on with it as it is'
  const accept = `\`headwater plan FILE --accept ${service}/${name}\` ${accepted}`
  const reset = `\`headwater reset FILE ${service}\` lets the service begin anew`
  const refused = (why: string, fixes: string[], isAcceptable = false): StoreDecision => ({
    verdict: { store: name, outcome: 'refused', why, fixes, isAcceptable, from: at.sources },
    identity: undefined,
  })
  const passed = (outcome: 'kept' | 'new', why: string): StoreDecision => ({
    verdict: { store: name, outcome, why, fixes: [], isAcceptable: false, from: at.rows(outcome) },
    identity: isSame(known, wanted) ? undefined : wanted,
  })

  if (at.lostOffsets) {
    return refused(
      `has rows in '${store.topic}', but the group '${service}' has no offsets for ${listed(wanted.reads)}: ` +
        'every record would be counted a second time',
      [reset],
    )
  }
  if (known === undefined) {
    if (!at.hasProcessed) return passed('new', 'begins empty')
    if (at.isFirstLook && at.hasRows) {
      return passed('kept', 'was made before identities were kept and is taken as it is')
    }
    return refused(
      `is new, but the service has read ${listed(at.processed)} already: it would miss what came before`,
      [...rebuild, accept],
      true,
    )
  }
  if (!at.hasProcessed && !at.hasRows) return passed('new', 'begins empty')
  if (known.state === 'rebuilding') return refused('has a rebuild that did not end', rebuild)
  const differences = differencesOf(store, known, wanted, situation)
  if (differences.length > 0) {
    const isAcceptable = differences.every((each) => each.isAcceptable)
    const fixes = differences.some((each) => each.isMisplaced)
      ? [reset]
      : [...rebuild, ...(isAcceptable ? [accept] : [])]
    const why = differences.map(({ was, is }) => `${was} and ${is}`).join('; ')
    return refused(why, [...fixes, 'or give the store another name'].slice(0, 3), isAcceptable)
  }
  const gone = changelogGone(known, topic)
  if (gone !== undefined) return refused(gone, [...rebuild, reset])
  if (known.state === 'left') {
    return refused(
      `has missed records: a version without it went on in ${listed(wanted.reads)}`,
      [...rebuild, accept],
      true,
    )
  }
  return passed('kept', 'is the same store')
}

/** Where a store stands in its topics. */
class Place {
  readonly hasProcessed: boolean
  /** The topics among its sources of which something is processed. */
  readonly processed: readonly string[]
  readonly hasRows: boolean
  readonly isFirstLook: boolean
  readonly lostOffsets: boolean
  /** The streams a rebuild reads. */
  readonly roots: readonly string[]
  readonly sources: readonly { topic: string; records: number }[]
  readonly #changelog: TopicState | undefined
  readonly #topic: string

  constructor(
    plan: Plan,
    store: StorePlan,
    { reads, behind }: StoreIdentity,
    known: StoreIdentity | undefined,
    situation: Situation,
    policies: Policies,
  ) {
    this.#topic = store.topic
    this.#changelog = situation.topics.get(store.topic)
    const inner = new Set(
      plan.subTopologies.flatMap((part) =>
        part.sources.filter((source) => source.inner).map(({ topic }) => topic),
      ),
    )
    const all = [...new Set([...reads, ...behind])]
    this.processed = all.filter((topic) => processedOf(situation, topic) > 0)
    this.hasProcessed = this.processed.length > 0
    this.roots = all.filter((topic) => !inner.has(topic))
    this.sources = this.roots.map((topic) => {
      return { topic, records: processedOf(situation, topic) }
    })
    // Rows are of the topics the store read when they were written, which may be others by now.
    const counted = [...new Set([...reads, ...(known?.reads ?? [])])]
    const isRead = (partition: number): boolean =>
      counted.some((topic) => situation.offsets.has(`${topic}/${partition}`))
    const isRow = (partition: number): boolean => situation.rows.has(`${store.topic}/${partition}`)
    const partitions = [...(this.#changelog?.partitions ?? []).entries()]
    this.hasRows = partitions.some(([partition, { start, end }]) =>
      isRead(partition) ? end > start : isRow(partition),
    )
    this.isFirstLook = situation.stores.size === 0 && situation.sources.size === 0
    // With a topic go its offsets, and what becomes of that is said of the topic.
    this.lostOffsets =
      policies.guarantee === 'exactly-once' &&
      !counted.some((topic) => isReplaced(situation, topic)) &&
      partitions.some(([partition]) => !isRead(partition) && isRow(partition))
  }

  rows(outcome: 'kept' | 'new'): { topic: string; records: number }[] {
    if (outcome === 'new') return []
    const partitions = this.#changelog?.partitions ?? []
    const records = partitions.reduce((sum, { start, end }) => sum + end - start, 0)
    return [{ topic: this.#topic, records }]
  }
}

interface Difference {
  readonly was: string
  readonly is: string
  /** Whether the rows can still be read as what they are, or be done without. */
  readonly isAcceptable: boolean
  /** Whether keys would lie in other partitions, so that no rebuild puts them right. */
  readonly isMisplaced?: boolean
}

/** Whether a store's rows cannot be read, and can be done without: those of outcomes in another format. */
export function isForgettable(
  { kind, format }: StorePlan,
  known: StoreIdentity | undefined,
): boolean {
  return kind === 'outcomes' && known !== undefined && known.format !== format
}

function differencesOf(
  store: StorePlan,
  known: StoreIdentity,
  wanted: StoreIdentity,
  situation: Situation,
): Difference[] {
  const found: Difference[] = []
  const differ = (what: string, was: string, is: string, more: Partial<Difference> = {}): void => {
    if (was !== is) {
      found.push({ was: `${what} was ${was}`, is: `is ${is}`, isAcceptable: false, ...more })
    }
  }
  differ('its window', windowText(known), windowText(wanted))
  if (known.window && wanted.window && known.window.sizeMs === wanted.window.sizeMs) {
    const { graceMs } = wanted.window
    // Windows that were closed under a shorter grace are gone: they would open again, empty.
    if (graceMs > known.window.graceMs) {
      differ('its grace', `${known.window.graceMs} ms`, `${graceMs} ms`, { isAcceptable: true })
    }
  }
  differ('it', `a ${known.fold}`, `a ${wanted.fold}`)
  differ('its version', String(known.version), String(wanted.version))
  differ("its keys' type", known.keys, wanted.keys)
  differ('its value format', known.format, wanted.format, {
    isAcceptable: isForgettable(store, known),
  })
  differ('its partition count', String(known.partitions), String(wanted.partitions), {
    isMisplaced: true,
  })
  const added = wanted.reads.filter((topic) => !known.reads.includes(topic))
  const removed = known.reads.filter((topic) => !wanted.reads.includes(topic))
  const missed = [...added, ...wanted.behind.filter((topic) => !known.behind.includes(topic))]
  if (removed.length > 0 || missed.some((topic) => processedOf(situation, topic) > 0)) {
    differ('what it reads', lineageText(known), lineageText(wanted), { isAcceptable: true })
  }
  return found
}

function changelogGone(known: StoreIdentity, topic: TopicState | undefined): string | undefined {
  if (topic === undefined) return `has offsets, but its changelog '${known.changelog}' is gone`
  if (topic.id === undefined || known.changelogId === '' || topic.id === known.changelogId) {
    return undefined
  }
  return (
    `has offsets, but its changelog '${known.changelog}' was deleted and made anew: ` +
    `its id was ${known.changelogId} and is ${topic.id}`
  )
}

function isSame(known: StoreIdentity | undefined, wanted: StoreIdentity): boolean {
  return known !== undefined && JSON.stringify(known) === JSON.stringify(wanted)
}

/** Offsets the group has behind it in a topic. */
export function processedOf({ topics, offsets }: Situation, topic: string): number {
  let sum = 0
  for (const [place, offset] of offsets) {
    const at = place.lastIndexOf('/')
    if (place.slice(0, at) !== topic) continue
    const start = topics.get(topic)?.partitions[Number(place.slice(at + 1))]?.start ?? 0
    sum += offset > 0 ? Math.max(1, offset - start) : 0
  }
  return sum
}

/** Whether a topic is another than the one the service has read. */
export function isReplaced({ topics, sources }: Situation, topic: string): boolean {
  const id = topics.get(topic)?.id
  const known = sources.get(topic)
  return known !== undefined && id !== undefined && known.topicId !== '' && known.topicId !== id
}

function windowText({ window }: StoreIdentity): string {
  return window === null ? 'none' : `of ${window.sizeMs} ms`
}

function lineageText({ reads, behind }: StoreIdentity): string {
  return behind.length === 0 ? listed(reads) : `${listed(reads)} behind ${listed(behind)}`
}

export function listed(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(' and ')
}
