/**
 * Runs one service on a broker: one group member, one producer, one consumer, and a loop.
 *
 *   starting --group assigns--> restoring --state is back--> running --close--> closed
 *                                   ^---- group rebalances ----'  \--error--> failed
 *
 * Each turn of the loop serves the group, takes what was fetched, processes records and, when it is time,
 * commits. Everything that changes tasks happens between two turns, so a rebalance finds records committed
 * or not begun. What is processed is committed under the ownership it was processed under, or not at all.
 *
 * What a record or a function fails with stops the service, unless it is to pass, once everything before it is
 * committed (`stop-places.ts`). Any other failure drops the state, aborts the transaction, asks the group who owns
 * what, and starts again from what is committed.
 */
import type { Cluster } from '../../client/cluster/cluster.ts'
import type { Ownership } from '../../client/group/group-member.ts'
import { planted } from '../../base/planted.ts'
import type { KnownTopics } from '../identity/known-topics.ts'
import { prepareStores } from '../identity/prepare.ts'
import type { Plan } from '../plan/plan.ts'
import { EmitFailure } from '../stores/emit.ts'
import type { InstanceNow } from './answering.ts'
import { caughtUp } from './caught-up.ts'
import { closedError, quietly } from './failures.ts'
import { pollWaitMs } from './fetching.ts'
import { finishBegun } from './finish-begun.ts'
import { GroupRequests, type GroupRequest } from './group-requests.ts'
import { instanceIdDefault } from './instance.ts'
import { partsOf, type Parts } from './parts.ts'
import type { RunTopologyOptions, RunningTopology, ServiceStats } from './running.ts'
import { groupEvent } from './service-event.ts'
import type { StoppedError } from '../task/stopped.ts'
import { statsOf } from './stats.ts'

export class Runtime implements RunningTopology {
  readonly service: string
  readonly instanceId: string
  readonly views: RunningTopology['views']
  readonly #plan: Plan
  readonly #options: RunTopologyOptions
  readonly #cluster: Cluster
  readonly #parts: Parts
  readonly #requests = new GroupRequests()
  readonly #failure = Promise.withResolvers<never>()
  readonly failed: Promise<never> = this.#failure.promise
  #loop: Promise<void> | undefined
  #released: Promise<void> | undefined
  #closed: Promise<void> | undefined
  #isClosing = false
  /** The transaction is to be given up; nothing is held in memory. */
  #isBroken = false
  /** What the group has given us; undefined while it rebalances. */
  #held: Ownership | undefined
  #mustOpen = false
  #known: KnownTopics | undefined

  constructor(cluster: Cluster, plan: Plan, options: RunTopologyOptions) {
    this.service = plan.topology.service
    this.instanceId = options.instanceId ?? instanceIdDefault
    this.#plan = plan
    this.#options = options
    this.#cluster = cluster
    this.#parts = partsOf(cluster, plan, options, {
      onAssigned: async (ownership) => this.#take(ownership),
      onRevoked: (ownership) => this.#request('revoked', ownership),
      onLost: (ownership) => this.#request('lost', ownership),
      onFailed: (error) => void this.#stop(error),
      now: () => this.#now(),
    })
    const { answering, set } = this.#parts
    this.views = answering.views(plan, () => set.tasks)
    this.failed.catch(() => undefined)
  }

  /** Resolves when state is restored and the service processes. */
  async start(): Promise<void> {
    this.#known = await prepareStores(this.#cluster, this.#plan, this.#options)
    await this.#parts.limits.read()
    this.#loop = this.#run()
    this.#parts.member.join().catch((error: unknown) => this.#stop(error))
    await this.#parts.waiters.until(() => this.#parts.condition.inner === 'running')
  }

  async #run(): Promise<void> {
    while (!this.#isClosing) {
      try {
        await this.#turn()
      } catch (thrown) {
        const error = thrown instanceof EmitFailure ? thrown.cause : thrown
        const isLearned = await this.#parts.limits.learn(error)
        const mayGoOn = this.#parts.repairs.mayGoOn(error, isLearned)
        if (!mayGoOn && !this.#mayLeadUpTo(error)) return this.#stop(error)
        await this.#giveUpWork()
        if (mayGoOn) await this.#parts.repairs.pause()
      }
    }
  }

  /** Whether something before the record that stops the service is to be done yet. */
  #mayLeadUpTo(error: unknown): boolean {
    const { stops, set, condition } = this.#parts
    if (!stops.add(error, set.tasks)) return false
    condition.tell({ type: 'stopping', error })
    return true
  }

  async #turn(): Promise<void> {
    if (this.#isBroken) await this.#startOver()
    while (this.#requests.first !== undefined) await this.#serve(this.#requests.first)
    if (this.#mustOpen) await this.#open()
    const { fetching, stops, set, committer, pace, waiters, turns, sleeper } = this.#parts
    fetching.goOn()
    const done = this.#process()
    const stop = this.#now().isOpen ? stops.reached(set.tasks) : undefined
    if (stop !== undefined) return this.#stopThere(stop)
    await committer.ready()
    const isDue = pace.isDue(done > 0, waiters.count > 0, turns.isCareful)
    if (isDue && set.isBetweenBatches) await this.#commit()
    else if (done > 0) await sleeper.breathe()
    else await sleeper.sleep(pace.idleMs(set.hasMoved) ?? pollWaitMs)
    waiters.check()
  }

  /** Stops before a record, with everything before it committed. */
  async #stopThere(error: StoppedError): Promise<void> {
    await this.#finish()
    await this.#stop(error)
  }

  #process(): number {
    const { turns, set, pace, news } = this.#parts
    turns.begin()
    const done = set.process(turns, this.#options.clock.now())
    if (done > 0) pace.processed(done)
    news.consider(set.tasks)
    const failure = turns.takeFailure()
    if (failure !== undefined) throw failure
    return done
  }

  async #commit(): Promise<void> {
    const ownership = this.#committingOwnership()
    if (ownership === undefined) return
    this.#known?.check(this.#cluster)
    const { pace, committer, set, member, turns, repairs, purge, limits } = this.#parts
    pace.begin()
    await committer.commit(set, member, ownership, this.#options.clock.now())
    pace.committed()
    turns.committed()
    repairs.progressed()
    purge.consider(() => set.committedPositions({ innerOnly: true }))
    limits.consider()
  }

  /** What everything processed and not committed was processed under. */
  #committingOwnership(): Ownership | undefined {
    if (planted.has('rejoin-while-closing')) return this.#parts.member.ownership ?? this.#held
    return this.#held
  }

  #take(ownership: Ownership): void {
    if (this.#isClosing) return
    this.#held = ownership
    this.#mustOpen = true
    this.#parts.condition.tell(groupEvent('assigned', ownership))
    if (this.#parts.answering.mustTellAgain(ownership)) this.#parts.member.rejoin()
    this.#parts.sleeper.wake()
  }

  async #request(kind: GroupRequest['kind'], ownership: Ownership): Promise<void> {
    if (this.#isClosing) return
    if (kind === 'lost' && planted.has('commit-without-generation')) return
    this.#parts.condition.tell(groupEvent(kind, ownership))
    // With nothing in memory there is nothing to finish, and whoever waits for us need not.
    if (this.#isBroken) return this.#letGo()
    const served = this.#requests.add(kind, ownership)
    this.#parts.sleeper.wake()
    await served
  }

  #letGo(): void {
    this.#held = undefined
    this.#mustOpen = false
  }

  async #serve({ kind, ownership }: GroupRequest): Promise<void> {
    try {
      await this.#parts.fetching.settled()
      const isOpen = !this.#mustOpen && this.#held === ownership
      if (kind === 'revoked' && isOpen) await this.#suspend(ownership)
      else await this.#giveUpWork()
    } finally {
      this.#letGo()
      this.#become('restoring')
      this.#requests.done()
    }
  }

  /** Commits before the partitions go, so that whoever gets them repeats nothing. */
  async #suspend(ownership: Ownership): Promise<void> {
    await this.#finish()
    this.#parts.news.tell(this.#parts.set.tasks)
    await this.#parts.fetching.stop()
    this.#parts.set.suspend(ownership)
  }

  /** Ends what is begun, and commits it. */
  async #finish(): Promise<void> {
    await finishBegun({
      set: this.#parts.set,
      clock: this.#options.clock,
      sleeper: this.#parts.sleeper,
      settings: this.#parts.settings,
      process: () => this.#process(),
      ready: () => this.#parts.committer.ready(),
    })
    if (this.#parts.pace.isPending) await this.#commit()
  }

  async #open(): Promise<void> {
    const ownership = this.#held
    if (ownership === undefined) return
    const startedAt = this.#options.clock.monotonic()
    this.#become('restoring')
    const assertWanted = (): void => {
      this.#parts.member.assertOwns(ownership)
      if (this.#isClosing || !this.#requests.isEmpty) throw closedError(this.service)
    }
    try {
      await this.#known?.checkAssigned(this.#cluster, ownership.partitions)
      if (!planted.has('fence-successor')) assertWanted()
      if (ownership.partitions.length > 0) await this.#parts.committer.start()
      const opened = await this.#parts.set.open(ownership, this.#parts.member, assertWanted)
      this.#parts.fetching.start()
      this.#mustOpen = false
      // What a decider has folded of its events is to be committed, also when nobody asks for anything.
      if (this.#parts.set.hasRows) this.#parts.pace.processed(0)
      const ms = Math.round(this.#options.clock.monotonic() - startedAt)
      this.#parts.condition.tell({ type: 'opened', ...opened, ms })
      this.#become('running')
    } catch (error) {
      // The group wants something else by now, or the service is to end: that is served first.
      if (!this.#isClosing && this.#requests.isEmpty) throw error
    }
  }

  #become(state: 'restoring' | 'running'): void {
    if (!this.#isClosing) this.#parts.condition.become(state)
  }

  /** Drops state and everything begun; the transaction is given up before the next turn. */
  async #giveUpWork(): Promise<void> {
    this.#isBroken = true
    await this.#parts.fetching.stop()
    this.#become('restoring')
    await this.#parts.set.drop()
    this.#parts.pace.reset()
    this.#parts.turns.dropped()
    this.#mustOpen = this.#held !== undefined
  }

  /** Makes ready to go on from what is committed: who has lost its partitions learns that first. */
  async #startOver(): Promise<void> {
    if (this.#held && !planted.has('fence-successor')) await this.#parts.member.confirm(this.#held)
    await this.#parts.committer.startOver()
    this.#isBroken = false
  }

  #now(): InstanceNow {
    const isOpen = this.#held !== undefined && !this.#mustOpen && !this.#isBroken
    return {
      state: this.#parts.condition.inner,
      isClosing: this.#isClosing,
      held: this.#held,
      isOpen,
    }
  }

  stats(): ServiceStats {
    return statsOf({
      condition: this.#parts.condition,
      commits: this.#parts.pace.commits,
      opener: this.#parts.opener,
      counts: this.#parts.counts,
      set: this.#parts.set,
      now: this.#now(),
      repairs: this.#parts.repairs,
      answering: this.#parts.answering,
    })
  }

  caughtUp(): Promise<void> {
    return caughtUp({
      cluster: this.#cluster,
      set: this.#parts.set,
      waiters: this.#parts.waiters,
      failed: this.failed,
      isRunning: () => this.#parts.condition.inner === 'running',
      innerTopics: this.#plan.topology.nodes.filter(({ kind }) => kind === 'rekey').length,
    })
  }

  /** Ends the service with the error that stopped it. */
  async #stop(error: unknown): Promise<void> {
    if (this.#parts.condition.hasEnded) return
    this.#parts.repairs.ended(error)
    // Who is closing ends closed: what was begun is not committed, and nobody waits to hear of it.
    if (this.#closed !== undefined) {
      this.#isBroken = true
      return
    }
    this.#isClosing = true
    this.#parts.condition.end('failed')
    this.#parts.condition.tell({ type: 'failed', error })
    this.#failure.reject(error)
    this.#parts.waiters.fail(error)
    this.#parts.sleeper.wake()
    await (this.#released ??= this.#leave())
  }

  /** @param reason what those get who still wait for the service */
  close(reason: unknown = closedError(this.service)): Promise<void> {
    return (this.#closed ??= this.#close(reason))
  }

  async #close(reason: unknown): Promise<void> {
    this.#isClosing = true
    if (!planted.has('rejoin-while-closing')) this.#parts.member.retire()
    this.#requests.release()
    this.#parts.sleeper.wake()
    // With a broker that does not answer, waiting for a good end would take minutes.
    const late = this.#options.clock.after(
      this.#parts.settings.closeTimeoutMs,
      () => void this.#cluster.close(),
    )
    await this.#loop
    if (this.#parts.condition.inner !== 'failed') {
      this.#parts.condition.end('closed')
      this.#parts.waiters.fail(reason)
      const ownership = this.#committingOwnership()
      const isOpen = !this.#isBroken && !this.#mustOpen && ownership !== undefined
      if (isOpen) await quietly(this.#suspend(ownership))
    }
    await (this.#released ??= this.#leave())
    late.cancel()
  }

  async #leave(): Promise<void> {
    this.#requests.release()
    await this.#parts.set.drop()
    // Before the group gives the partitions to another, the transaction over them is to be ended.
    await quietly(this.#parts.committer.close())
    await quietly(this.#parts.member.leave({ isFinal: true }))
    await this.#parts.fetching.close()
    await this.#cluster.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
