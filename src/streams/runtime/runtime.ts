/**
 * Runs one service on a broker: one group member, one producer, one consumer, and a loop.
 *
 *   starting --group assigns--> restoring --state is back--> running --close--> closed
 *                                   ^---- group rebalances ----'  \--error--> failed
 *
 * Each turn of the loop serves the group, takes what was fetched, processes a few thousand records and,
 * when it is time, commits. Everything that changes tasks happens between two turns, so a rebalance
 * finds records either committed or not begun. A turn never runs long: other services of the process,
 * sockets and heartbeats get theirs.
 *
 * A record that does not decode, or a function that throws, stops the service with an error that names
 * the place; others go on. (There is no dead-letter queue yet.) Any other failure drops the state,
 * aborts the transaction and starts again from what is committed.
 */
import { utf8Bytes } from '../../base/bytes.ts'
import { crc32c } from '../../base/checksum.ts'
import { isHeadwaterError } from '../../base/errors.ts'
import { backoffMs, sleep } from '../../client/cluster/backoff.ts'
import { Cluster } from '../../client/cluster/cluster.ts'
import { Consumer } from '../../client/consumer/consumer.ts'
import { GroupMember } from '../../client/group/group-member.ts'
import { latestTimestamp, listOffsets } from '../../client/consumer/list-offsets.ts'
import type { TopicPartition } from '../../client/cluster/topic-partition.ts'
import { subscribedTopics } from '../plan/assignment.ts'
import { type KnownTopics, prepareStores } from '../identity/prepare.ts'
import { CommitPace } from './commit-pace.ts'
import { Committer } from './commit.ts'
import { closedError, isRecoverable, quietly } from './failures.ts'
import type { OperatorCounts } from '../operators/operator.ts'
import { planTopology } from '../plan/plan.ts'
import type { Plan } from '../plan/plan.ts'
import { Purge } from './purge.ts'
import type { RunTopologyOptions, RunningTopology, ServiceState, ServiceStats } from './running.ts'
import { keyCodecs } from '../stores/serde.ts'
import { TaskSet } from './task-set.ts'
import type { Topology } from '../topology/topology.ts'
import { openViews } from '../views/view-reader.ts'
import type { ViewReader } from '../views/view-reader.ts'
import { Waiters } from './waiters.ts'

/** Starts a service and resolves when its state is restored and it processes. */
export async function runTopology(
  topology: Topology,
  options: RunTopologyOptions,
): Promise<RunningTopology> {
  const plan = planTopology(topology)
  const { clock, random, broker } = options
  const cluster = await Cluster.connect({ ...broker, clock, random, clientId: topology.service })
  const runtime = new Runtime(cluster, plan, options)
  try {
    await runtime.start()
  } catch (error) {
    await runtime.close()
    throw error
  }
  return runtime
}

const commitIntervalMsDefault = 100
const purgeIntervalMsDefault = 30_000
/** Records of one turn. */
const turnRecords = 8192
const fetchBytesMax = 4 * 1024 * 1024
/** How long a fetch waits for records, and the loop for news. */
const pollWaitMs = 100
/** Failures in a row, without a commit in between, before the service gives up. */
const failuresMax = 10
/** How long a close waits for a commit and for saying goodbye. */
const closeTimeoutMs = 10_000
const sessionTimeoutMsDefault = 15_000
/** Longer than the pause between two heartbeats. */
const fencedPauseMs = 4_000

interface GroupRequest {
  readonly kind: 'assigned' | 'revoked' | 'lost'
  readonly partitions: readonly TopicPartition[]
  readonly served: PromiseWithResolvers<void>
}

class Runtime implements RunningTopology {
  readonly service: string
  readonly views: Readonly<Record<string, ViewReader>>
  readonly failed: Promise<never>
  readonly #plan: Plan
  readonly #options: RunTopologyOptions
  readonly #cluster: Cluster
  readonly #consumer: Consumer
  readonly #member: GroupMember
  readonly #set: TaskSet
  readonly #counts: OperatorCounts = { dropped: 0, late: 0, emitted: 0 }
  readonly #committer: Committer
  readonly #waiters = new Waiters()
  readonly #pace: CommitPace
  readonly #purge: Purge
  readonly #reject: (error: unknown) => void
  readonly #requests: GroupRequest[] = []
  #loop: Promise<void> | undefined
  #released: Promise<void> | undefined
  #state: ServiceState = 'starting'
  #isClosing = false
  #isBroken = false
  #failures = 0
  #assigned: readonly TopicPartition[] | undefined
  #mustOpen = false
  #polling: Promise<void> | undefined
  #pollError: unknown
  #wake: (() => void) | undefined
  #isAwake = false
  #recordsIn = 0
  #known?: KnownTopics

  constructor(cluster: Cluster, plan: Plan, options: RunTopologyOptions) {
    const { service } = plan.topology
    const instance = `${service}-${options.instanceId ?? '1'}`
    this.service = service
    this.#plan = plan
    this.#options = options
    this.#pace = new CommitPace(options.clock, options.commitIntervalMs ?? commitIntervalMsDefault)
    this.#cluster = cluster
    this.#purge = new Purge(cluster, options.purgeIntervalMs ?? purgeIntervalMsDefault)
    this.#committer = new Committer(cluster, options.guarantee ?? 'exactly-once', instance)
    this.#consumer = new Consumer(cluster, { isolation: 'read_committed', fetchBytesMax })
    const topics = subscribedTopics(plan)
    this.#member = new GroupMember(cluster, {
      groupId: service,
      topics,
      // A static member that comes back gets what it had. One that reads other topics must be another.
      instanceId: `${instance}-${crc32c(utf8Bytes(topics.join())).toString(16)}`,
      sessionTimeoutMs: options.sessionTimeoutMs ?? sessionTimeoutMsDefault,
      onAssigned: (partitions) => this.#request('assigned', partitions),
      onRevoked: (partitions) => this.#request('revoked', partitions),
      onLost: (partitions) => this.#request('lost', partitions),
      onFailed: (error) => void this.#stop(error),
    })
    const { emit } = this.#committer
    const context = { partition: 0, keys: keyCodecs(), emit, counts: this.#counts }
    this.#set = new TaskSet(cluster, plan, context, () => this.#notify())
    this.views = openViews(plan, () => this.#set.tasks)
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => undefined)
    this.failed = promise
    this.#reject = reject
  }

  async start(): Promise<void> {
    await this.#committer.start()
    this.#known = await prepareStores(this.#cluster, this.#plan, this.#options)
    this.#loop = this.#run()
    this.#member.join().catch((error: unknown) => this.#stop(error))
    await this.#waiters.until(() => this.#state === 'running')
  }

  async #run(): Promise<void> {
    while (!this.#isClosing) {
      try {
        await this.#turn()
      } catch (error) {
        if (!isRecoverable(error) || ++this.#failures > failuresMax) return this.#stop(error)
        this.#isBroken = true
        const { clock, random } = this.#options
        // Whoever took our place also took our seat in the group, which the next heartbeat tells.
        const isFenced = isHeadwaterError(error, 'fenced')
        await sleep(clock, isFenced ? fencedPauseMs : backoffMs(this.#failures, random))
      }
    }
  }

  async #turn(): Promise<void> {
    if (this.#isBroken) await this.#repair()
    while (this.#requests.length > 0) await this.#serve(this.#requests[0]!)
    if (this.#mustOpen) await this.#open()
    this.#poll()
    const { clock } = this.#options
    const done = this.#set.process(turnRecords, clock.now())
    this.#recordsIn += done
    if (done > 0) this.#pace.processed(done)
    await this.#committer.ready()
    const isDue = this.#pace.isDue(done > 0, this.#waiters.count > 0)
    if (isDue && this.#set.isBetweenBatches) await this.#commit()
    else if (done > 0) await new Promise<void>((resolve) => clock.soon(resolve))
    else await this.#pause(this.#idleMs())
    this.#waiters.check()
  }

  /** Fetches ahead, one fetch at a time, and hands what comes to its task. */
  #poll(): void {
    if (this.#pollError !== undefined) {
      const error = this.#pollError
      this.#pollError = undefined
      throw error
    }
    if (this.#set.isEmpty) return
    this.#set.throttle(this.#consumer)
    this.#polling ??= this.#consumer
      .poll(pollWaitMs)
      .then((fetched) => {
        for (const delivery of fetched) this.#set.deliver(delivery)
      })
      .catch((error: unknown) => {
        this.#pollError = error
      })
      .finally(() => {
        this.#polling = undefined
        this.#notify()
      })
  }

  /** How long the loop may sleep when there is nothing to process. */
  #idleMs(): number {
    // Positions also move over control records; that is committed too, without haste.
    if (!this.#pace.isPending && this.#set.hasMoved) this.#pace.processed(0)
    return this.#pace.idleMs() ?? pollWaitMs
  }

  async #commit(): Promise<void> {
    this.#pace.begin()
    this.#known?.check(this.#cluster)
    await this.#committer.commit(this.#set, this.#member, this.#options.clock.now())
    this.#pace.committed()
    this.#failures = 0
    this.#purge.consider(() => this.#set.committedPositions({ innerOnly: true }))
  }

  #request(kind: GroupRequest['kind'], partitions: readonly TopicPartition[]): Promise<void> {
    if (this.#isClosing) return Promise.resolve()
    const served = Promise.withResolvers<void>()
    this.#requests.push({ kind, partitions, served })
    this.#notify()
    return served.promise
  }

  async #serve(request: GroupRequest): Promise<void> {
    try {
      await this.#polling
      this.#assigned = request.kind === 'assigned' ? request.partitions : undefined
      if (request.kind === 'revoked') await this.#suspend()
      else if (request.kind === 'lost') await this.#repair()
      else await this.#open()
    } catch (error) {
      this.#isBroken = true
      throw error
    } finally {
      this.#requests.shift()
      request.served.resolve()
    }
  }

  /** Commits before the partitions go, so that whoever gets them repeats nothing. */
  async #suspend(): Promise<void> {
    while (!this.#set.isBetweenBatches) {
      const done = this.#set.process(turnRecords, this.#options.clock.now())
      this.#recordsIn += done
      this.#pace.processed(done)
      await this.#committer.ready()
    }
    if (this.#pace.isPending) await this.#commit()
    this.#consumer.assign([])
    this.#set.suspend()
    this.#become('restoring')
  }

  async #open(): Promise<void> {
    this.#become('restoring')
    this.#mustOpen = true
    await this.#set.open(this.#assigned ?? [], this.#member)
    this.#consumer.assign(this.#set.positions())
    this.#mustOpen = false
    this.#become('running')
  }

  #become(state: ServiceState): void {
    if (!this.#isClosing) this.#state = state
  }

  /** Drops state and transaction, to go on from what is committed. */
  async #repair(): Promise<void> {
    await this.#polling
    this.#pollError = undefined
    this.#consumer.assign([])
    this.#become('restoring')
    await this.#set.drop()
    this.#pace.reset()
    await this.#committer.startOver()
    this.#mustOpen = this.#assigned !== undefined
    this.#isBroken = false
  }

  #notify(): void {
    this.#isAwake = true
    this.#wake?.()
  }

  /** Waits for news, or for `delayMs`. */
  async #pause(delayMs: number): Promise<void> {
    if (!this.#isAwake) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      const timer = this.#options.clock.after(delayMs, resolve)
      await promise
      timer.cancel()
      this.#wake = undefined
    }
    this.#isAwake = false
  }

  stats(): ServiceStats {
    const inputs: Record<string, { records: number; done: boolean }> = {}
    for (const { plan, records, isDone } of this.#set.inputs) {
      inputs[plan.node.name] = { records, done: isDone }
    }
    return {
      recordsIn: this.#recordsIn,
      recordsOut: this.#counts.emitted,
      recordsDropped: this.#counts.dropped,
      recordsLate: this.#counts.late,
      lag: this.#set.lag,
      state: this.#state,
      inputs,
    }
  }

  async caughtUp(): Promise<void> {
    await this.#waiters.until(() => this.#state === 'running')
    await this.#waiters.until(() => [...this.#set.inputs].every(({ isDone }) => isDone))
    // Each pass follows records through one more inner topic.
    const inner = this.#plan.topology.nodes.filter(({ kind }) => kind === 'rekey').length
    for (let pass = 0; pass <= inner; pass++) {
      const places = this.#set.committedPositions({ innerOnly: false })
      const asked = listOffsets(this.#cluster, places, latestTimestamp, 'read_uncommitted')
      const ends = await Promise.race([asked, this.failed])
      await this.#waiters.until(() => {
        if (this.#state !== 'running') return false
        const at = new Map(
          this.#set
            .committedPositions({ innerOnly: false })
            .map((place) => [`${place.topic}/${place.partition}`, place]),
        )
        return ends.every(({ topic, partition, offset }) => {
          const place = at.get(`${topic}/${partition}`)
          return place === undefined || place.offset >= offset
        })
      })
    }
  }

  /** Ends the service with the error that stopped it. */
  async #stop(error: unknown): Promise<void> {
    if (this.#state === 'failed' || this.#state === 'closed') return
    this.#isClosing = true
    this.#state = 'failed'
    this.#reject(error)
    this.#waiters.fail(error)
    this.#notify()
    await this.#release()
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#isClosing = true
    this.#notify()
    // With a broker that does not answer, waiting for a good end would take minutes.
    const late = this.#options.clock.after(closeTimeoutMs, () => void this.#cluster.close())
    await this.#loop
    if (this.#state !== 'failed') {
      this.#state = 'closed'
      this.#waiters.fail(closedError(this.service))
      if (!this.#isBroken) await quietly(this.#suspend())
    }
    await this.#release()
    late.cancel()
  }

  #release(): Promise<void> {
    this.#released ??= this.#letGo()
    return this.#released
  }

  async #letGo(): Promise<void> {
    for (const { served } of this.#requests.splice(0)) served.resolve()
    await this.#set.drop()
    await quietly(this.#leave())
    await quietly(this.#consumer.close())
    await quietly(this.#committer.close())
    await this.#cluster.close()
  }

  /** Gives the partitions free at once; a static member would keep them until its session ends. */
  async #leave(): Promise<void> {
    const { groupId, memberId, groupInstanceId } = this.#member.metadata
    await this.#member.leave()
    if (memberId === '') return
    const body = { groupId, members: [{ memberId, groupInstanceId }] }
    await this.#cluster.request('LeaveGroup', body, { coordinator: 'group', id: groupId })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
