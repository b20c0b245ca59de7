/**
 * What befalls the instances, their network and the broker. A fault draws all its numbers when it is made;
 * then it takes instances, does its harm and gives them back running. Several go on side by side.
 */
import type { ApiName } from '../../src/protocol/api.ts'
import { drawInteger } from '../../src/testing/seed.ts'
import type { Draw } from '../../src/testing/seed.ts'
import type { Fleet } from './fleet.ts'
import type { Instance, Life } from './instance.ts'
import { harms } from './proxy.ts'
import { until } from './waiting.ts'

/** Undefined when it finds nobody to befall. */
type MakeFault = (fleet: Fleet, draw: Draw) => (() => Promise<void>) | undefined

/** The requests on which something depends; what goes wrong most easily is there more than once. */
const apis: readonly ApiName[] = [
  'AddOffsetsToTxn',
  'AddPartitionsToTxn',
  'EndTxn',
  'EndTxn',
  'EndTxn',
  'Fetch',
  'FindCoordinator',
  'Heartbeat',
  'InitProducerId',
  'JoinGroup',
  'JoinGroup',
  'LeaveGroup',
  'ListOffsets',
  'Metadata',
  'OffsetFetch',
  'Produce',
  'Produce',
  'SyncGroup',
  'SyncGroup',
  'TxnOffsetCommit',
  'TxnOffsetCommit',
]
const trapMsMax = 6_000
const fencedWithinMs = 20_000

const faults = {
  /** One request goes wrong. */
  request(fleet, draw) {
    const api = oneOf(draw, apis)
    const harm = oneOf(draw, harms)
    const ms = drawInteger(draw, 300, harm.startsWith('swallow') ? 9_000 : 5_000)
    const at = fleet.pick(draw)
    if (at === undefined) return undefined
    return () => trap(fleet, at, { api, harm, ms })
  },

  /** Nothing passes for longer than a session; then everything does. */
  freeze(fleet, draw) {
    const ms = drawInteger(draw, fleet.sessionMs + 500, fleet.sessionMs * 2)
    const at = fleet.pick(draw)
    if (at === undefined) return undefined
    return () =>
      fleet.taking([at], async () => {
        fleet.chronicle.say(`  ${at.id}: its network freezes for ${ms} ms`)
        at.proxy.freeze()
        await fleet.pause(ms)
        at.proxy.thaw()
      })
  },

  /** SIGKILL; it comes back before the group has noticed, or after. */
  kill(fleet, draw) {
    const ms = drawInteger(draw, 0, fleet.sessionMs * 1.5)
    const at = fleet.pick(draw)
    if (at === undefined) return undefined
    return () =>
      fleet.taking([at], async () => {
        fleet.chronicle.say(`  ${at.id}: SIGKILL, back after ${ms} ms`)
        await at.kill()
        await fleet.pause(ms)
        at.start()
      })
  },

  /** SIGSTOP for longer than a session, then SIGCONT. */
  sleep(fleet, draw) {
    const ms = drawInteger(draw, fleet.sessionMs + 500, fleet.sessionMs * 2)
    const at = fleet.pick(draw)
    if (at === undefined) return undefined
    return () =>
      fleet.taking([at], async () => {
        fleet.chronicle.say(`  ${at.id}: SIGSTOP for ${ms} ms`)
        at.life!.sleep()
        await fleet.pause(ms)
        at.life!.wake()
      })
  },

  /** One closes while another one's coming makes the group form anew, with a request of its own late. */
  leave(fleet, draw) {
    const api = oneOf<ApiName>(draw, ['EndTxn', 'TxnOffsetCommit', 'Produce', 'JoinGroup'])
    const ms = drawInteger(draw, 200, 4_000)
    const closeAfterMs = drawInteger(draw, 0, 1_500)
    const at = fleet.pick(draw)
    if (at === undefined) return undefined
    return () =>
      fleet.taking([at], async () => {
        const joins = await rebalance(fleet, [at])
        at.proxy.set({ api, harm: 'delay', ms })
        await fleet.pause(closeAfterMs)
        fleet.chronicle.say(`  ${at.id}: closes while ${joins}, its ${api} ${ms} ms late`)
        await at.close()
        at.start()
      })
  },

  /** The group forms anew, and then as it was, while one member's word is late, or lost for a session. */
  strand(fleet, draw) {
    const api = oneOf<ApiName>(draw, ['JoinGroup', 'SyncGroup'])
    const isLost = draw() < 0.5
    const ms = isLost
      ? fleet.sessionMs + drawInteger(draw, 500, 4_000)
      : drawInteger(draw, 300, 2_000)
    const backMs = drawInteger(draw, 0, 2_500)
    const at = fleet.pick(draw)
    if (at === undefined) return undefined
    return () =>
      fleet.taking([at], async () => {
        const caught = trap(fleet, at, { api, harm: isLost ? 'swallow' : 'delay', ms })
        const joins = await rebalance(fleet, [at])
        fleet.chronicle.say(`  ${at.id}: its ${api} comes ${isLost ? 'never' : 'late'}, ${joins}`)
        await until(() => fleet.instances.every((each) => each.isRunning === each.isWanted), 5_000)
        await fleet.pause(backMs)
        await rebalance(fleet, [at])
        await caught
      })
  },

  /** Everybody else goes while one is cut off; it comes back into an empty group. */
  alone(fleet, draw) {
    const asleep = draw() < 0.5
    const ms = fleet.sessionMs + drawInteger(draw, 1_000, 3_000)
    const backMs = drawInteger(draw, 500, 3_000)
    const at = fleet.pick(draw)
    const others = fleet.free.filter((each) => each !== at)
    const areAll = others.length + 1 === fleet.instances.filter(({ isWanted }) => isWanted).length
    if (at === undefined || !areAll) return undefined
    return () =>
      fleet.taking([at, ...others], async () => {
        fleet.chronicle.say(`  ${at.id}: ${asleep ? 'SIGSTOP' : 'frozen'}; then all others go`)
        if (asleep) at.life!.sleep()
        else at.proxy.freeze()
        await fleet.pause(ms)
        await Promise.all(others.map((each) => each.close()))
        if (asleep) at.life!.wake()
        else at.proxy.thaw()
        await fleet.pause(backMs)
        for (const each of others) each.start()
      })
  },

  /** Another process takes an instance's id; the one that had it must notice and stop. */
  replace(fleet, draw) {
    const asleepMs = draw() < 0.6 ? drawInteger(draw, 500, fleet.sessionMs * 1.5) : 0
    const at = fleet.pick(draw)
    if (at === undefined) return undefined
    return () =>
      fleet.taking([at], async () => {
        const how = asleepMs > 0 ? `after ${asleepMs} ms of SIGSTOP` : 'while it runs'
        fleet.chronicle.say(`  ${at.id}: another process takes its id, ${how}`)
        if (asleepMs > 0) at.life!.sleep()
        const before = at.replace()
        await fleet.pause(asleepMs)
        before.wake()
        await awaitFenced(fleet, at, before)
      })
  },

  /** One instance more, or one less. */
  scale(fleet, draw) {
    const isRude = draw() < 0.4
    const at = fleet.pick(draw)
    const running = fleet.instances.filter(({ isWanted }) => isWanted).length
    const isFewer = running > fleet.size || (running > 1 && draw() < 0.3)
    if (!isFewer) {
      return async () => {
        const added = await fleet.add()
        fleet.chronicle.say(`  ${added.id}: a new instance`)
        added.start()
      }
    }
    if (at === undefined) return undefined
    return () =>
      fleet.taking([at], async () => {
        fleet.chronicle.say(`  ${at.id}: goes for good, ${isRude ? 'SIGKILL' : 'closed'}`)
        await (isRude ? at.kill() : at.close())
      })
  },

  /** The broker dies, or is closed, and is started again. */
  broker(fleet, draw) {
    const signal = draw() < 0.75 ? 'SIGKILL' : 'SIGTERM'
    const ms = drawInteger(draw, 0, 2_500)
    const { broker } = fleet
    if (broker === undefined || !broker.isUp) return undefined
    return async () => {
      fleet.chronicle.say(`  broker: ${signal}, back after ${ms} ms`)
      await broker.end(signal)
      await fleet.pause(ms)
      await broker.start()
    }
  },
} satisfies Record<string, MakeFault>

export type FaultName = keyof typeof faults

export const faultNames = Object.keys(faults) as FaultName[]

export function makeFault(name: FaultName, fleet: Fleet, draw: Draw) {
  return faults[name](fleet, draw)
}

async function trap(
  fleet: Fleet,
  at: Instance,
  o: { readonly api: ApiName; readonly harm: (typeof harms)[number]; readonly ms: number },
): Promise<void> {
  let hasCaught = false
  const onCaught = (): void => {
    hasCaught = true
    fleet.chronicle.say(`  ${at.id}: ${o.harm} ${o.api} (${o.ms} ms)`)
  }
  const set = { ...o, onCaught }
  at.proxy.set(set)
  await until(() => hasCaught, trapMsMax)
  at.proxy.unset(set)
  if (hasCaught) await fleet.pause(o.ms)
}

/** Makes the group form anew: somebody joins, or goes when there are more than there should be. */
async function rebalance(fleet: Fleet, except: readonly Instance[]): Promise<string> {
  const wanted = fleet.instances.filter(({ isWanted }) => isWanted)
  const other = fleet.free.find((each) => !except.includes(each))
  if (wanted.length > fleet.size && other !== undefined) {
    await other.close()
    return `${other.id} leaves`
  }
  const added = await fleet.add()
  added.start()
  return `${added.id} joins`
}

async function awaitFenced(fleet: Fleet, { id }: Instance, before: Life): Promise<void> {
  if (await until(() => before.hasEnded, fencedWithinMs)) return
  fleet.chronicle.say(`  ${id}: the process whose id was taken goes on`)
  fleet.unfenced.push(`instance ${id} went on ${fencedWithinMs} ms after its id was taken`)
  await before.end('SIGKILL')
}

function oneOf<T>(draw: Draw, list: readonly T[]): T {
  return list[drawInteger(draw, 0, list.length - 1)]!
}
