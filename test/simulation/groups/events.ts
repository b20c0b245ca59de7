/**
 * What may befall the instances of a group. Each event takes the instances it is about in its hands, does
 * its harm, and gives them back as they should be; two events run side by side. All of it is drawn.
 */
import { utf8Bytes } from '../../../src/base/bytes.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import type { ApiName } from '../../../src/protocol/api.ts'
import type { RequestHarm } from '../../../src/testing/sim-requests.ts'
import { connect } from '../cluster/stage.ts'
import { setClock, suspend } from './clock-events.ts'
import { Account, Team } from './contracts.ts'
import type { Fleet } from './fleet.ts'
import type { Instance } from './instance.ts'
import { sessionTimeoutMs } from './instance.ts'

/** Does nothing when it finds nobody to harm. */
export type GroupEvent = (fleet: Fleet) => Promise<void>

/** Those whose loss or repetition matters most come more often. */
const apis: readonly ApiName[] = [
  'EndTxn',
  'EndTxn',
  'EndTxn',
  'TxnOffsetCommit',
  'TxnOffsetCommit',
  'TxnOffsetCommit',
  'Produce',
  'Produce',
  'Produce',
  'JoinGroup',
  'JoinGroup',
  'SyncGroup',
  'SyncGroup',
  'Heartbeat',
  'Heartbeat',
  'LeaveGroup',
  'Fetch',
  'OffsetFetch',
  'InitProducerId',
  'AddPartitionsToTxn',
  'AddOffsetsToTxn',
  'FindCoordinator',
  'ListOffsets',
  'ListTransactions',
  'Metadata',
  'ApiVersions',
  'CreateTopics',
  'DeleteRecords',
]

const harms: readonly RequestHarm[] = [
  'drop',
  'delay',
  'cut-before',
  'cut-after',
  'cut-after',
  'lose-answer',
  'delay-answer',
  'ghost',
  'ghost',
]

/** Of the tally service; they are there once it has started. */
const changelogs = [
  { name: 'tally-per-account-changelog', partitions: Account.partitions },
  { name: 'tally-per-team-changelog', partitions: Team.partitions },
  { name: 'tally-per-window-changelog', partitions: Team.partitions },
]
const commitApis: readonly ApiName[] = ['TxnOffsetCommit', 'TxnOffsetCommit', 'EndTxn', 'Produce']
const joinApis: readonly ApiName[] = ['JoinGroup', 'JoinGroup', 'SyncGroup', 'Heartbeat']

/** Requests of one API go wrong, mostly one. */
async function request(fleet: Fleet): Promise<void> {
  const at = fleet.pick(fleet.free)
  const api = fleet.pick(apis)!
  const harm = fleet.pick(harms)!
  const isLong = fleet.draw() < 0.3
  const ms = isLong ? fleet.between(sessionTimeoutMs, 2 * sessionTimeoutMs) : fleet.between(0, 4000)
  const count = fleet.draw() < 0.75 ? 1 : fleet.between(2, 4)
  if (at === undefined) return
  let hits = 0
  const remove = at.faults.add({ api, harm, ms, count, onHit: () => void hits++ })
  await fleet.until(() => hits >= count, 4000)
  remove()
}

/** A whole connection's worth of slowness: every request of the kinds that carry records takes its time. */
async function slowNetwork(fleet: Fleet): Promise<void> {
  const at = fleet.pick(fleet.free)
  const ms = fleet.between(200, 1500)
  const api = fleet.pick(['Fetch', 'Produce', 'EndTxn'] as const)!
  if (at === undefined) return
  const remove = at.faults.add({ api, harm: 'delay', ms, count: Infinity })
  await fleet.pause(fleet.between(3000, 9000))
  remove()
}

/** The process dies, and comes back sooner or later than its session ends, or not at all. */
async function kill(fleet: Fleet): Promise<void> {
  const at = fleet.pick(fleet.free)
  const ms = fleet.draw() < 0.5 ? fleet.between(0, 1500) : fleet.between(4000, 14_000)
  const isBack = fleet.draw() < 0.7
  if (at === undefined) return
  await fleet.hold([at], async () => {
    at.kill()
    await fleet.pause(ms)
    if (isBack) at.start()
  })
}

/** One instance more, or one less. */
async function scale(fleet: Fleet): Promise<void> {
  const other = fleet.pick(fleet.idle)
  if (other !== undefined && (fleet.up.length < 2 || fleet.draw() < 0.5)) return other.start()
  const at = fleet.pick(fleet.free)
  if (at === undefined || fleet.up.length < 2) return
  await fleet.hold([at], () => at.close())
}

/** Something that makes the group form anew. */
async function shake(fleet: Fleet, except: Instance): Promise<void> {
  const other = fleet.pick(fleet.idle)
  const at = fleet.pick(fleet.free.filter((each) => each !== except))
  if (other !== undefined && (at === undefined || fleet.draw() < 0.5)) return other.start()
  if (at === undefined) return
  await fleet.hold([at], async () => {
    await at.close()
    at.start()
  })
}

/** A member's word is lost or late for longer than its session while the group forms anew. */
async function kick(fleet: Fleet): Promise<void> {
  const at = fleet.pick(fleet.free)
  const api = fleet.pick(joinApis)!
  const harm = fleet.pick(['delay', 'delay', 'delay-answer', 'drop', 'ghost'] as const)!
  const ms = sessionTimeoutMs + fleet.between(500, 7000)
  if (at === undefined) return
  await fleet.hold([at], async () => {
    let isHit = false
    const onHit = (): void => void (isHit = true)
    const remove = at.faults.add({ api, harm, ms, onHit })
    await shake(fleet, at)
    await fleet.until(() => isHit, 8000)
    remove()
    await fleet.pause(sessionTimeoutMs)
    if (fleet.draw() < 0.5) await shake(fleet, at)
    await fleet.pause(Math.max(0, ms - sessionTimeoutMs))
  })
}

/** It is closed while its group forms anew or its commit is held up. */
async function leave(fleet: Fleet): Promise<void> {
  const at = fleet.pick(fleet.free)
  const api = fleet.pick(commitApis)!
  const ms = fleet.between(300, 6000)
  if (at === undefined) return
  await fleet.hold([at], async () => {
    let isHit = false
    const onHit = (): void => void (isHit = true)
    const remove = at.faults.add({ api, harm: 'delay', ms, count: fleet.between(1, 2), onHit })
    const isFirst = fleet.draw() < 0.5
    if (isFirst) await fleet.until(() => isHit, 3000)
    const shaken = shake(fleet, at)
    await fleet.pause(fleet.between(0, 3000))
    await Promise.all([at.close(), shaken])
    remove()
    await fleet.pause(fleet.between(0, 4000))
    at.start()
  })
}

/**
 * It dies in the middle of a commit, so that its transaction stays open; the group forms anew several
 * times, and tasks that moved to one move on to another.
 */
async function orphan(fleet: Fleet): Promise<void> {
  const at = fleet.pick(fleet.free)
  const api = fleet.pick(['TxnOffsetCommit', 'TxnOffsetCommit', 'EndTxn'] as const)!
  const shakes = fleet.between(1, 3)
  const isBack = fleet.draw() < 0.7
  if (at === undefined) return
  if (fleet.free.length < 2) fleet.pick(fleet.idle)?.start()
  await fleet.hold([at], async () => {
    let isHit = false
    const onHit = (): void => void (isHit = true)
    at.faults.add({ api, harm: 'drop', onHit })
    await fleet.until(() => isHit, 3000)
    await fleet.pause(fleet.between(5, 300))
    at.kill()
    await fleet.pause(sessionTimeoutMs + 500)
    for (let i = 0; i < shakes; i++) {
      await fleet.pause(fleet.between(500, 3000))
      await shake(fleet, at)
    }
    await fleet.pause(fleet.between(0, 6000))
    if (isBack) at.start()
  })
}

/** It stops for longer than its session, and goes on. */
async function freeze(fleet: Fleet): Promise<void> {
  const at = fleet.pick(fleet.free)
  const ms = sessionTimeoutMs + fleet.between(200, 9000)
  if (at === undefined) return
  await fleet.hold([at], async () => {
    await freezeAnywhere(fleet, at, ms)
    await fleet.pause(ms)
  })
}

/** Freezes now, or at the next request of some kind. */
async function freezeAnywhere(fleet: Fleet, at: Instance, ms: number): Promise<void> {
  const api = fleet.pick([
    'Produce',
    'EndTxn',
    'TxnOffsetCommit',
    'Heartbeat',
    'JoinGroup',
  ] as const)!
  if (fleet.draw() < 0.4) return at.freeze(ms)
  let isHit = false
  const onHit = (): void => {
    isHit = true
    at.freeze(ms)
  }
  const remove = at.faults.add({ api, harm: 'delay', ms: 0, onHit })
  if (!(await fleet.until(() => isHit, 2500))) at.freeze(ms)
  remove()
}

/** It sleeps beyond its session; the others take over and go; it wakes up in an empty group. */
async function alone(fleet: Fleet): Promise<void> {
  const at = fleet.pick(fleet.free)
  const takeoverMs = fleet.between(500, 4000)
  const isShort = fleet.draw() < 0.5
  if (at === undefined || fleet.isBusy) return
  if (fleet.up.length < 2) fleet.pick(fleet.idle)?.start()
  await fleet.hold(fleet.instances, async () => {
    const others = fleet.up.filter((each) => each !== at)
    const ms = sessionTimeoutMs + takeoverMs + fleet.between(500, 1500)
    await freezeAnywhere(fleet, at, ms)
    const wakesAt = fleet.world.clock.monotonic() + ms
    await fleet.pause(sessionTimeoutMs + takeoverMs)
    await Promise.all(others.map((each) => each.close()))
    await fleet.pause(Math.max(0, wakesAt - fleet.world.clock.monotonic()))
    await fleet.pause(isShort ? fleet.between(0, 300) : fleet.between(500, 6000))
    if (isShort) {
      // It ends before it has understood what it missed.
      await at.close()
      at.start()
    }
    for (const each of others) each.start()
  })
}

/** It freezes just when it has learnt of a rebalance; meanwhile the others go on without it. */
async function amid(fleet: Fleet): Promise<void> {
  const at = fleet.pick(fleet.free)
  const ms = sessionTimeoutMs + fleet.between(1500, 6000)
  const api = fleet.pick(['JoinGroup', 'SyncGroup', 'TxnOffsetCommit'] as const)!
  if (at === undefined) return
  await fleet.hold([at], async () => {
    let isHit = false
    const onHit = (): void => {
      isHit = true
      at.freeze(ms)
    }
    await shake(fleet, at)
    const remove = at.faults.add({ api, harm: 'delay', ms: 0, onHit })
    await fleet.until(() => isHit, 4000)
    remove()
    await fleet.pause(sessionTimeoutMs + 500)
    await shake(fleet, at)
    await fleet.pause(ms - sessionTimeoutMs)
  })
}

/** Another process takes its place while it sleeps; then it wakes up. */
async function zombie(fleet: Fleet): Promise<void> {
  const at = fleet.pick(fleet.free)
  const takeMs = fleet.between(0, 8000)
  const wakeMs = fleet.between(200, 6000)
  const isDeaf = fleet.draw() < 0.5
  if (at?.running === undefined) return
  await fleet.hold([at], async () => {
    // Its producer hears of the other before its membership does.
    if (isDeaf) at.deafen()
    await freezeAnywhere(fleet, at, takeMs + wakeMs)
    await fleet.pause(takeMs)
    at.supplant()
    await fleet.pause(wakeMs)
  })
}

/** It sleeps for longer than any transaction may last. */
async function doze(fleet: Fleet): Promise<void> {
  const at = fleet.pick(fleet.free)
  const ms = fleet.between(55_000, 75_000)
  if (at === undefined) return
  await fleet.hold([at], async () => {
    await freezeAnywhere(fleet, at, ms)
    await fleet.pause(ms)
  })
}

/** The service's function takes its time, for the backlog altogether longer than a session. */
async function slowFunction(fleet: Fleet): Promise<void> {
  const slowMs = fleet.between(20, 400)
  const ms = fleet.between(6000, 20_000)
  const all = fleet.draw() < 0.6 ? fleet.up : fleet.up.slice(0, 1)
  for (const each of all) each.slowMs = slowMs
  await fleet.pause(ms)
  for (const each of all) each.slowMs = 0
}

/** A request to begin as a producer comes once more when it has long begun, and fences it. */
async function ghostStart(fleet: Fleet): Promise<void> {
  const at = fleet.pick(fleet.free)
  const ms = fleet.between(200, 9000)
  if (at === undefined) return
  await fleet.hold([at], async () => {
    await at.close()
    at.start({ api: 'InitProducerId', harm: 'ghost', ms })
    await fleet.pause(ms + 500)
  })
}

/**
 * A transaction of a process that the service knows nothing of, as of an older version of it, stays open
 * over its changelogs while the group forms anew; then it is aborted.
 */
async function stranger(fleet: Fleet): Promise<void> {
  const process = fleet.world.start(`stranger-${fleet.between(0, 1_000_000)}`)
  const cluster = await connect(process)
  const producer = new Producer(cluster, { transactionalId: process.name, lingerMs: 0 })
  await producer.init()
  producer.begin()
  for (const { name, partitions } of changelogs) {
    for (let partition = 0; partition < partitions; partition++) {
      producer.append(name, partition, 0, utf8Bytes('stranger'), utf8Bytes('nothing'))
    }
  }
  await producer.flush()
  await fleet.pause(fleet.between(1000, 3000))
  const at = fleet.pick(fleet.free)
  if (at !== undefined) await shake(fleet, at)
  await fleet.pause(fleet.between(500, 4000))
  await producer.abort()
  await producer.close()
  await cluster.close()
}

/** Nobody is there for a while, so that whoever comes first finds a backlog. */
async function backlog(fleet: Fleet): Promise<void> {
  if (fleet.isBusy) return
  await fleet.hold(fleet.instances, async () => {
    const all = fleet.up
    await Promise.all(all.map((each) => each.close()))
    await fleet.pause(fleet.between(4000, 20_000))
    for (const each of all) {
      each.start()
      await fleet.pause(fleet.between(0, 2000))
    }
  })
}

export const groupEvents = {
  request,
  slowNetwork,
  kill,
  scale,
  kick,
  leave,
  orphan,
  freeze,
  alone,
  amid,
  zombie,
  doze,
  slowFunction,
  ghostStart,
  stranger,
  setClock,
  suspend,
  backlog,
} satisfies Record<string, GroupEvent>

export type GroupEventName = keyof typeof groupEvents
