/** Mutated requests harm nobody: a broker in a process of its own, for a short while. See `npm run fuzz`. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { play } from '../fuzz/play.ts'

test('a broker lives through mutated requests of every API and keeps what it acknowledged', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-fuzz-'))
  try {
    const outcome = await play({ directory, seed: 1, seconds: 2, blockMsMax: Infinity })
    assert.deepEqual(outcome.faults, [])
    assert.ok(outcome.sent > 100 && outcome.closedByBroker > 0 && outcome.acknowledged > 0)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
