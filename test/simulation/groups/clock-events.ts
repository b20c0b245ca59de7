/** What may befall the machine that all instances and their broker run on. */
import { wallAheadMsMax } from '../cluster/stage.ts'
import type { Fleet } from './fleet.ts'

/** Somebody sets the wall clock of the machine that all run on. */
export async function setClock(fleet: Fleet): Promise<void> {
  fleet.world.setWall(fleet.between(-wallAheadMsMax, wallAheadMsMax))
}

/** The machine that all run on is suspended for longer than any transaction may last. */
export async function suspend(fleet: Fleet): Promise<void> {
  if (fleet.isBusy) return
  const ms = fleet.between(55_000, 75_000)
  await fleet.hold(fleet.instances, async () => {
    fleet.world.suspend(ms)
    await fleet.pause(ms)
  })
}
