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
 * What a record or a function fails with stops the service, unless it is to pass. Any other failure drops the
 * state, aborts the transaction, asks the group who owns what, and starts again from what is committed.
 */
import type { Cluster } from '../../client/cluster/cluster.ts'
import { GroupMember, type Ownership } from '../../client/group/group-member.ts'
import { planted } from '../../base/planted.ts'
import type { KnownTopics } from '../identity/known-topics.ts'
import { prepareStores } from '../identity/prepare.ts'
import { operatorCounts } from '../operators/counts.ts'
import type { Plan } from '../plan/plan.ts'
import { EmitFailure } from '../stores/emit.ts'
import { keyCodecs } from '../stores/serde.ts'
import { Answering, type InstanceNow } from './answering.ts'
import { caughtUp } from './caught-up.ts'
import { CommitPace } from './commit-pace.ts'
import { Committer } from './commit.ts'
import { Condition } from './condition.ts'
import { DiscardNews } from './discard-news.ts'
import { closedError, quietly } from './failures.ts'
import { Fetching, pollWaitMs } from './fetching.ts'
import { finishBegun } from './finish-begun.ts'
import { GroupRequests, type GroupRequest } from './group-requests.ts'
import { membershipOf } from './membership.ts'
import { Opener } from './open.ts'
import { Purge } from './purge.ts'
import { Repairs } from './repairs.ts'
import type { RunTopologyOptions, RunningTopology, ServiceStats } from './running.ts'
import { groupEvent } from './service-event.ts'
import { settingsOf, type Settings } from './settings.ts'
import { Sleeper } from './sleeper.ts'
import { statsOf } from './stats.ts'
import { TaskSet } from './task-set.ts'
import { Turns } from './turn.ts'
import { Waiters } from './waiters.ts'

export class Runtime implements RunningTopology {
  readonly service: string
  readonly views: RunningTopology['views']
  readonly #plan: Plan
  readonly #options: RunTopologyOptions
  readonly #settings: Settings
  readonly #cluster: Cluster
  readonly #member: GroupMember
  readonly #opener: Opener
  readonly #set: TaskSet
  readonly #fetching: Fetching
  readonly #counts = operatorCounts()
  readonly #committer: Committer
  readonly #waiters = new Waiters()
  readonly #requests = new GroupRequests()
  readonly #pace: CommitPace
  readonly #purge: Purge
  readonly #turns: Turns
  readonly #news: DiscardNews
  readonly #repairs: Repairs
  readonly #sleeper: Sleeper
  readonly #answering: Answering
  readonly #failure = Promise.withResolvers<never>()
  readonly failed: Promise<never> = this.#failure.promise
  readonly #condition: Condition
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
    const { service } = plan.topology
    const { clock, random, instanceId = '1' } = options
    const settings = settingsOf(options)
    const { transactionalId, queryAddress, ...membership } = membershipOf(plan, options)
    this.service = service
    this.#plan = plan
    this.#options = options
    this.#settings = settings
    this.#cluster = cluster
    this.#pace = new CommitPace(clock, settings.commitIntervalMs)
    this.#sleeper = new Sleeper(clock)
    this.#purge = new Purge(cluster, settings.purgeIntervalMs)
    this.#condition = new Condition(cluster, (event) => options.onEvent?.(event, service))
    const [{ tell }, wake] = [this.#condition, (): void => this.#sleeper.wake()]
    this.#turns = new Turns({
      ...settings,
      clock,
      service,
      isFull: () => this.#committer.ready() !== undefined,
      onSlow: (slow) => tell({ type: 'slow-record', ...slow }),
    })
    this.#news = new DiscardNews(clock, tell)
    this.#repairs = new Repairs(clock, random, tell)
    this.#committer = new Committer(cluster, {
      guarantee: options.guarantee ?? 'exactly-once',
      transactionalId,
      transactionTimeoutMs: settings.transactionTimeoutMs,
    })
    const { transactionTimeoutMs, requestTimeoutMs } = settings
    const [committer, { stalls }] = [this.#committer, this.#repairs]
    this.#member = new GroupMember(cluster, {
      ...settings,
      ...membership,
      groupId: service,
      onAssigned: async (ownership) => this.#take(ownership),
      onRevoked: (ownership) => this.#request('revoked', ownership),
      onLost: (ownership) => this.#request('lost', ownership),
      onFailed: (error) => void this.#stop(error),
    })
    this.#opener = new Opener({
      cluster,
      plan,
      context: { partition: 0, keys: keyCodecs(), emit: committer.emit, counts: this.#counts },
      stamp: { instanceId, now: () => clock.now() },
      transactionalId: () => committer.transactionalId,
      transactionTimeoutMs,
      onGap: options.onGap ?? 'stop',
      stalls,
      onReady: wake,
      onEvent: tell,
    })
    this.#set = new TaskSet(clock, this.#opener)
    this.#fetching = new Fetching(cluster, this.#set, requestTimeoutMs, stalls, wake)
    this.#answering = new Answering({
      cluster,
      member: this.#member,
      queryAddress,
      gate: (state) => this.#waiters.gate(state),
      now: () => this.#now(),
    })
    this.views = this.#answering.views(plan, () => this.#set.tasks)
    this.failed.catch(() => undefined)
  }

  /** Resolves when state is restored and the service processes. */
  async start(): Promise<void> {
    this.#known = await prepareStores(this.#cluster, this.#plan, this.#options)
    this.#loop = this.#run()
    this.#member.join().catch((error: unknown) => this.#stop(error))
    await this.#waiters.until(() => this.#condition.inner === 'running')
  }

  async #run(): Promise<void> {
    while (!this.#isClosing) {
      try {
        await this.#turn()
      } catch (thrown) {
        const error = thrown instanceof EmitFailure ? thrown.cause : thrown
        if (!this.#repairs.mayGoOn(error)) return this.#stop(error)
        await this.#giveUpWork()
        await this.#repairs.pause()
      }
    }
  }

  async #turn(): Promise<void> {
    if (this.#isBroken) await this.#startOver()
    while (this.#requests.first !== undefined) await this.#serve(this.#requests.first)
    if (this.#mustOpen) await this.#open()
    this.#fetching.goOn()
    const done = this.#process()
    await this.#committer.ready()
    const isDue = this.#pace.isDue(done > 0, this.#waiters.count > 0, this.#turns.isCareful)
    if (isDue && this.#set.isBetweenBatches) await this.#commit()
    else if (done > 0) await this.#sleeper.breathe()
    else await this.#sleeper.sleep(this.#pace.idleMs(this.#set.hasMoved) ?? pollWaitMs)
    this.#waiters.check()
  }

  #process(): number {
    this.#turns.begin()
    const done = this.#set.process(this.#turns, this.#options.clock.now())
    if (done > 0) this.#pace.processed(done)
    this.#news.consider(this.#set.tasks)
    if (this.#turns.failure !== undefined) throw this.#turns.failure
    return done
  }

  async #commit(): Promise<void> {
    const ownership = this.#committingOwnership()
    if (ownership === undefined) return
    this.#known?.check(this.#cluster)
    this.#pace.begin()
    await this.#committer.commit(this.#set, this.#member, ownership, this.#options.clock.now())
    this.#pace.committed()
    this.#turns.committed()
    this.#repairs.progressed()
    this.#purge.consider(() => this.#set.committedPositions({ innerOnly: true }))
  }

  /** What everything processed and not committed was processed under. */
  #committingOwnership(): Ownership | undefined {
    if (planted.has('rejoin-while-closing')) return this.#member.ownership ?? this.#held
    return this.#held
  }

  #take(ownership: Ownership): void {
    if (this.#isClosing) return
    this.#held = ownership
    this.#mustOpen = true
    this.#condition.tell(groupEvent('assigned', ownership))
    if (this.#answering.mustTellAgain(ownership)) this.#member.rejoin()
    this.#sleeper.wake()
  }

  async #request(kind: GroupRequest['kind'], ownership: Ownership): Promise<void> {
    if (this.#isClosing) return
    if (kind === 'lost' && planted.has('commit-without-generation')) return
    this.#condition.tell(groupEvent(kind, ownership))
    // With nothing in memory there is nothing to finish, and whoever waits for us need not.
    if (this.#isBroken) return this.#letGo()
    const served = this.#requests.add(kind, ownership)
    this.#sleeper.wake()
    await served
  }

  #letGo(): void {
    this.#held = undefined
    this.#mustOpen = false
  }

  async #serve({ kind, ownership }: GroupRequest): Promise<void> {
    try {
      await this.#fetching.settled()
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
    await finishBegun({
      set: this.#set,
      clock: this.#options.clock,
      sleeper: this.#sleeper,
      settings: this.#settings,
      process: () => this.#process(),
      ready: () => this.#committer.ready(),
    })
    if (this.#pace.isPending) await this.#commit()
    this.#news.tell(this.#set.tasks)
    await this.#fetching.stop()
    this.#set.suspend(ownership)
  }

  async #open(): Promise<void> {
    const ownership = this.#held
    if (ownership === undefined) return
    const startedAt = this.#options.clock.monotonic()
    this.#become('restoring')
    const assertWanted = (): void => {
      this.#member.assertOwns(ownership)
      if (this.#isClosing || !this.#requests.isEmpty) throw closedError(this.service)
    }
    try {
      await this.#known?.checkAssigned(this.#cluster, ownership.partitions)
      if (!planted.has('fence-successor')) assertWanted()
      if (ownership.partitions.length > 0) await this.#committer.start()
      const opened = await this.#set.open(ownership, this.#member, assertWanted)
      this.#fetching.start()
      this.#mustOpen = false
      const ms = Math.round(this.#options.clock.monotonic() - startedAt)
      this.#condition.tell({ type: 'opened', ...opened, ms })
      this.#become('running')
    } catch (error) {
      // The group wants something else by now, or the service is to end: that is served first.
      if (!this.#isClosing && this.#requests.isEmpty) throw error
    }
  }

  #become(state: 'restoring' | 'running'): void {
    if (!this.#isClosing) this.#condition.become(state)
  }

  /** Drops state and everything begun; the transaction is given up before the next turn. */
  async #giveUpWork(): Promise<void> {
    this.#isBroken = true
    await this.#fetching.stop()
    this.#become('restoring')
    await this.#set.drop()
    this.#pace.reset()
    this.#turns.dropped()
    this.#mustOpen = this.#held !== undefined
  }

  /** Makes ready to go on from what is committed: who has lost its partitions learns that first. */
  async #startOver(): Promise<void> {
    if (this.#held && !planted.has('fence-successor')) await this.#member.confirm(this.#held)
    await this.#committer.startOver()
    this.#isBroken = false
  }

  #now(): InstanceNow {
    const isOpen = this.#held !== undefined && !this.#mustOpen && !this.#isBroken
    return { state: this.#condition.inner, isClosing: this.#isClosing, held: this.#held, isOpen }
  }

  stats(): ServiceStats {
    return statsOf({
      condition: this.#condition,
      commits: this.#pace.commits,
      opener: this.#opener,
      counts: this.#counts,
      set: this.#set,
      now: this.#now(),
      repairs: this.#repairs,
      isAnswering: this.#answering.isAnswering,
    })
  }

  caughtUp(): Promise<void> {
    return caughtUp({
      cluster: this.#cluster,
      set: this.#set,
      waiters: this.#waiters,
      failed: this.failed,
      isRunning: () => this.#condition.inner === 'running',
      innerTopics: this.#plan.topology.nodes.filter(({ kind }) => kind === 'rekey').length,
    })
  }

  /** Ends the service with the error that stopped it. */
  async #stop(error: unknown): Promise<void> {
    if (this.#condition.hasEnded) return
    this.#repairs.ended(error)
    // Who is closing ends closed: what was begun is not committed, and nobody waits to hear of it.
    if (this.#closed !== undefined) {
      this.#isBroken = true
      return
    }
    this.#isClosing = true
    this.#condition.end('failed')
    this.#condition.tell({ type: 'failed', error })
    this.#failure.reject(error)
    this.#waiters.fail(error)
    this.#sleeper.wake()
    await (this.#released ??= this.#leave())
  }

  /** @param reason what those get who still wait for the service */
  close(reason: unknown = closedError(this.service)): Promise<void> {
    return (this.#closed ??= this.#close(reason))
  }

  async #close(reason: unknown): Promise<void> {
    this.#isClosing = true
    if (!planted.has('rejoin-while-closing')) this.#member.retire()
    this.#requests.release()
    this.#sleeper.wake()
    // With a broker that does not answer, waiting for a good end would take minutes.
    const late = this.#options.clock.after(
      this.#settings.closeTimeoutMs,
      () => void this.#cluster.close(),
    )
    await this.#loop
    if (this.#condition.inner !== 'failed') {
      this.#condition.end('closed')
      this.#waiters.fail(reason)
      const ownership = this.#committingOwnership()
      const isOpen = !this.#isBroken && !this.#mustOpen && ownership !== undefined
      if (isOpen) await quietly(this.#suspend(ownership))
    }
    await (this.#released ??= this.#leave())
    late.cancel()
  }

  async #leave(): Promise<void> {
    this.#requests.release()
    await this.#set.drop()
    // Before the group gives the partitions to another, the transaction over them is to be ended.
    await quietly(this.#committer.close())
    await quietly(this.#member.leave({ isFinal: true }))
    await this.#fetching.close()
    await this.#cluster.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
