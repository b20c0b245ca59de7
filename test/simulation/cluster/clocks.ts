/**
 * The wall clock is set, and the machine that everything runs on is suspended, again and again: no timeout
 * may care. Members of a group that live stay in it, and transactions whose time is not over commit; who
 * died is noticed after its session, and a transaction nobody ends is aborted after its timeout. Time
 * asleep counts for nobody, but for the second that a broker takes it for.
 */
import assert from 'node:assert/strict'
import { utf8Bytes } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { GroupMember } from '../../../src/client/group/group-member.ts'
import type { Ownership } from '../../../src/client/group/group-member.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import type { Draw } from '../../../src/testing/seed.ts'
import { drawInteger, fork } from '../../../src/testing/seed.ts'
import type { SimProcess } from '../../../src/testing/world.ts'
import { checkAll } from './check.ts'
import type { TransactionEntry } from './ledger.ts'
import { partitionCount } from './ledger.ts'
import type { Drama } from './play.ts'
import type { Stage } from './stage.ts'
import { attempt, connect } from './stage.ts'
import { makeTopics } from './writers.ts'

const hourMs = 3_600_000
const wallAheadMsMax = [hourMs, 40 * 24 * hourMs]
const asleepMsMax = [2000, 60_000, hourMs]
const sessionsMs = [6000, 10_000, 20_000]
const timeoutsMs = [6000, 15_000, 60_000]
const heartbeatIntervalMs = 500
const happenings = 6
/** What may be added to a session or a timeout: a rebalance, a request that is repeated. */
const slackMs = 4000
/** What a suspension may take from a timeout. */
const countedAsleepMs = 1000
const lookMs = 50
/** Record times are data, and a broker may refuse those of the future. */
const timestamp = 0

export const clocks: Drama = { act, check: checkAll }

async function act(stage: Stage): Promise<void> {
  await makeTopics(stage)
  const day = new Day(stage)
  await Promise.race([day.failed, live(day)])
}

async function live(day: Day): Promise<void> {
  const { stage } = day
  for (const name of ['ann', 'bob']) day.join(name)
  await day.settled()
  const accounting = keepAccounts(day)
  for (let at = 0; at < happenings; at++) {
    await [quiet, die, abandon][drawInteger(day.draw, 0, 2)]!(day, at)
    await day.settled()
  }
  stage.isOver = true
  await accounting
  for (const { member } of day.crew) await member.leave()
}

interface Mate {
  readonly name: string
  readonly process: SimProcess
  readonly member: GroupMember
  held: Ownership | undefined
}

class Day {
  readonly stage: Stage
  readonly draw: Draw
  /** Those that live. */
  crew: Mate[] = []
  readonly failed: Promise<never>
  readonly sessionTimeoutMs: number
  suspensions = 0
  #asleepMs = 0
  readonly #fail: (error: Error) => void

  constructor(stage: Stage) {
    this.stage = stage
    this.draw = fork(stage.world.draw)
    this.sessionTimeoutMs = this.pick(sessionsMs)
    const { promise, reject } = Promise.withResolvers<never>()
    promise.catch(() => undefined)
    this.failed = promise
    this.#fail = reject
  }

  pick<T>(list: readonly T[]): T {
    return list[drawInteger(this.draw, 0, list.length - 1)]!
  }

  /** The time that passed while the machine was awake; behind it while it sleeps. */
  get awakeMs(): number {
    return this.stage.world.clock.monotonic() - this.#asleepMs
  }

  async pause(ms: number): Promise<void> {
    await sleep(this.stage.world.clock, ms)
  }

  /** Sets the wall clock, or suspends the machine; then some time passes. */
  async disturb(): Promise<void> {
    const { world } = this.stage
    if (this.draw() < 0.6) {
      const most = this.pick(wallAheadMsMax)
      world.setWall(drawInteger(this.draw, -most, most))
    } else {
      const ms = drawInteger(this.draw, 1, this.pick(asleepMsMax))
      this.suspensions++
      this.#asleepMs += ms
      world.suspend(ms)
      await this.pause(ms)
    }
    await this.pause(drawInteger(this.draw, 2000, 4000))
  }

  /** Waits, while clocks go on being set, until something is so; it must be within `limitMs` awake. */
  async until(
    isSo: () => boolean | Promise<boolean>,
    limitMs: number,
    what: string,
  ): Promise<void> {
    const since = this.awakeMs
    let isWatching = true
    const disturbing = (async () => {
      while (isWatching) await this.disturb()
    })()
    while (!(await isSo())) {
      const ms = this.awakeMs - since
      assert(ms <= limitMs, `${what}: not in ${ms.toFixed(0)} ms awake, may be ${limitMs}`)
      await this.pause(lookMs)
    }
    isWatching = false
    await disturbing
  }

  join(name: string): void {
    const process = this.stage.world.start(name)
    this.#join(name, process).catch((error: unknown) => this.#fail(error as Error))
  }

  async #join(name: string, process: SimProcess): Promise<void> {
    const outOf = (how: string) => async (): Promise<void> => {
      if (process.isAlive) this.#fail(new Error(`${name} lives, and was ${how} by its group`))
    }
    const member = new GroupMember(await connect(process), {
      groupId: 'crew',
      topics: ['orders'],
      sessionTimeoutMs: this.sessionTimeoutMs,
      heartbeatIntervalMs,
      onAssigned: async (ownership) => void (mate.held = ownership),
      onRevoked: async () => void (mate.held = undefined),
      onLost: outOf('let go'),
      onFailed: () => void outOf('refused')(),
    })
    const mate: Mate = { name, process, member, held: undefined }
    this.crew.push(mate)
    await member.join()
  }

  /** Whether those that live hold everything, in one generation. */
  get isSettled(): boolean {
    const held = this.crew.flatMap((mate) => mate.held ?? [])
    const partitions = held.reduce((sum, each) => sum + each.partitions.length, 0)
    const isOne = held.every(({ generation }) => generation === held[0]?.generation)
    return held.length === this.crew.length && isOne && partitions === partitionCount
  }

  /** A newcomer may have left an id behind that it never heard of, for a session. */
  settled(): Promise<void> {
    const limitMs = 2 * this.sessionTimeoutMs + slackMs
    return this.until(() => this.isSettled, limitMs, 'everybody has a part')
  }
}

/** Nothing but clocks: the group stays as it is. */
async function quiet(day: Day): Promise<void> {
  const generation = (): number => day.crew[0]!.held?.generation ?? -1
  const before = generation()
  for (let left = drawInteger(day.draw, 1, 4); left > 0; left--) await day.disturb()
  assert.equal(generation(), before, 'the group formed anew for nothing')
}

/** One dies; the others have its part after its session. Then another comes. */
async function die(day: Day, number: number): Promise<void> {
  const dead = day.pick(day.crew)
  dead.process.kill()
  day.crew = day.crew.filter((each) => each !== dead)
  const limitMs = day.sessionTimeoutMs + slackMs
  await day.until(() => day.isSettled, limitMs, `${dead.name} is missed`)
  day.join(`mate-${number}`)
}

/** A producer dies within a transaction. */
async function abandon(day: Day, number: number): Promise<void> {
  const { world } = day.stage
  const transactionalId = `abandoned-${number}`
  const transactionTimeoutMs = day.pick(timeoutsMs)
  const process = world.start(transactionalId)
  const producer = new Producer(await connect(process), { transactionalId, transactionTimeoutMs })
  await producer.init()
  producer.begin()
  producer.append('notes', 0, timestamp, null, utf8Bytes('nothing'))
  const begun = { at: day.awakeMs, suspensions: day.suspensions }
  await producer.flush()
  process.kill()
  const auditor = world.start('auditor')
  const cluster = await connect(auditor)
  const isOver = async (): Promise<boolean> =>
    (await stateOf(cluster, transactionalId)) !== 'Ongoing'
  await day.until(isOver, transactionTimeoutMs + slackMs, `${transactionalId} is aborted`)
  const lastedMs = day.awakeMs - begun.at
  const leastMs = transactionTimeoutMs - countedAsleepMs * (day.suspensions - begun.suspensions)
  assert(lastedMs >= leastMs, `${transactionalId} lasted ${lastedMs.toFixed(0)} ms of ${leastMs}`)
  await cluster.close()
  auditor.kill()
}

/** A request that was under way when the machine was suspended may fail. */
async function stateOf(cluster: Cluster, transactionalId: string): Promise<string> {
  for (;;) {
    try {
      const { transactionStates } = await cluster.request('ListTransactions', {
        stateFilters: [],
        producerIdFilters: [],
      })
      const found = transactionStates.find((each) => each.transactionalId === transactionalId)
      return found!.transactionState
    } catch (error) {
      if (!isHeadwaterError(error) || !error.retriable) throw error
    }
  }
}

/** Transactions that stay open for a part of their time: each commits, if it was not cut short. */
async function keepAccounts(day: Day): Promise<void> {
  const { ledger, world } = day.stage
  const process = world.start('accountant')
  const cluster = await connect(process)
  const transactionTimeoutMs = day.pick(timeoutsMs)
  let producer: Producer | undefined
  for (let number = 0; !day.stage.isOver; number++) {
    const entry: TransactionEntry = { commit: true, outcome: 'open' }
    ledger.transactions.push(entry)
    try {
      producer ??= await newProducer(cluster, transactionTimeoutMs)
      producer.begin()
      for (const topic of ['sums', 'notes']) {
        producer.append(topic, 0, timestamp, null, utf8Bytes(`${number}`))
      }
      await uncut(day, producer.flush())
      await sleep(process.clock, day.draw() * (transactionTimeoutMs / 3))
      entry.outcome = 'unknown'
      await uncut(day, producer.commit())
      entry.outcome = 'ended'
    } catch (error) {
      if (!(error instanceof CutShort)) throw error
      if (producer !== undefined) await attempt(producer.close())
      producer = undefined
    }
  }
  await producer?.close()
  await cluster.close()
}

class CutShort extends Error {}

/** What the machine slept through may have failed for that. */
async function uncut(day: Day, work: Promise<void>): Promise<void> {
  const { suspensions } = day
  try {
    await work
  } catch (error) {
    throw day.suspensions === suspensions ? error : new CutShort()
  }
}

async function newProducer(cluster: Cluster, transactionTimeoutMs: number): Promise<Producer> {
  for (;;) {
    const options = { transactionalId: 'accountant', transactionTimeoutMs }
    const producer = new Producer(cluster, options)
    if (await attempt(producer.init())) return producer
  }
}
