import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, describe, it } from 'node:test'
import { Broker } from '../../src/broker/broker.ts'
import { nodeClock, nodeRandom } from '../../src/io/node-clock.ts'
import { nodeDisk } from '../../src/io/node-disk.ts'
import { runAirline, startAirline } from './command.ts'
import { expectedTables } from './expected.ts'
import type { ExpectedTables } from './expected.ts'
import { assertResult, assertStored } from './read-back.ts'

const flights = 60_000
const moreFlights = 90_000

let root = ''
let expected: ExpectedTables
let expectedOfMore: ExpectedTables
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'headwater-airline-'))
  expected = await expectedTables(flights)
  expectedOfMore = await expectedTables(moreFlights)
})
after(() => rm(root, { recursive: true, force: true }))

describe('the airline example', () => {
  it('stores the tables of the plain computation, also after a restart and with more flights', async () => {
    const dir = join(root, 'restart')
    assertResult(await runAirline(['--dir', dir, '--flights', String(flights)]), expected)
    await assertDirectory(dir, expected)

    const again = await runAirline(['--dir', dir, '--flights', String(flights)])
    assertResult(again, expected)
    assert.equal(again.flightsPerSecond, 0, 'nothing is processed twice')
    await assertDirectory(dir, expected)

    const more = await runAirline(['--dir', dir, '--flights', String(moreFlights)])
    assertResult(more, expectedOfMore)
    await assertDirectory(dir, expectedOfMore)

    const fewer = await runAirline(['--dir', dir, '--flights', '1000'])
    assertResult(fewer, expectedOfMore)
  })

  it('ends with the same tables when it was killed at any moment', async (test) => {
    const dir = join(root, 'killed')
    const kills: string[] = []
    const rounds = 6
    for (let round = 1; round <= rounds; round++) {
      // Each round has more to load than the last one, so that there is something to be killed in.
      const target = String((moreFlights / rounds) * round)
      const command = startAirline(['--dir', dir, '--flights', target])
      const afterMs = randomInt(300, 1500)
      const isKilled = await Promise.race([sleep(afterMs, true), command.ended.then(() => false)])
      kills.push(isKilled ? `killed after ${afterMs} ms` : 'done before')
      command.process.kill('SIGKILL')
      await command.ended
    }
    test.diagnostic(kills.join(', '))
    assertResult(await runAirline(['--dir', dir, '--flights', String(moreFlights)]), expectedOfMore)
    await assertDirectory(dir, expectedOfMore)
  })

  it('stops cleanly at Ctrl-C in the middle, and goes on from there', async () => {
    const dir = join(root, 'interrupted')
    const args = ['--dir', dir, '--flights', String(flights)]
    const command = startAirline(args)
    await once(command.process.stderr, 'data')
    await sleep(500)
    command.process.kill('SIGINT')
    const { code, stderr } = await command.ended
    assert.ok(code === 130 || code === 0, `${code}: ${stderr}`)
    assert.doesNotMatch(stderr, /\n {4}at /, 'no stack trace')
    assertResult(await runAirline(args), expected)
    await assertDirectory(dir, expected)
  })
})

/** Opens the directory with a broker of the test's own and compares all that is in it. */
async function assertDirectory(directory: string, tables: ExpectedTables): Promise<void> {
  await using broker = await Broker.open({
    disk: nodeDisk,
    clock: nodeClock,
    random: nodeRandom,
    directory,
  })
  await assertStored({ host: 'embedded', port: 9092, dial: broker.dial }, tables)
}
