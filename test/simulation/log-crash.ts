/**
 * The log store on a disk that keeps only its promises, stopped in the middle of every single call of a
 * scripted workload, then crashed again while it recovers.
 *
 *   node test/simulation/log-crash.ts [durability] [first seed] [seeds] [only this call]
 *
 * It runs outside the test runner, whose bookkeeping of every promise would take most of the time.
 * The first failure ends it and names the seed and the call.
 */
import assert from 'node:assert/strict'
import { pathToFileURL } from 'node:url'
import type { Durability } from '../../src/log/store/options.ts'
import { SimDisk } from '../../src/testing/sim-disk.ts'
import { checkStore, Model, openStore, runScript } from './log-world.ts'

/** Recoveries that are crashed before one may come through. */
const crashedRecoveries = 3

/** Crashes at every call of the script once; how many calls that were. */
export async function crashEverywhere(seed: number, durability: Durability): Promise<number> {
  for (let crashAt = 1; ; crashAt++) {
    if (!(await crashAndRecover(seed, crashAt, durability))) return crashAt - 1
  }
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
  for (let attempt = 0; ; attempt++) {
    const mayCrash = attempt < crashedRecoveries
    const at = ((crashAt * 31 + attempt * 17 + seed) % 40) + 1
    disk = disk.afterCrash(mayCrash ? { seed: crashAt + attempt, crashAt: at } : { seed })
    try {
      await recoverAndGoOn(disk, model, durability)
      return true
    } catch (error) {
      assert(disk.crashed, `${here}, recovery ${attempt}: ${(error as Error).stack}`)
    }
  }
}

/** Everything acknowledged is there, what was not is sent again, and a clean restart has all of it. */
async function recoverAndGoOn(disk: SimDisk, model: Model, durability: Durability): Promise<void> {
  const store = await openStore(disk, durability)
  const tolerance = durability === 'disk' ? 'unacknowledged' : 'any tail'
  const lost = await checkStore(store, model, tolerance)
  await model.resend(store, lost)
  await store.close()
  const again = await openStore(disk, durability)
  assert.equal(again.recovered.clean, true)
  await checkStore(again, model, 'none')
  for (const name of again.names()) await again.get(name)!.verify()
  await again.close()
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [durability = 'disk', first = '1', seeds = '1', only] = process.argv.slice(2)
  let calls = 0
  for (let seed = Number(first); seed < Number(first) + Number(seeds); seed++) {
    if (only === undefined) calls += await crashEverywhere(seed, durability as Durability)
    else await crashAndRecover(seed, Number(only), durability as Durability)
  }
  console.log(`${calls} crashes survived`)
}
