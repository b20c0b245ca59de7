/**
 * A broker and all its clients in a simulated world. This is a sample; the whole is `npm run sim`, which
 * also names what to run to see a failure again.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { output, simulate } from './simulate.ts'

/** `SIM_SEEDS=20 npm test` looks further. */
const seeds = process.env['SIM_SEEDS'] ?? '1'
const stride = 36

const sentences = {
  power: 'a power cut in the middle of a disk call takes nothing that was acknowledged',
  kill: 'a kill takes nothing that was written',
  twice: 'a kill and then a power cut take nothing that was acknowledged in between',
  full: 'a full disk stops the broker, which goes on when there is room',
  failed: 'a disk that fails once stops the broker, and nothing acknowledged is gone after it',
}

for (const [pass, sentence] of Object.entries(sentences)) {
  test(sentence, async () => {
    const histories = await simulate('--pass', pass, '--stride', `${stride}`, '--seeds', seeds)
    assert(histories >= 5 * Number(seeds), `${histories} histories`)
  })
}

test('connections that break and stall, and clients that die, lose and double nothing', async () => {
  const count = 5 * Number(seeds)
  assert.equal(await simulate('--pass', 'network', '--seeds', `${count}`), count)
  await finds('trust-batch-headers')
})

test('a wall clock that is set and a machine that sleeps end nobody, and keep nobody', async () => {
  const count = 3 * Number(seeds)
  assert.equal(await simulate('--pass', 'clocks', '--repeat', '--seeds', `${count}`), count)
  for (const bug of ['wall-clock-deadlines', 'deadlines-while-stopped']) await finds(bug)
})

test('all of it together loses and doubles nothing, and one seed is one history', async () => {
  const count = 5 * Number(seeds)
  assert.equal(await simulate('--pass', 'storm', '--repeat', '--seeds', `${count}`), count)
})

test('services count exactly, whatever befalls them and the broker', async () => {
  const count = 4 * Number(seeds)
  assert.equal(await simulate('--pass', 'services-storm', '--seeds', `${count}`), count)
})

test('what was sent is there as its sender was told, whatever befalls the broker', async () => {
  const count = 10 * Number(seeds)
  assert.equal(await simulate('--pass', 'sends-storm', '--repeat', '--seeds', `${count}`), count)
  const histories = await simulate('--pass', 'sends', '--stride', `${stride}`, '--seeds', seeds)
  assert(histories >= 5 * Number(seeds), `${histories} histories`)
})

/** A bug that is planted does not stay hidden. */
async function finds(bug: string): Promise<void> {
  const options = ['--planted', '--bug', bug, '--seeds', '1', '--json']
  const [finding] = JSON.parse(await output(...options)) as { bug: string; found: number }[]
  assert.deepEqual([finding!.bug, finding!.found > 0], [bug, true])
}
