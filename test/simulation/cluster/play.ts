/**
 * One history of a broker and those who use it, from the first topic to the last check.
 *
 * The actors must come through whatever becomes of the broker and the connections on the way. When they
 * have left, everything is compared; the broker is closed and opened once more, and compared again.
 */
import assert from 'node:assert/strict'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import { drawInteger } from '../../../src/testing/seed.ts'
import { World } from '../../../src/testing/world.ts'
import { Ledger } from './ledger.ts'
import { BrokerMachine } from './machine.ts'
import type { MachineOptions } from './machine.ts'
import type { Stage } from './stage.ts'
import { wallAheadMsMax } from './stage.ts'

/** All of it must be through in an hour of simulated time, if not told otherwise. */
const limitMsDefault = 3_600_000
/** Longer than sessions and transactions may last. */
const freezeMsMax = 15_000

/** Who uses the broker, and how to tell whether all is well afterwards. */
export interface Drama {
  /** Ends when everybody has left. @param disturbances how often something happens to actors */
  readonly act: (stage: Stage, disturbances: number) => Promise<void>
  readonly check: (stage: Stage, reader: string) => Promise<void>
}

export interface Play extends MachineOptions {
  readonly seed: number
  readonly drama: Drama
  /** Connections cut and stalled on the way; actors are killed as well when there are any. */
  readonly cuts?: number
  readonly limitMs?: number
}

/** Something that is judged by itself, in worlds of its own. */
export interface Judgement {
  readonly seed: number
  readonly judge: () => Promise<void>
}

export interface PlayResult {
  readonly traceHash: string
  readonly eventCount: number
  readonly lives: number
  readonly failures: readonly string[]
  readonly simulatedMs: number
}

export async function play(options: Play | Judgement): Promise<PlayResult> {
  if ('judge' in options) {
    await options.judge()
    return { traceHash: '', eventCount: 0, lives: 0, failures: [], simulatedMs: 0 }
  }
  const world = new World(options.seed)
  const isDisturbed = (options.cuts ?? 0) > 0
  const machine = new BrokerMachine(world, options)
  const stage: Stage = {
    world,
    ledger: new Ledger(),
    isDisturbed,
    brokerBeganMs: () => machine.beganMs,
    isOver: false,
    factsWritten: 0,
    accepted: undefined,
  }
  const onUnhandled = (error: unknown): void => world.fail(error)
  process.on('unhandledRejection', onUnhandled)
  try {
    await world.until(perform(stage, machine, options), options.limitMs ?? limitMsDefault)
  } catch (error) {
    throw new Error(`${(error as Error).stack}\nThe last of what happened:\n${world.story}`)
  } finally {
    process.off('unhandledRejection', onUnhandled)
  }
  return {
    traceHash: world.traceHash,
    eventCount: world.eventCount,
    lives: machine.lives,
    failures: machine.failures.map(({ code }) => code),
    simulatedMs: world.clock.monotonic(),
  }
}

async function perform(
  stage: Stage,
  machine: BrokerMachine,
  { drama, cuts = 0 }: Play,
): Promise<void> {
  const running = machine.run().then(() => assert.fail('the machine stopped early'))
  const acting = Promise.all([drama.act(stage, cuts), disturb(stage, cuts)])
  await Promise.race([acting, running])
  await drama.check(stage, 'checker')
  await machine.close()
  await machine.reopen()
  await drama.check(stage, 'second checker')
  await machine.close()
}

/** Cuts connections, holds them up for longer than clients wait, sets clocks, suspends all, freezes one. */
async function disturb(stage: Stage, cuts: number): Promise<void> {
  const { world } = stage
  const { clock, draw, network } = world
  for (let cut = 0; cut < cuts && !stage.isOver; cut++) {
    await sleep(clock, draw() * 60)
    const luck = draw()
    if (luck < 0.5) network.cutOne()
    else if (luck < 0.65) network.stallOne(draw() * 9000)
    else if (luck < 0.75) world.setWall(drawInteger(draw, -wallAheadMsMax, wallAheadMsMax))
    else if (luck < 0.78) world.suspend(draw() * freezeMsMax)
    else world.freezeOne(draw() * freezeMsMax)
  }
}
