/** Some of what `npm run sim -- --pass damage` does, in a process of its own, as the crashes are. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'

test('no damage to a file goes unseen', async () => {
  const script = new URL('../../scripts/sim.ts', import.meta.url).pathname
  const options = ['--pass', 'damage', '--stride', '24']
  const { stdout } = await promisify(execFile)(process.execPath, [script, ...options])
  assert.match(stdout, /^\d+ histories came out right/)
})
