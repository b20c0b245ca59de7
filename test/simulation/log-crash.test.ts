/**
 * The log store on a disk that keeps only its promises, stopped in the middle of every single call.
 *
 * `SIM_SEEDS=200` runs more seeds; a failure names the seed and the call.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Durability } from '../../src/log/log-store.ts'
import { SimDisk } from '../../src/testing/sim-disk.ts'
import { checkStore, Model, openStore, runScript } from './log-world.ts'

const seedCount = Number(process.env['SIM_SEEDS'] ?? 2)
const seeds = Array.from({ length: seedCount }, (_, at) => at + 1)

test('the script runs to its end on a disk without faults', async () => {
  for (const seed of seeds) {
    const disk = new SimDisk({ seed })
    const model = new Model()
    await runScript(disk, model)
    const store = await openStore(disk)
    assert.equal(store.recovered.clean, true)
    await checkStore(store, model, 'none')
    await store.close()
  }
})

for (const durability of ['disk', 'os', 'memory'] satisfies Durability[]) {
  test(`a crash at every call loses nothing it may not, acknowledged by ${durability}`, async () => {
    for (const seed of seeds) {
      for (let crashAt = 1; ; crashAt++) {
        if (!(await crashAndRecover(seed, crashAt, durability))) break
      }
    }
  })
}

/** False when the script ended before the call came. */
async function crashAndRecover(
  seed: number,
  crashAt: number,
  durability: Durability,
): Promise<boolean> {
  const here = `seed ${seed}, crash at call ${crashAt}, durability ${durability}`
  let disk = new SimDisk({ seed: seed * 7919 + crashAt, crashAt })
  const model = new Model()
  try {
    await runScript(disk, model, durability)
    return false
  } catch (error) {
    assert(disk.crashed, `${here}: ${(error as Error).stack}`)
  }
  // Recovery is crashed too, three times, before one may come through.
  for (let attempt = 0; attempt < 4; attempt++) {
    const at = ((crashAt * 31 + attempt * 17) % 40) + 1
    disk = disk.afterCrash(attempt < 3 ? { seed: crashAt + attempt, crashAt: at } : { seed })
    try {
      const store = await openStore(disk, durability)
      const lost = await checkStore(
        store,
        model,
        durability === 'disk' ? 'unacknowledged' : 'any tail',
      )
      await model.resend(store, lost)
      await store.close()
      const again = await openStore(disk, durability)
      assert.equal(again.recovered.clean, true)
      await checkStore(again, model, 'none')
      for (const name of again.names()) await again.get(name)!.verify()
      await again.close()
      return true
    } catch (error) {
      assert(disk.crashed, `${here}, attempt ${attempt}: ${(error as Error).stack}`)
    }
  }
  throw new Error(`${here}: the last recovery was not to crash`)
}
