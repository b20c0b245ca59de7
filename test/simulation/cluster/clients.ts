/**
 * Plain clients: an idempotent producer, one with transactions, two copiers, a group of two readers, one
 * that watches, one that makes topics, and one that lies. The writers have their say; then the readers catch up.
 */
import { sleep } from '../../../src/client/cluster/backoff.ts'
import { drawInteger } from '../../../src/testing/seed.ts'
import { checkAll } from './check.ts'
import { partitionCount } from './ledger.ts'
import { sendLies } from './liar.ts'
import type { Drama } from './play.ts'
import { copyOrders, readOrders, watch } from './readers.ts'
import type { Stage } from './stage.ts'
import { changeTopics, keepAccounts, makeTopics, writeOrders } from './writers.ts'

const catchUpMs = 20

export const clients: Drama = { act, check: checkAll }

async function act(stage: Stage, disturbances: number): Promise<void> {
  const { world, ledger } = stage
  await makeTopics(stage)
  const readers = [
    copyAgainAndAgain(stage, 'copier-1', disturbances),
    copyAgainAndAgain(stage, 'copier-2', disturbances),
    readOrders(stage, world.start('reader-1')),
    readOrders(stage, world.start('reader-2')),
    watch(stage),
  ]
  const writers = [
    writeOrders(stage, 8),
    keepAccounts(stage, 9),
    changeTopics(stage, 3),
    sendLies(stage, 6),
  ]
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
async function copyAgainAndAgain(stage: Stage, name: string, disturbances: number): Promise<void> {
  const { world } = stage
  for (let kills = disturbances > 0 ? drawInteger(world.draw, 0, 2) : 0; ; kills--) {
    const process = world.start(name)
    const copying = copyOrders(stage, process)
    if (kills <= 0) return copying
    await Promise.race([copying, sleep(world.clock, world.draw() * 600)])
    process.kill()
    if (stage.isOver) return
  }
}
