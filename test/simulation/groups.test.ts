/**
 * Groups of instances of a service that have a bad day, and a service that changes over its own state.
 * This is a sample; the whole is `npm run sim -- --pass group`, and `--planted` for the bugs it must find.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { output, simulate } from './simulate.ts'

/** `SIM_SEEDS=20 npm test` looks further. */
const seeds = Number(process.env['SIM_SEEDS'] ?? '1')

test('instances on a bad day lose nothing, double nothing, hold nobody up and never stop', async () => {
  const passCount = 11
  const count = seeds
  const options = ['--pass', 'group', '--seeds', `${count}`]
  assert.equal(await simulate(...options), passCount * count)
})

test('a topology over the state of another is refused, or counts as if it had always been', async () => {
  const count = 4 * seeds
  assert.equal(await simulate('--pass', 'evolution', '--seeds', `${count}`), count)
})

test('a group has one history for one seed', async () => {
  assert.equal(await simulate('--pass', 'group-storm', '--seed', '50', '--repeat'), 1)
})

test('a planted bug is found', async () => {
  const bug = 'window-by-own-maximum'
  const options = ['--planted', '--bug', bug, '--seeds', '2', '--json']
  const [finding] = JSON.parse(await output(...options)) as { bug: string; found: number }[]
  assert.deepEqual([finding!.bug, finding!.found > 0], [bug, true])
})
