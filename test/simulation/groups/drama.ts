/**
 * A group of instances through a bad day: facts come in all the time, events befall the instances, and
 * at the end all harm is healed. From then on, or from the last start of a broker that goes on dying,
 * everything must be through within a session and a little more. Then every instance ends, two start anew, and must know the same and count on.
 *
 * Nothing may be doubled, lost or counted wrong; and no instance may stop for good by itself, unless
 * another process has its place.
 */
import assert from 'node:assert/strict'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { drawInteger, fork } from '../../../src/testing/seed.ts'
import type { Drama } from '../cluster/play.ts'
import type { Stage } from '../cluster/stage.ts'
import { connect } from '../cluster/stage.ts'
import { groupEvents } from './events.ts'
import type { GroupEventName } from './events.ts'
import { tablesOf, windowId } from './facts.ts'
import { Feed } from './feed.ts'
import { Fleet } from './fleet.ts'
import type { Company } from './instance.ts'
import { sessionTimeoutMs } from './instance.ts'
import type { TallyOptions } from './tally.ts'
import { callsMs, tally } from './tally.ts'
import { Questions } from './questions.ts'
import { Teller } from './teller.ts'
import { differing, Watcher } from './watcher.ts'

/** What may be added to a session until all is through: a rebalance, a restore, a commit. */
const slackMs = 4_000
/** What is not there after so much more never comes: longer than any transaction may last. */
const lostMs = 100_000
/**
 * A process whose place is taken learns of it with its next heartbeat, or sooner, and gives up when somebody
 * has been there for a session since the group formed.
 */
const zombieMs = 13_000
/** Inner topics are purged all the time, or not before the end. */
const quickPurgeMs = 3_000
const slowPurgeMs = 600_000
const commitIntervalsMs = [20, 100, 100, 1_500]
const factsMax = 250
const feedPauseMsMax = 900
const lastFacts = 9

export interface GroupKind {
  readonly events: readonly GroupEventName[]
  /** Drawn when left out. */
  readonly grace?: TallyOptions['grace']
  /** Whether the broker has a bad day, too. */
  readonly stormy?: boolean
  /** Events altogether; two run side by side. */
  readonly count: number
  /**
   * Nothing in it ends the transaction of a member that goes on: who finds its producer fenced then was
   * fenced by a process whose place it has taken.
   */
  readonly neverFences?: boolean
  /** Whether deposits are asked for, which the service decides. */
  readonly asks?: boolean
  /** How long the service's function takes for a fact, at least and at most, all the time. */
  readonly slowMs?: readonly [number, number]
}

/** A history whose events are drawn from those of `kind`. */
export function groupDrama(kind: GroupKind): Drama {
  return {
    act: (stage) => act(stage, kind),
    check: (stage, reader) => check(stage, reader),
  }
}

async function act(stage: Stage, kind: GroupKind): Promise<void> {
  const { world } = stage
  const { promise: failed, reject } = Promise.withResolvers<never>()
  failed.catch(() => undefined)
  const draw = fork(world.draw)
  const grace = kind.grace ?? (draw() < 0.5 ? '1s' : '1000d')
  const make: Company['make'] = (process, instance): ReturnType<Company['make']> => {
    return tally(process, {
      slowMs: () => Math.max(fleet.slowMs, instance.slowMs),
      grace,
      decides: kind.asks === true,
    })
  }
  const purgeIntervalMs = draw() < 0.5 ? quickPurgeMs : slowPurgeMs
  const commitIntervalMs = commitIntervalsMs[drawInteger(draw, 0, commitIntervalsMs.length - 1)]!
  const mayBeFenced = kind.neverFences !== true
  const company = { world, make, commitIntervalMs, purgeIntervalMs, mayBeFenced, fail: reject }
  const fleet = new Fleet(company, draw)
  await Promise.race([failed, day(stage, fleet, kind)])
}

async function day(stage: Stage, fleet: Fleet, kind: GroupKind): Promise<void> {
  const { world } = stage
  if (kind.slowMs !== undefined) fleet.slowMs = fleet.between(...kind.slowMs)
  const cluster = await connect(world.start('outside'))
  const teller = kind.asks === true ? new Teller(world) : undefined
  const feed = await Feed.open(cluster, teller !== undefined)
  stage.accepted = teller?.accepted
  const watcher = new Watcher(cluster, stage.accepted)
  for (const each of fleet.instances.slice(0, drawInteger(fleet.draw, 2, 3))) each.start()
  let isOver = false
  const trouble = Promise.all([befall(fleet, kind, 1), befall(fleet, kind, 0)]).then(() => {
    isOver = true
  })
  const feeding = feedUntil(() => isOver, stage, feed)
  const watching = watchUntil(() => isOver, watcher)
  const questions = new Questions(
    world,
    (host) => fleet.instances.find(({ id }) => id === host)?.asked,
    () => fleet.up.map(({ id }) => id),
  )
  const asking = questions.askUntil(() => isOver)
  const telling = teller?.askUntil(() => isOver)
  await Promise.all([trouble, feeding, watching, asking])
  fleet.heal()
  world.trace('all is healed')
  if (fleet.up.length === 0) fleet.instances[0]!.start()
  await telling
  await throughInTime(stage, fleet, feed, watcher, 'after the trouble')
  await aloneInTime(fleet)
  await restart(stage, fleet, feed, watcher)
  stage.isOver = true
  stage.factsWritten = feed.written
  await watcher.close()
  await feed.close()
  await cluster.close()
}

/** One that begins takes the place again from whoever has got it back meanwhile: the time begins anew. */
async function aloneInTime(fleet: Fleet): Promise<void> {
  const { world, instances } = fleet
  const from = world.clock.monotonic()
  while (!instances.every(({ isAlone }) => isAlone)) {
    const begun = Math.max(from, ...instances.map(({ beganMs }) => beganMs))
    const isInTime = world.clock.monotonic() <= begun + zombieMs
    assert(isInTime, 'a process goes on though its place is taken')
    await fleet.pause(10)
  }
}

async function befall(fleet: Fleet, { events, count }: GroupKind, odd: number): Promise<void> {
  await fleet.pause(fleet.between(200, 2500))
  for (let i = odd; i < count; i += 2) {
    await groupEvents[fleet.pick(events)!](fleet)
    await fleet.pause(fleet.between(0, 2000))
  }
}

async function feedUntil(isOver: () => boolean, { world }: Stage, feed: Feed): Promise<void> {
  const draw = fork(world.draw)
  while (!isOver() && feed.written < factsMax) {
    await sleep(world.clock, draw() * feedPauseMsMax)
    await feed.write(drawInteger(draw, 1, 3))
  }
}

async function watchUntil(isOver: () => boolean, watcher: Watcher): Promise<void> {
  while (!isOver()) await lookAgain(watcher)
}

/** A broker that is away is looked for again. */
async function lookAgain(watcher: Watcher): Promise<void> {
  try {
    await watcher.look()
  } catch (error) {
    if (!isHeadwaterError(error) || !error.retriable) throw error
  }
}

/** Writes a few more facts and has all of them processed before a session is over. */
async function throughInTime(
  stage: Stage,
  { world, slowMs }: Fleet,
  feed: Feed,
  watcher: Watcher,
  when: string,
): Promise<void> {
  const startedAt = world.clock.monotonic()
  const sinceMs = (): number =>
    Math.round(world.clock.monotonic() - Math.max(startedAt, stage.brokerBeganMs()))
  await feed.write(lastFacts)
  // However slow its functions are, a service gets through: at worst all is processed once more, and called
  // outside for is, one after the other for each account, what has not been.
  const calls = Math.max(...watcher.uncalled(feed.written).map(callsMs))
  const limitMs = sessionTimeoutMs + slackMs + feed.written * slowMs + calls
  for (;;) {
    await lookAgain(watcher)
    const missing = watcher.missing(feed.written)
    if (missing === undefined) {
      assert(sinceMs() <= limitMs, `stalled ${when}: ${sinceMs()} ms, may be ${limitMs}`)
      return
    }
    assert(sinceMs() <= limitMs + lostMs, `wrong for good ${when}: ${missing}`)
  }
}

/** All end, two start anew; they know what was known, and count on. */
async function restart(stage: Stage, fleet: Fleet, feed: Feed, watcher: Watcher): Promise<void> {
  await Promise.all(fleet.up.map((each) => each.close()))
  for (const each of fleet.instances.slice(0, 2)) each.start()
  await viewsInTime(fleet, feed.written)
  await throughInTime(stage, fleet, feed, watcher, 'after a clean restart')
  await viewsInTime(fleet, feed.written)
  await Promise.all(fleet.up.map((each) => each.close()))
}

async function viewsInTime(fleet: Fleet, factCount: number): Promise<void> {
  const deadline = fleet.world.clock.monotonic() + sessionTimeoutMs + slackMs
  for (;;) {
    const wrong = await wrongView(fleet, factCount)
    if (wrong === undefined) return
    assert(fleet.world.clock.monotonic() < deadline, `views after a clean restart: ${wrong}`)
    await fleet.pause(100)
  }
}

/** What the views of all instances together have wrong. */
async function wrongView(fleet: Fleet, factCount: number): Promise<string | undefined> {
  const expected = tablesOf(factCount)
  for (const name of ['accounts', 'teams', 'windows'] as const) {
    const found = new Map<string, number>()
    for (const { running } of fleet.up) {
      if (running?.stats().state !== 'running') return `${name}: not every instance runs`
      for (const { key, windowStart, value } of running.views[name]!.scan('', 10_000)) {
        const id = windowStart === undefined ? String(key) : windowId(String(key), windowStart)
        if (found.has(id)) return `${name}: two instances have ${id}`
        found.set(id, value as number)
      }
    }
    const wrong = differing(name, found, expected[name])
    if (wrong !== undefined) return wrong
  }
  return undefined
}

/** Everything once more, from the beginning, with nobody else there. */
async function check(stage: Stage, reader: string): Promise<void> {
  const process = stage.world.start(reader)
  const cluster: Cluster = await connect(process)
  const watcher = new Watcher(cluster, stage.accepted)
  const deadline = stage.world.clock.monotonic() + sessionTimeoutMs
  for (;;) {
    await watcher.look()
    const missing = watcher.missing(stage.factsWritten)
    if (missing === undefined) break
    assert(stage.world.clock.monotonic() < deadline, `${reader}: ${missing}`)
  }
  await watcher.close()
  await cluster.close()
  process.kill()
}
