/**
 * Runs one sink: one group member, one consumer, one connection to the database, and a loop.
 *
 *   starting --group assigns--> restoring --claimed--> running --close--> closed
 *                                   ^--- rebalance, database away ---'  \--error--> failed
 *
 * Each turn serves the group, takes what was fetched and writes it, chunk by chunk. A rebalance finds chunks
 * written or not begun. Whatever fails and may pass drops what was fetched, claims the positions anew and goes
 * on from them: what the database says of them is what is in the tables, also when nobody heard how a
 * transaction ended.
 *
 * What is committed to the group is for those who look at it (`headwater offsets`, Kafka's tools): nobody goes
 * on from there.
 */
import { HeadwaterError, isHeadwaterError } from '../base/errors.ts'
import { backoffMs, sleep } from '../client/cluster/backoff.ts'
import type { Cluster } from '../client/cluster/cluster.ts'
import { Consumer } from '../client/consumer/consumer.ts'
import { latestTimestamp, listOffsets } from '../client/consumer/list-offsets.ts'
import { GroupMember } from '../client/group/group-member.ts'
import type { Ownership } from '../client/group/group-member.ts'
import { operatorCounts } from '../streams/operators/counts.ts'
import { Condition } from '../streams/runtime/condition.ts'
import { closedError, quietly } from '../streams/runtime/failures.ts'
import { GroupRequests } from '../streams/runtime/group-requests.ts'
import type { GroupRequest } from '../streams/runtime/group-requests.ts'
import { Repairs } from '../streams/runtime/repairs.ts'
import { groupEvent } from '../streams/runtime/service-event.ts'
import { Sleeper } from '../streams/runtime/sleeper.ts'
import { Waiters } from '../streams/runtime/waiters.ts'
import { chunksOf } from './chunk.ts'
import type { Database } from './database.ts'
import { DiscardCounts } from './discard-counts.ts'
import type { Letters } from './letters.ts'
import { sinkMembership } from './membership.ts'
import { openPartitions } from './open.ts'
import { DatabaseOutage } from './outage.ts'
import type { RunningSink, SinkStats } from './running.ts'
import type { SinkOptions, SinkSettings } from './settings.ts'
import type { PostgresSink } from './sink.ts'
import { isSqlFailure } from './sql-failure.ts'
import { SinkPlaces } from './places.ts'
import type { WrittenTable } from './statements.ts'
import { sinkStats } from './stats.ts'
import { takeOf } from './take.ts'
import { ChunkWriter } from './writer.ts'

const pollWaitMs = 100
const fetchBytesMax = 8 * 1024 * 1024
/** How often the group is told how far the sink is. */
const groupCommitMs = 5_000

export interface RuntimeOptions {
  readonly cluster: Cluster
  readonly sink: PostgresSink
  readonly options: SinkOptions
  readonly settings: SinkSettings
  readonly database: Database
  readonly tables: readonly WrittenTable[]
  readonly letters: Letters
}

export class SinkRuntime implements RunningSink {
  readonly service: string
  readonly services: readonly RunningSink[] = [this]
  readonly #o: RuntimeOptions
  readonly #cluster: Cluster
  readonly #member: GroupMember
  readonly #consumer: Consumer
  readonly #writer: ChunkWriter
  readonly #take: ReturnType<typeof takeOf>
  readonly #places = new SinkPlaces()
  readonly #counts = operatorCounts()
  readonly #waiters = new Waiters()
  readonly #requests = new GroupRequests()
  readonly #repairs: Repairs
  readonly #sleeper: Sleeper
  readonly #condition: Condition
  readonly #outage: DatabaseOutage
  readonly #discards: DiscardCounts
  readonly #failure = Promise.withResolvers<never>()
  readonly failed: Promise<never> = this.#failure.promise
  #commits = 0
  #skipped = 0
  #toldGroupAt = -Infinity
  #telling: Promise<void> | undefined
  #loop: Promise<void> | undefined
  #released: Promise<void> | undefined
  #closed: Promise<void> | undefined
  #isClosing = false
  #isOpen = false
  #held: Ownership | undefined

  constructor(o: RuntimeOptions) {
    const { cluster, sink, options, settings, database, tables, letters } = o
    const { clock, random } = cluster
    this.#o = o
    this.service = sink.name
    this.#cluster = cluster
    this.#sleeper = new Sleeper(clock)
    this.#condition = new Condition(cluster, (event) => options.onEvent?.(event, sink.name))
    const { tell } = this.#condition
    this.#outage = new DatabaseOutage(clock, (event) => options.onEvent?.(event, sink.name))
    this.#repairs = new Repairs(clock, random, tell)
    this.#discards = new DiscardCounts(clock, (discard) => tell({ type: 'discarded', ...discard }))
    this.#take = takeOf(sink)
    this.#member = new GroupMember(cluster, {
      ...settings,
      ...sinkMembership(sink, options.instanceId, random),
      onAssigned: async (ownership) => this.#assigned(ownership),
      onRevoked: (ownership) => this.#request('revoked', ownership),
      onLost: (ownership) => this.#request('lost', ownership),
      onFailed: (error) => void this.#stop(error),
    })
    this.#consumer = new Consumer(cluster, { isolation: 'read_committed', fetchBytesMax })
    this.#writer = new ChunkWriter({
      sink: sink.name,
      onError: sink.onError,
      database,
      tables,
      letters,
      counts: this.#counts,
      onDiscard: (discard) => this.#discards.add(discard),
      onStored: ({ moves }) => {
        this.#places.moved(moves)
        this.#commits++
        this.#repairs.progressed()
      },
    })
    this.failed.catch(() => undefined)
  }

  /** Resolves when what the group gave it is claimed, and it writes. */
  async start(): Promise<void> {
    this.#loop = this.#run()
    this.#member.join().catch((error: unknown) => this.#stop(error))
    await this.#waiters.until(() => this.#condition.inner === 'running')
  }

  async #run(): Promise<void> {
    while (!this.#isClosing) {
      try {
        await this.#turn()
      } catch (error) {
        if (!(await this.#recover(error))) return this.#stop(error)
      }
    }
  }

  async #turn(): Promise<void> {
    while (this.#requests.first !== undefined) await this.#serve(this.#requests.first)
    if (!this.#o.database.isConnected) await this.#connect()
    if (this.#held !== undefined && !this.#isOpen) await this.#open(this.#held)
    this.#waiters.check()
    this.#discards.consider()
    if (!this.#isOpen || this.#places.isEmpty) return this.#sleeper.sleep(pollWaitMs)
    const fetched = await this.#consumer.poll(pollWaitMs)
    this.#repairs.stalls.look(this.#consumer.hindrance)
    this.#places.noteEnds(this.#consumer)
    await this.#write(fetched)
    this.#considerTelling()
  }

  async #connect(): Promise<void> {
    await this.#o.database.connect()
    this.#outage.over()
  }

  async #write(fetched: Parameters<typeof chunksOf>[0]): Promise<void> {
    const { sink, settings } = this.#o
    const chunks = chunksOf(fetched, this.#places.offsets, {
      sink: sink.name,
      take: this.#take,
      limits: settings.limits,
      stops: sink.onError === 'stop',
    })
    for (const chunk of chunks) {
      // The rest is read again, by whoever has the partitions then.
      if (this.#isClosing || !this.#requests.isEmpty) return
      await this.#writer.write(chunk, this.#places.positions)
    }
  }

  #assigned(ownership: Ownership): void {
    if (this.#isClosing) return
    this.#held = ownership
    this.#condition.tell(groupEvent('assigned', ownership))
    this.#sleeper.wake()
  }

  async #request(kind: GroupRequest['kind'], ownership: Ownership): Promise<void> {
    if (this.#isClosing) return
    this.#condition.tell(groupEvent(kind, ownership))
    const served = this.#requests.add(kind, ownership)
    this.#sleeper.wake()
    await served
  }

  async #serve({ kind, ownership }: GroupRequest): Promise<void> {
    if (kind === 'revoked') await this.#tellGroup()
    this.#giveUp()
    if (this.#held === ownership) this.#held = undefined
    this.#requests.done()
  }

  async #open(ownership: Ownership): Promise<void> {
    const startedAt = this.#cluster.clock.monotonic()
    const { cluster, sink, options, database } = this.#o
    // Who has lost its partitions learns that before it takes them from somebody.
    await this.#member.confirm(ownership)
    if (!this.#requests.isEmpty) return
    const opened = await openPartitions({ cluster, sink, options, database, ownership })
    for (const { topic, partition, skipped } of opened.starts) {
      if (skipped === 0) continue
      this.#skipped += skipped
      this.#condition.tell({ type: 'skipped', topic, partition, records: skipped })
    }
    this.#places.opened(opened)
    this.#consumer.assign(opened.starts)
    this.#isOpen = true
    const ms = Math.round(this.#cluster.clock.monotonic() - startedAt)
    this.#condition.tell({ type: 'opened', kept: opened.starts.length, restored: 0, ms })
    if (!this.#isClosing) this.#condition.become('running')
  }

  /** Drops what was fetched and not written. */
  #giveUp(): void {
    this.#isOpen = false
    this.#consumer.assign([])
    if (!this.#isClosing) this.#condition.become('restoring')
  }

  /** After a failure: false when the sink has to stop with it. */
  async #recover(error: unknown): Promise<boolean> {
    const wasOpen = this.#isOpen
    this.#giveUp()
    if (isSqlFailure(error, 'away') || isSqlFailure(error, 'refused')) {
      this.#repairs.ended(error.error)
      const attempt = this.#outage.lost(error.error)
      // The connection may have broken between two transactions: then the first attempt is due now.
      if (!wasOpen) await sleep(this.#cluster.clock, backoffMs(attempt, this.#cluster.random))
      await this.#lookAhead()
      return true
    }
    const { onTopicReplaced } = this.#o.options
    const isNew = isHeadwaterError(error, 'topic-replaced') && onTopicReplaced === 'restart'
    const told = isNew
      ? new HeadwaterError(error.code, error.message, { retriable: true, cause: error })
      : isSqlFailure(error)
        ? error.error
        : error
    if (!this.#repairs.mayGoOn(told)) return false
    await this.#repairs.pause()
    return true
  }

  /** While nothing is written, how much there is to write is asked for. */
  async #lookAhead(): Promise<void> {
    const places = this.#places.partitions
    const asked = listOffsets(this.#cluster, places, latestTimestamp, 'read_uncommitted')
    await quietly(asked.then((ends) => this.#places.endAt(ends)))
  }

  /** Tells the group now and then, and waits for no answer: a coordinator may be away for long. */
  #considerTelling(): void {
    const now = this.#cluster.clock.monotonic()
    if (this.#telling !== undefined || now - this.#toldGroupAt < groupCommitMs) return
    this.#toldGroupAt = now
    this.#telling = this.#tellGroup().finally(() => (this.#telling = undefined))
  }

  async #tellGroup(): Promise<void> {
    await this.#telling
    const ownership = this.#held
    if (ownership === undefined || !this.#isOpen) return
    await quietly(this.#member.commit(ownership, this.#places.untold()))
  }

  stats(): SinkStats {
    return sinkStats({
      condition: this.#condition,
      outage: this.#outage,
      counts: this.#counts,
      places: this.#places,
      repairs: this.#repairs,
      commits: this.#commits,
      recordsSkipped: this.#skipped,
      held: this.#held,
      isReady:
        this.#isOpen &&
        !this.#isClosing &&
        this.#held !== undefined &&
        this.#member.isHeard(this.#held),
    })
  }

  async caughtUp(): Promise<void> {
    const isRunning = (): boolean => this.#condition.inner === 'running' && this.#isOpen
    await this.#waiters.until(isRunning)
    const places = this.#places.partitions
    const asked = listOffsets(this.#cluster, places, latestTimestamp, 'read_uncommitted')
    const ends = await Promise.race([asked, this.failed])
    await this.#waiters.until(() => isRunning() && this.#places.hasReached(ends))
  }

  /** Ends the sink with the error that stopped it. */
  async #stop(thrown: unknown): Promise<void> {
    if (this.#condition.hasEnded) return
    const error = isSqlFailure(thrown) ? thrown.error : thrown
    this.#repairs.ended(error)
    if (this.#closed !== undefined) return
    this.#isClosing = true
    this.#condition.end('failed')
    this.#condition.tell({ type: 'failed', error })
    this.#failure.reject(error)
    this.#waiters.fail(error)
    this.#sleeper.wake()
    await (this.#released ??= this.#leave())
  }

  /** @param reason what those get who still wait for the sink */
  close(reason: unknown = closedError(this.service)): Promise<void> {
    return (this.#closed ??= this.#close(reason))
  }

  async #close(reason: unknown): Promise<void> {
    this.#isClosing = true
    this.#member.retire()
    this.#requests.release()
    this.#sleeper.wake()
    const late = this.#cluster.clock.after(this.#o.settings.closeTimeoutMs, () => {
      this.#o.database.drop()
      void this.#cluster.close()
    })
    await this.#loop
    if (this.#condition.inner !== 'failed') {
      await this.#tellGroup()
      this.#condition.end('closed')
      this.#waiters.fail(reason)
    }
    await (this.#released ??= this.#leave())
    late.cancel()
  }

  async #leave(): Promise<void> {
    this.#isOpen = false
    this.#requests.release()
    this.#discards.tell()
    await quietly(this.#member.leave({ isFinal: true }))
    await quietly(this.#consumer.close())
    await this.#o.letters.close()
    await this.#o.database.close()
    await this.#cluster.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
