/**
 * What befalls the broker, and where: each pass makes one history for every disk call it is about.
 *
 * A history without faults tells which calls there are; a history that is crashed at call 70 is the same
 * up to there, because it has the same seed. What comes after the fault is new each time.
 */
import { fork, seededDraw, drawInteger } from '../../../src/testing/seed.ts'
import type { SimDiskCall, SimFault } from '../../../src/testing/sim-disk.ts'
import type { LifePlan } from './machine.ts'
import { play } from './play.ts'
import type { Play } from './play.ts'

/** Recoveries that meet a fault as well before one may come through. */
const disturbedRecoveries = 2
/** A recovery and the first work after it make so many calls, about. */
const recoveryCalls = 120
const cutsPerHistory = 25

/** Named for what goes wrong. */
export const passes = {
  /** The power goes in the middle of every call; what was not synced is kept, dropped or torn. */
  power: (seed) =>
    everyCall(
      seed,
      () => true,
      {},
      (at) => ({ endAt: at, end: 'power' }),
    ),
  /** The process is killed in the middle of every call, and records are acknowledged by the system. */
  kill: (seed) =>
    everyCall(
      seed,
      () => true,
      { durability: 'os' },
      (at) => ({ endAt: at, end: 'kill' }),
    ),
  /** The same with records acknowledged when synced; later the power goes, too. */
  twice: (seed) =>
    everyCall(
      seed,
      () => true,
      {},
      (at) => ({ endAt: at, end: 'kill' }),
      'power',
    ),
  /** The disk is full from every call on that needs room, until the broker has stopped. */
  full: (seed) => everyCall(seed, needsRoom, {}, (at) => ({ fullFrom: at })),
  /** Every write fails once, and every sync; the power may go in the next life. */
  failed: (seed) =>
    everyCall(
      seed,
      reachesDevice,
      {},
      (at) => ({ failAt: new Map([[at, 'disk-failed']]) }),
      'power',
    ),
  /** Connections are cut and held up, and clients killed; the disk is fine. */
  network: async (seed) => [{ seed, cuts: cutsPerHistory, plan: () => ({}) }],
  /** All of it together. */
  storm: async (seed) => [{ seed, cuts: cutsPerHistory, plan: stormy(seed) }],
} satisfies Record<string, (seed: number) => Promise<readonly Play[]>>

export type PassName = keyof typeof passes

function needsRoom(kind: SimDiskCall): boolean {
  return kind === 'write'
}

function reachesDevice(kind: SimDiskCall): boolean {
  return kind === 'write' || kind === 'sync' || kind === 'truncate' || kind === 'syncDirectory'
}

async function everyCall(
  seed: number,
  isMeant: (kind: SimDiskCall) => boolean,
  common: Pick<Play, 'durability'>,
  planAt: (call: number) => LifePlan,
  later: 'same' | 'power' = 'same',
): Promise<Play[]> {
  const calls: number[] = []
  const onCall = (life: number, call: number, kind: SimDiskCall): void => {
    if (life === 0 && isMeant(kind)) calls.push(call)
  }
  await play({ seed, ...common, plan: () => ({}), onCall })
  return calls.map((call) => ({
    seed,
    ...common,
    plan: (life) => {
      if (life === 0) return planAt(call)
      if (life > disturbedRecoveries) return {}
      const at = ((call * 31 + life * 17 + seed) % recoveryCalls) + 1
      return later === 'same' ? planAt(at) : { endAt: at, end: later }
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
  const at = drawInteger(draw, 1, 200)
  const fault: SimFault = draw() < 0.5 ? 'disk-failed' : 'disk-full'
  const luck = draw()
  if (luck < 0.4) return { endAt: at, end: 'power' }
  if (luck < 0.6) return { endAt: at, end: 'kill' }
  if (luck < 0.8) return { fullFrom: at }
  return { failAt: new Map([[at, fault]]), endAt: at + drawInteger(draw, 1, 100), end: 'power' }
}
