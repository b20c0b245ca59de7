import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'

/** `SIM_SEEDS=200 npm test` looks further. */
const seeds = process.env['SIM_SEEDS'] ?? '1'

test('a broker crashed at every call loses no record, topic, offset or half of a transaction', async () => {
  const script = new URL('./broker-crash.ts', import.meta.url).pathname
  const { stdout } = await promisify(execFile)(process.execPath, [script, '1', seeds])
  const crashes = Number(/^(\d+) crashes survived/.exec(stdout)?.[1])
  assert(crashes > 100 * Number(seeds), stdout)
})
