/**
 * One history of a broker with all its clients, from the first topic to the last check.
 *
 * The writers have their say and must come through, whatever becomes of the broker, the connections and
 * the copiers on the way; then the readers catch up, everybody leaves, and everything is compared. The
 * broker is closed and opened once more, and compared again.
 */
import assert from 'node:assert/strict'
import { sleep } from '../../../src/client/backoff.ts'
import { drawInteger } from '../../../src/testing/seed.ts'
import { World } from '../../../src/testing/world.ts'
import { checkAll } from './check.ts'
import { Ledger, partitionCount } from './ledger.ts'
import { BrokerMachine } from './machine.ts'
import type { MachineOptions } from './machine.ts'
import { copyOrders, readOrders, watch } from './readers.ts'
import type { Stage } from './stage.ts'
import { changeTopics, keepAccounts, makeTopics, writeOrders } from './writers.ts'

/** All of it must be through in an hour of simulated time. */
const limitMs = 3_600_000
const catchUpMs = 20

export interface Play extends MachineOptions {
  readonly seed: number
  /** Connections cut and stalled, and copiers killed, on the way. */
  readonly cuts?: number
}

export interface PlayResult {
  readonly traceHash: string
  readonly eventCount: number
  readonly lives: number
  readonly failures: readonly string[]
  readonly simulatedMs: number
}

export async function play(options: Play): Promise<PlayResult> {
  const world = new World(options.seed)
  const isDisturbed = (options.cuts ?? 0) > 0
  const stage: Stage = { world, ledger: new Ledger(), isDisturbed, isOver: false }
  const machine = new BrokerMachine(world, options)
  try {
    await world.until(perform(stage, machine, options.cuts ?? 0), limitMs)
  } catch (error) {
    throw new Error(`${(error as Error).stack}\nThe last of what happened:\n${world.story}`)
  }
  return {
    traceHash: world.traceHash,
    eventCount: world.eventCount,
    lives: machine.lives,
    failures: machine.failures.map(({ code }) => code),
    simulatedMs: world.clock.monotonic(),
  }
}

async function perform(stage: Stage, machine: BrokerMachine, cuts: number): Promise<void> {
  const running = machine.run()
  const acting = act(stage, cuts)
  await Promise.race([acting, running.then(() => assert.fail('the machine stopped early'))])
  await checkAll(stage, 'checker')
  await machine.close()
  await machine.reopen()
  await checkAll(stage, 'second checker')
  await machine.close()
}

async function act(stage: Stage, cuts: number): Promise<void> {
  const { world, ledger } = stage
  await makeTopics(stage)
  const readers = [
    copyAgainAndAgain(stage, 'copier-1', cuts),
    copyAgainAndAgain(stage, 'copier-2', cuts),
    readOrders(stage, world.start('reader-1')),
    readOrders(stage, world.start('reader-2')),
    watch(stage),
    disturb(stage, cuts),
  ]
  const writers = [writeOrders(stage, 8), keepAccounts(stage, 9), changeTopics(stage, 3)]
  const reading = Promise.all(readers)
  await Promise.race([Promise.all(writers), reading])
  const isThrough = (): boolean =>
    ['copiers', 'readers'].every((group) => {
      let offsets = 0
      for (let i = 0; i < partitionCount; i++) offsets += ledger.committed.get(`${group}/${i}`) ?? 0
      return offsets >= ledger.ordersWritten
    })
  while (!isThrough()) await Promise.race([sleep(world.clock, catchUpMs), reading])
  stage.isOver = true
  await reading
}

/** A copier whose process dies now and then; the next one takes its name, and so its transactions, over. */
async function copyAgainAndAgain(stage: Stage, name: string, cuts: number): Promise<void> {
  const { world } = stage
  for (let kills = cuts > 0 ? drawInteger(world.draw, 0, 2) : 0; ; kills--) {
    const process = world.start(name)
    const copying = copyOrders(stage, process)
    if (kills <= 0) return copying
    await Promise.race([copying, sleep(world.clock, world.draw() * 600)])
    process.kill()
    if (stage.isOver) return
  }
}

/** Cuts connections, or holds them up for longer than clients wait. */
async function disturb(stage: Stage, cuts: number): Promise<void> {
  const { clock, draw, network } = stage.world
  for (let cut = 0; cut < cuts && !stage.isOver; cut++) {
    await sleep(clock, draw() * 60)
    if (draw() < 0.75) network.cutOne()
    else network.stallOne(draw() * 9000)
  }
}
