/** The ports take no number that the system would quietly take for another one. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { nodeClock } from '../../../src/io/node-clock.ts'
import { nodeDisk } from '../../../src/io/node-disk.ts'

const folder = mkdtempSync(join(tmpdir(), 'headwater-contract-'))
after(() => rmSync(folder, { recursive: true }))

const isBug = { name: 'AssertionError', message: /whole number|number of milliseconds/ }

it('a file is read and written at places there can be', async () => {
  const file = await nodeDisk.open(join(folder, 'file'), 'create')
  for (const nowhere of [-1, 0.5, NaN, 2 ** 60]) {
    assert.throws(() => void file.read(nowhere, 1), isBug)
    assert.throws(() => void file.read(0, nowhere), isBug)
    assert.throws(() => void file.write([Uint8Array.of(1)], nowhere), isBug)
    assert.throws(() => void file.truncate(nowhere), isBug)
  }
  assert.equal(await file.size(), 0)
  await file.close()
})

it('a timer of more than 31 bits of milliseconds does not fire at once', async () => {
  let fired = false
  const timer = nodeClock.after(2 ** 31 + 10, () => (fired = true))
  await new Promise((resolve) => setTimeout(resolve, 30))
  timer.cancel()
  assert.equal(fired, false)
})

it('a delay is a number', () => {
  assert.throws(() => nodeClock.after(NaN, () => {}), isBug)
})
