/**
 * Opens tasks and inputs for an ownership: takes what was kept where that is safe, restores the rest.
 *
 * First it ends the transactions of instances that are gone, so that committed offsets are stable and
 * everything below the ends of topics is decided.
 */
import { HeadwaterError } from '../../base/errors.ts'
import { planted } from '../../base/planted.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import type { TopicPartition } from '../../client/cluster/topic-partition.ts'
import {
  earliestTimestamp,
  latestTimestamp,
  listOffsets,
} from '../../client/consumer/list-offsets.ts'
import type { GroupMember, Ownership } from '../../client/group/group-member.ts'
import { followsDirectly } from '../../client/group/ownership.ts'
import type { LetterStamp } from '../operators/dead-letter.ts'
import type { WriterContext } from '../operators/operator.ts'
import { assignTasks } from '../plan/assignment.ts'
import type { InputAssignment, TaskAssignment } from '../plan/assignment.ts'
import type { Plan } from '../plan/plan.ts'
import { readPeers } from '../plan/peers.ts'
import { CallLimits } from '../task/calls/call-limits.ts'
import { InputReader } from '../task/inputs.ts'
import type { SavedPosition } from '../task/inputs.ts'
import { Task } from '../task/task.ts'
import type { TaskStart } from '../task/task.ts'
import { Orphans } from './orphans.ts'
import { readPosition, restoreTasks } from './restore.ts'
import type { Restoration } from './restore.ts'
import type { ServiceEvent } from './service-event.ts'
import type { Stalls } from './stalls.ts'
import type { StopPlaces } from './stop-places.ts'
import type { Kept } from './kept.ts'

export interface OpenerOptions {
  readonly cluster: Cluster
  readonly plan: Plan
  readonly context: WriterContext
  /** Records that the service stops before. */
  readonly stops: StopPlaces
  /** What dead letters say of this instance. */
  readonly stamp: LetterStamp
  /** This process' id at the moment; null without transactions. */
  readonly transactionalId: () => string | null
  readonly transactionTimeoutMs: number
  readonly onGap: 'stop' | 'skip'
  /** Told of what cannot be read while state comes back. */
  readonly stalls: Stalls
  /** Called when an input, or a call outside, has something to process. */
  readonly onReady: () => void
  readonly onEvent: (event: ServiceEvent) => void
}

/** What is to be opened, and what there is of it. */
export interface Opening {
  readonly ownership: Ownership
  readonly member: GroupMember
  /** Throws when the ownership is over or the group forms anew. */
  readonly assertWanted: () => void
  readonly kept: Kept
}

export interface OpenedTasks {
  readonly tasks: Map<string, Task>
  readonly inputs: Map<string, InputReader>
  /** Tasks that went on as they were. */
  readonly keptCount: number
}

/** Committed offsets by place; nothing where there is none. */
type Offsets = ReadonlyMap<string, number>

export class Opener {
  /** Records that were gone before they were read. */
  recordsSkipped = 0
  readonly limits = new CallLimits()
  /** Up to where they were counted, by place: until the next commit they are found gone again. */
  readonly #skippedTo = new Map<string, number>()
  readonly #o: OpenerOptions
  readonly #orphans: Orphans

  constructor(options: OpenerOptions) {
    this.#o = options
    this.#orphans = new Orphans(options.cluster, options.transactionTimeoutMs)
  }

  async open(opening: Opening): Promise<OpenedTasks> {
    const { ownership, assertWanted, kept } = opening
    const assigned = assignTasks(this.#o.plan, ownership.partitions)
    assertWanted()
    await this.#endOrphans(opening)
    assertWanted()
    const committed = await committedOffsets(opening, ownership.partitions)
    const tasks = new Map<string, Task>()
    const missing: TaskAssignment[] = []
    for (const each of assigned.tasks) {
      const task = kept.tasks.get(each.id)
      if (task !== undefined && isUntouched(task, committed, kept, ownership)) {
        tasks.set(each.id, task)
      } else missing.push(each)
    }
    const keptCount = tasks.size
    for (const task of await this.#openTasks(missing, committed, opening)) {
      tasks.set(task.id, task)
    }
    const inputs = await this.#openInputs(assigned.inputs, committed, opening)
    return { tasks, inputs, keptCount }
  }

  async #openInputs(
    splits: readonly InputAssignment[],
    committed: Offsets,
    { ownership, kept, assertWanted }: Opening,
  ): Promise<Map<string, InputReader>> {
    const positions = new Map<InputAssignment, SavedPosition | undefined>()
    const inputs = new Map<string, InputReader>()
    for (const each of splits) {
      const place = { topic: each.plan.positionTopic, partition: each.split }
      const at = committed.get(placeOf(place))
      const reader = kept.inputs.get(each.id)
      if (reader !== undefined && isDirect(kept, ownership) && reader.committedOffset === at) {
        inputs.set(each.id, reader)
      } else {
        const { cluster, stalls } = this.#o
        positions.set(each, await readPosition(cluster, place, at, { assertWanted, stalls }))
      }
    }
    assertWanted()
    // From here on nothing fails: a source that is opened is also closed.
    for (const [each, saved] of positions) {
      const reader = this.#readerOf(each)
      reader.start(saved, committed.get(placeOf(reader.place)))
      inputs.set(each.id, reader)
    }
    return inputs
  }

  async #endOrphans({ ownership, member, assertWanted }: Opening): Promise<void> {
    const own = this.#o.transactionalId()
    const { userData } = ownership
    // Who was told of nobody, and was given nothing, cannot tell the living from the dead.
    if (own === null || userData === null) return
    const peers = readPeers(userData).transactionalIds
    const confirm = (): Promise<void> => member.confirm(ownership)
    const ended = await this.#orphans.end({ own, peers, assertWanted, confirm })
    if (ended.length > 0) this.#o.onEvent({ type: 'orphans-ended', transactionalIds: ended })
  }

  async #openTasks(
    assigned: readonly TaskAssignment[],
    committed: Offsets,
    opening: Opening,
  ): Promise<readonly Task[]> {
    if (assigned.length === 0) return []
    const { cluster, plan, context, stamp, stops, stalls, onReady } = this.#o
    const stopBefore = (topic: string, partition: number): number | undefined =>
      stops.before(topic, partition)
    const calls = { clock: cluster.clock, limits: this.limits, onReady }
    const { assertWanted } = opening
    const places = assigned.flatMap(({ topics, partition }) =>
      topics.map((topic) => ({ topic, partition })),
    )
    const starts = await this.#startsOf(places, committed, opening)
    const restorations: Restoration[] = []
    const tasks = assigned.map(({ subTopology, partition, topics }) => {
      const task = new Task({ ...context, plan, calls, stamp, stopBefore }, subTopology, partition)
      // What never committed has come nowhere: what lies there is of a service that was forgotten.
      const isCommitted = (topic: string): boolean => committed.has(placeOf({ topic, partition }))
      const hasCommitted = topics.some(isCommitted)
      for (const topic of task.restoredFrom(isCommitted)) {
        if (topic === plan.progressTopic && !hasCommitted) continue
        const until = starts.get(placeOf({ topic, partition }))?.position
        restorations.push({ task, topic, until })
      }
      return { task, of: topics.map((topic) => starts.get(placeOf({ topic, partition }))!) }
    })
    await restoreTasks(cluster, restorations, { assertWanted, stalls })
    const folded = tasks.flatMap(({ task }) =>
      task.foldedFrom().map((topic) => ({ task, topic, until: undefined })),
    )
    await restoreTasks(cluster, folded, { assertWanted, stalls })
    for (const { task, of } of tasks) task.start(of)
    return tasks.map(({ task }) => task)
  }

  /** Where each place begins: what is committed, as far as the log still has it. */
  async #startsOf(
    places: readonly TopicPartition[],
    committed: Offsets,
    opening: Opening,
  ): Promise<ReadonlyMap<string, TaskStart>> {
    const { cluster } = this.#o
    const [begins, ends] = await Promise.all([
      listOffsets(cluster, places, earliestTimestamp, 'read_committed'),
      listOffsets(cluster, places, latestTimestamp, 'read_uncommitted'),
    ])
    const starts = new Map<string, TaskStart>()
    for (const [i, place] of places.entries()) {
      const beginning = begins[i]!.offset
      const endOffset = ends[i]!.offset
      const known = committed.get(placeOf(place))
      if (known !== undefined && known > endOffset) throw beyondEnd(place, known, endOffset)
      if (known !== undefined && known < beginning) {
        await assertStillCommitted(opening, place, known)
        this.#passOver(place, known, beginning)
      }
      const position = Math.max(known ?? 0, beginning)
      starts.set(placeOf(place), { topic: place.topic, position, committed: known, endOffset })
    }
    return starts
  }

  #passOver(place: TopicPartition, position: number, beginning: number): void {
    if (this.#o.onGap === 'stop') throw gap(place, position, beginning)
    const from = Math.max(position, this.#skippedTo.get(placeOf(place)) ?? 0)
    const records = beginning - from
    if (records <= 0) return
    this.#skippedTo.set(placeOf(place), beginning)
    this.recordsSkipped += records
    this.#o.onEvent({ type: 'skipped', ...place, records })
  }

  #readerOf(split: InputAssignment): InputReader {
    const { context, onReady, plan } = this.#o
    return new InputReader(split, plan.topology.service, context, onReady)
  }
}

function isDirect({ under }: Kept, ownership: Ownership): boolean {
  if (planted.has('keep-state-of-another')) return true
  return under !== undefined && followsDirectly(under, ownership)
}

/** Whether nobody can have moved the task on since it was put aside. */
function isUntouched(task: Task, committed: Offsets, kept: Kept, ownership: Ownership): boolean {
  if (!isDirect(kept, ownership)) return false
  if (planted.has('keep-state-of-another')) return true
  return task.queues.every(({ source }) => {
    const place = placeOf({ topic: source.topic, partition: task.partition })
    return task.lastCommitted(source.topic) === committed.get(place)
  })
}

/** A gap is none when another has read on since and deleted what it had processed. */
async function assertStillCommitted(
  opening: Opening,
  place: TopicPartition,
  known: number,
): Promise<void> {
  const now = (await committedOffsets(opening, [place])).get(placeOf(place))
  if (now === known) return
  throw new HeadwaterError(
    'stale-member',
    `partition ${place.partition} of topic '${place.topic}' was read on from ${known} to ${now} by another ` +
      'member: rejoin and go on from the committed offsets',
  )
}

/**
 * The group's committed offsets; waits for transactions that are about to change them, and no longer once
 * the group forms anew: then the member that left one open may be gone.
 */
async function committedOffsets(
  { member, assertWanted }: Opening,
  places: readonly TopicPartition[],
): Promise<Offsets> {
  if (places.length === 0) return new Map()
  const isWanted = (): boolean => {
    try {
      assertWanted()
      return true
    } catch {
      return false
    }
  }
  const found = await member.committed(places, { requireStable: true, isWanted })
  const known = found.filter(({ offset }) => offset >= 0)
  return new Map(known.map((each) => [placeOf(each), each.offset]))
}

function placeOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

function gap({ topic, partition }: TopicPartition, from: number, to: number): HeadwaterError {
  return new HeadwaterError(
    'records-lost',
    `records ${from} to ${to - 1} of partition ${partition} of topic '${topic}' are gone from the log ` +
      'and this service has not read them: retention or DeleteRecords took them. Keep records longer ' +
      "(retention.ms), and run once with onGap: 'skip' to count them as skipped and go on behind them",
  )
}

function beyondEnd({ topic, partition }: TopicPartition, at: number, end: number): HeadwaterError {
  return new HeadwaterError(
    'offset-out-of-range',
    `the group has committed offset ${at} of partition ${partition} of topic '${topic}', which ends at ` +
      `${end}: was the topic deleted and made anew? Reset the service to read it from its beginning`,
  )
}
