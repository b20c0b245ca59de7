/**
 * What befalls the broker, and where: each pass makes one history for every disk call it is about.
 *
 * A history without faults tells which calls there are; a history that is crashed at call 70 is the same
 * up to there, because it has the same seed. What comes after the fault is new each time.
 */
import { fork, seededDraw, drawInteger } from '../../../src/testing/seed.ts'
import type { SimDiskCall, SimFault } from '../../../src/testing/sim-disk.ts'
import { clients } from './clients.ts'
import { clocks } from './clocks.ts'
import { damageOf } from './damage.ts'
import type { LifePlan } from './machine.ts'
import { play } from './play.ts'
import type { Judgement, Play } from './play.ts'
import { sends } from './sends.ts'
import { services } from './services.ts'
import { evolution } from '../groups/evolution.ts'
import { groupDrama } from '../groups/drama.ts'
import { groupKinds } from '../groups/kinds.ts'

/** Recoveries that meet a fault as well before one may come through. */
const disturbedRecoveries = 2
/** A recovery and the first work after it make so many calls, about. */
const recoveryCalls = 250
const cuts = 25
/** Of a history most of which is slept through. */
const sleepyMs = 500 * 3_600_000

function mapValues<K extends string, V, W>(from: Record<K, V>, f: (value: V) => W): Record<K, W> {
  const entries = Object.entries(from) as [K, V][]
  return Object.fromEntries(entries.map(([key, value]) => [key, f(value)])) as Record<K, W>
}

/** Named for what goes wrong. */
export const passes = {
  /** The power goes in the middle of every call; what was not synced is kept, dropped or torn. */
  power: (seed) => everyCall({ seed, drama: clients }, isAny, powerCut),
  /** The process is killed in the middle of every call, and records are acknowledged by the system. */
  kill: (seed) => everyCall({ seed, drama: clients, durability: 'os' }, isAny, kill),
  /** The same with records acknowledged when synced; in the next lives the power goes. */
  twice: (seed) => everyCall({ seed, drama: clients }, isAny, kill, powerCut),
  /** The disk is full from every call on that needs room, until the broker has stopped. */
  full: (seed) => everyCall({ seed, drama: clients }, needsRoom, full),
  /** Everything that reaches the device fails once; in the next lives the power goes. */
  failed: (seed) => everyCall({ seed, drama: clients }, reachesDevice, failure, powerCut),
  /** Every file of a data directory is damaged in every way while nobody has it open. */
  damage: async (seed) => (await damageOf(seed)).map((judge) => ({ seed, judge })),
  /** Connections are cut and held up, and clients killed; the disk is fine. */
  network: (seed) => once({ seed, drama: clients, cuts, plan: () => ({}) }),
  /** The wall clock is set and the machine suspended, and no timeout may care. */
  clocks: (seed) => {
    return once({ seed, drama: clocks, isRoomy: true, limitMs: sleepyMs, plan: () => ({}) })
  },
  /** All of it together. */
  storm: (seed) => once({ seed, drama: clients, cuts, plan: stormy(seed) }),
  /** Two instances of a service, while the power goes in the middle of every call. */
  services: (seed) => everyCall({ seed, drama: services }, isAny, powerCut),
  /** The instances are killed, too, and all the rest. */
  'services-storm': (seed) => once({ seed, drama: services, cuts, plan: stormy(seed) }),
  /** Events are sent from outside any topology, while the power goes in the middle of every call. */
  sends: (seed) => everyCall({ seed, drama: sends }, isAny, powerCut),
  /** All the rest befalls them, too, for longer than they are tried. */
  'sends-storm': (seed) => once({ seed, drama: sends, cuts, plan: stormy(seed) }),
  /** A service is deployed anew with another topology over the state of the old one. */
  evolution: (seed) => once({ seed, drama: evolution, isRoomy: true, plan: () => ({}) }),
  ...mapValues(groupKinds, (kind) => (seed: number) => {
    const drama = groupDrama(kind)
    if (kind.stormy === true) return once({ seed, drama, plan: stormy(seed) })
    return once({ seed, drama, durability: 'os', isRoomy: true, plan: () => ({}) })
  }),
} satisfies Record<string, (seed: number) => Promise<readonly (Play | Judgement)[]>>

export type PassName = keyof typeof passes

type PlanAt = (call: number) => LifePlan

const powerCut: PlanAt = (call) => ({ endAt: call, end: 'power' })
const kill: PlanAt = (call) => ({ endAt: call, end: 'kill' })
const full: PlanAt = (call) => ({ fullFrom: call })
const failure: PlanAt = (call) => ({ failAt: new Map([[call, 'disk-failed']]) })

function isAny(): boolean {
  return true
}

function needsRoom(kind: SimDiskCall): boolean {
  return kind === 'write'
}

function reachesDevice(kind: SimDiskCall): boolean {
  return kind === 'write' || kind === 'sync' || kind === 'truncate' || kind === 'syncDirectory'
}

async function once(one: Play): Promise<Play[]> {
  return [one]
}

async function everyCall(
  common: Pick<Play, 'seed' | 'drama' | 'durability'>,
  isMeant: (kind: SimDiskCall) => boolean,
  planAt: PlanAt,
  planLater = planAt,
): Promise<Play[]> {
  const calls: number[] = []
  const onCall = (life: number, call: number, kind: SimDiskCall): void => {
    if (life === 0 && isMeant(kind)) calls.push(call)
  }
  await play({ ...common, plan: () => ({}), onCall })
  return calls.map((call) => ({
    ...common,
    plan: (life) => {
      if (life === 0) return planAt(call)
      if (life > disturbedRecoveries) return {}
      return planLater(((call * 31 + life * 17 + common.seed) % recoveryCalls) + 1)
    },
  }))
}

/** Any fault at any time, for some lives. */
function stormy(seed: number): (life: number) => LifePlan {
  const draw = seededDraw(seed ^ 0x5707)
  const lives = drawInteger(draw, 1, 8)
  const plans = Array.from({ length: lives }, () => stormyLife(fork(draw)))
  return (life) => plans[life] ?? {}
}

function stormyLife(draw: () => number): LifePlan {
  const at = drawInteger(draw, 1, 400)
  const fault: SimFault = draw() < 0.5 ? 'disk-failed' : 'disk-full'
  const luck = draw()
  if (luck < 0.4) return { endAt: at, end: 'power' }
  if (luck < 0.6) return { endAt: at, end: 'kill' }
  if (luck < 0.8) return { fullFrom: at }
  return { failAt: new Map([[at, fault]]), endAt: at + drawInteger(draw, 1, 100), end: 'power' }
}
