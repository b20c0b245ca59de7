import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { SimDisk } from '../../src/testing/sim-disk.ts'
import { checkStore, Model, openStore, runScript } from './log-world.ts'

/** `SIM_SEEDS=200 npm test` looks further. */
const seeds = process.env['SIM_SEEDS'] ?? '1'

test('the script runs to its end on a disk without faults', async () => {
  const disk = new SimDisk({ seed: 1 })
  const model = new Model()
  await runScript(disk, model)
  const store = await openStore(disk)
  assert.equal(store.recovered.clean, true)
  await checkStore(store, model, 'none')
  await store.close()
})

for (const durability of ['disk', 'os', 'memory']) {
  test(`a crash at every call loses nothing it may not, acknowledged by ${durability}`, async () => {
    const script = new URL('./log-crash.ts', import.meta.url).pathname
    const run = promisify(execFile)(process.execPath, [script, durability, '1', seeds])
    const { stdout } = await run
    const crashes = Number(/^(\d+) crashes survived/.exec(stdout)?.[1])
    assert(crashes > 200 * Number(seeds), stdout)
  })
}
