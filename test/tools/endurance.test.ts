/** The first half minute of `npm run endurance`: clients of four families, and what befalls their broker. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { familyNames } from '../endurance/families.ts'
import { endure } from '../endurance/play.ts'
import { troubles } from '../endurance/troubles.ts'

/** A seed that begins with a SIGKILL of the broker, its suspension and a storm. */
const seed = 1
const seconds = 30

test('clients of four families lose nothing and see everything through a bad half minute', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-endurance-'))
  const endured = await endure({ directory, seed, seconds, rate: 50 })
  assert.deepEqual(endured.faults, [])
  for (const name of familyNames) assert(endured.acknowledged[name]! > 0, `${name} wrote nothing`)
  assert(endured.troubles['kill']! > 0, 'the broker was not killed')
  assert(Object.keys(endured.troubles).every((name) => name in troubles))
  await rm(directory, { recursive: true, force: true })
})
