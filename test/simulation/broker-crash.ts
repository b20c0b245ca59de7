/**
 * A whole broker on a disk that keeps only its promises, stopped in the middle of every single call of a
 * scripted workload of clients, then crashed again while it recovers.
 *
 *   node test/simulation/broker-crash.ts [first seed] [seeds] [only this call]
 *
 * It runs outside the test runner, whose bookkeeping of every promise would take most of the time.
 * The first failure ends it and names the seed and the call.
 */
import assert from 'node:assert/strict'
import { SimDisk } from '../../src/testing/sim-disk.ts'
import { checkBroker, Ledger, openBroker, runScript } from './broker-world.ts'

/** Recoveries that are crashed before one may come through. */
const crashedRecoveries = 2

async function crashEverywhere(seed: number): Promise<number> {
  for (let crashAt = 1; ; crashAt++) {
    if (!(await crashAndRecover(seed, crashAt))) return crashAt - 1
  }
}

/** False when the script ended before the call came. */
async function crashAndRecover(seed: number, crashAt: number): Promise<boolean> {
  const here = `seed ${seed}, crash at call ${crashAt}`
  let disk = new SimDisk({ seed: seed * 7919 + crashAt, crashAt })
  const ledger = new Ledger()
  try {
    await runScript(disk, ledger)
    assert(!disk.crashed, `${here}: the script went on after the crash`)
    return false
  } catch (error) {
    assert(disk.crashed, `${here}: ${(error as Error).stack}`)
  }
  for (let attempt = 0; ; attempt++) {
    const mayCrash = attempt < crashedRecoveries
    const at = ((crashAt * 31 + attempt * 17 + seed) % 30) + 1
    disk = disk.afterCrash(mayCrash ? { seed: crashAt + attempt, crashAt: at } : { seed })
    try {
      const broker = await openBroker(disk)
      await checkBroker(broker, ledger)
      await broker.close()
      if (disk.crashed) continue
      const again = await openBroker(disk)
      assert.equal(again.recovered.clean, true)
      await checkBroker(again, ledger)
      await again.close()
      return true
    } catch (error) {
      assert(disk.crashed, `${here}, recovery ${attempt}: ${(error as Error).stack}`)
    }
  }
}

const [first = '1', seeds = '1', only] = process.argv.slice(2)
let calls = 0
for (let seed = Number(first); seed < Number(first) + Number(seeds); seed++) {
  if (only === undefined) calls += await crashEverywhere(seed)
  else await crashAndRecover(seed, Number(only))
}
console.log(`${calls} crashes survived`)
