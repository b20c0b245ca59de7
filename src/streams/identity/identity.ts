/**
 * What a store is, as plain data that is kept beside it, and how it reads in the identity topic.
 *
 * The topic `<service>-stores` is compacted and has one partition. A record's key is a store's name, or
 * `source:` and the name of a topic the service reads; its value is one of the identities below as JSON
 * with `v`, the version of this format, and `seen`, the end of the topic its writer had read to. Store
 * names have no colon, so the two never meet.
 *
 * Instances that start at once agree by log order: a record counts only if its writer had seen the one
 * before it, so the first wins. Who loses writes the winner's words again, for compaction keeps the last.
 *
 * A function cannot be compared with what it was. So an identity holds what can be seen (window, key,
 * value format, how it folds, the topics its records come from) and the version its writer declares.
 * Operators that keep nothing (a filter, a map) are left out: splitting one in two changes no state, and
 * seeing their number but not what they do would promise more than it keeps.
 */
import { HeadwaterError } from '../../base/errors.ts'
import { repartitionTopic } from '../plan/plan.ts'
import type { Plan, StorePlan } from '../plan/plan.ts'
import type { KeyKind } from '../stores/serde.ts'
import { upstreamOf } from '../topology/graph.ts'
import type { AggregateNode, DecideNode, Topology } from '../topology/topology.ts'

export interface StoreIdentity {
  /** Of state that is decided, and of the outcomes beside it, `decide`. */
  readonly fold: 'count' | 'reduce' | 'decide'
  /** Declared by the writer of the topology; 1 unless said. */
  readonly version: number
  readonly keys: KeyKind
  /** What values are encoded with. */
  readonly format: string
  readonly window: { readonly sizeMs: number; readonly graceMs: number } | null
  /** Topics from which its task takes records for it, sorted. */
  readonly reads: readonly string[]
  /** Topics whose records come to those through a rekey, sorted. */
  readonly behind: readonly string[]
  readonly changelog: string
  readonly changelogId: string
  readonly partitions: number
  /**
   * `whole`: it holds what the committed offsets say. `left`: a version without this store has gone on
   * in its topics, so it has missed records. `rebuilding`: a rebuild has begun and not ended.
   */
  readonly state: 'whole' | 'left' | 'rebuilding'
}

export interface SourceIdentity {
  readonly topicId: string
  readonly partitions: number
  /**
   * What it is: the world's, the service's own between two tasks, an input's position, or how far in event
   * time the tasks are.
   */
  readonly role: 'stream' | 'inner' | 'position' | 'progress'
}

/** Everything the identity topic holds. */
export interface Identities {
  readonly stores: ReadonlyMap<string, StoreIdentity>
  readonly sources: ReadonlyMap<string, SourceIdentity>
  /** The end of the topic when it was read. */
  readonly seen: number
}

export function identityTopic(service: string): string {
  return `${service}-stores`
}

/** The aggregates and outcomes of a plan by name: tables are folds of their own stream and need no identity. */
export function aggregatesOf(plan: Plan): ReadonlyMap<string, StorePlan> {
  const stores = plan.subTopologies.flatMap((part) => part.stores)
  const aggregates = stores.filter(({ kind }) => kind !== 'table')
  return new Map(aggregates.map((store) => [store.name, store]))
}

/** The identity a store of this plan has, with its changelog as it is now. */
export function identityOf(plan: Plan, store: StorePlan, changelogId: string): StoreIdentity {
  const { topology } = plan
  const node = topology.nodes[store.node] as AggregateNode | DecideNode
  const { reads, behind } = lineageOf(topology, node.from)
  const how =
    node.kind === 'decide' ? ({ fold: 'decide', version: 1, window: undefined } as const) : node
  return {
    fold: how.fold,
    version: how.version,
    keys: store.keys,
    format: store.format,
    window: how.window ? { sizeMs: how.window.sizeMs, graceMs: how.window.graceMs } : null,
    reads,
    behind,
    changelog: store.topic,
    changelogId,
    partitions: plan.topics.find(({ name }) => name === store.topic)!.partitions,
    state: 'whole',
  }
}

/** The topics a store's records come from. A table that is joined sends none. */
function lineageOf(
  { service, nodes }: Topology,
  from: number,
): { reads: readonly string[]; behind: readonly string[] } {
  const reads = new Set<string>()
  const behind = new Set<string>()
  const visit = (id: number, found: Set<string>): void => {
    const node = nodes[id]!
    if (node.kind === 'source' || node.kind === 'table') found.add(node.event.name)
    else if (node.kind === 'rekey') {
      found.add(repartitionTopic(service, node))
      visit(node.from, behind)
    } else if (node.kind === 'join') visit(node.from, found)
    else for (const from of upstreamOf(node)) visit(from, found)
  }
  visit(from, reads)
  return { reads: [...reads].toSorted(), behind: [...behind].toSorted() }
}

const formatVersion = 1
const sourcePrefix = 'source:'

/** What is to be written under a store's name or a source's key; null takes the record away. */
export interface IdentityChange {
  readonly key: string
  readonly identity: StoreIdentity | SourceIdentity | null
}

export function sourceKey(topic: string): string {
  return `${sourcePrefix}${topic}`
}

/** A record's value; null where the identity is. */
export function identityText({ identity }: IdentityChange, seen: number): string | null {
  return identity && JSON.stringify({ v: formatVersion, seen, ...identity })
}

/** A record of the identity topic. */
export interface IdentityRecord {
  readonly offset: number
  readonly key: string
  readonly value: string | null
}

/** What counts of the records, in log order. Throws `data-corrupt` for what this version cannot read. */
export function readIdentities(
  topic: string,
  records: readonly IdentityRecord[],
  seen: number,
): Identities {
  const stores = new Map<string, StoreIdentity>()
  const sources = new Map<string, SourceIdentity>()
  const writtenAt = new Map<string, number>()
  for (const { offset, key, value } of records) {
    const isSource = key.startsWith(sourcePrefix)
    const name = isSource ? key.slice(sourcePrefix.length) : key
    if (value === null) {
      ;(isSource ? sources : stores).delete(name)
      writtenAt.delete(key)
      continue
    }
    const parsed = parse(topic, key, value, isSource ? sourceFields : storeFields)
    if (parsed.seen <= (writtenAt.get(key) ?? -1)) continue
    writtenAt.set(key, offset)
    if (isSource) sources.set(name, parsed.identity as unknown as SourceIdentity)
    else stores.set(name, parsed.identity as unknown as StoreIdentity)
  }
  return { stores, sources, seen }
}

const sourceFields = { topicId: 'string', partitions: 'number', role: 'string' }
const storeFields = {
  fold: 'string',
  version: 'number',
  keys: 'string',
  format: 'string',
  window: 'object',
  reads: 'object',
  behind: 'object',
  changelog: 'string',
  changelogId: 'string',
  partitions: 'number',
  state: 'string',
}

function parse(
  topic: string,
  key: string,
  text: string,
  fields: Readonly<Record<string, string>>,
): { readonly seen: number; readonly identity: Readonly<Record<string, unknown>> } {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw unreadable(topic, key, 'is no JSON')
  }
  if (typeof value !== 'object' || value === null) throw unreadable(topic, key, 'is no object')
  const { v, seen, ...identity } = value as Record<string, unknown>
  if (v !== formatVersion) throw unreadable(topic, key, `has version ${String(v)}`)
  for (const [field, type] of Object.entries(fields)) {
    if (typeof identity[field] !== type) throw unreadable(topic, key, `has no ${field}`)
  }
  return { seen: typeof seen === 'number' ? seen : -1, identity }
}

function unreadable(topic: string, key: string, what: string): HeadwaterError {
  return new HeadwaterError(
    'data-corrupt',
    `the identity '${key}' in topic '${topic}' ${what}, and this version of Headwater reads version ` +
      `${formatVersion}: run the version that wrote it, or forget the service with \`headwater reset\``,
  )
}
