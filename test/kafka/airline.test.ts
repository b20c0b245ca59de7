import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { before, describe, it } from 'node:test'
import { runAirline, startAirline } from '../airline/command.ts'
import { expectedTables } from '../airline/expected.ts'
import type { ExpectedTables } from '../airline/expected.ts'
import { assertResult, assertStored } from '../airline/read-back.ts'

const bootstrap = process.env['KAFKA_BOOTSTRAP'] ?? ''
const [host = '', port = ''] = bootstrap.split(':')
const kafka = { host, port: Number(port) }

const flights = 30_000
const moreFlights = 60_000

let expected: ExpectedTables
let expectedOfMore: ExpectedTables
before(async () => {
  assert.notEqual(bootstrap, '', 'KAFKA_BOOTSTRAP names a Kafka: run this with npm run test:kafka')
  expected = await expectedTables(flights)
  expectedOfMore = await expectedTables(moreFlights)
})

describe('the airline example on Apache Kafka', () => {
  it('stores the tables of the plain computation', async () => {
    assertResult(await run(flights), expected)
    await assertStored(kafka, expected)
  })

  it('adds nothing when it is started again', async () => {
    assertResult(await run(flights), expected)
    await assertStored(kafka, expected)
  })

  it('goes on with more flights to the same tables, although it is killed on the way', async (test) => {
    for (let target = 40_000; target <= moreFlights; target += 10_000) {
      const command = startAirline(['--broker', bootstrap, '--flights', String(target)])
      const afterMs = randomInt(500, 2500)
      const isKilled = await Promise.race([sleep(afterMs, true), command.ended.then(() => false)])
      test.diagnostic(isKilled ? `killed after ${afterMs} ms` : 'done before it was killed')
      command.process.kill('SIGKILL')
      await command.ended
    }
    assertResult(await run(moreFlights), expectedOfMore)
    await assertStored(kafka, expectedOfMore)
  })
})

function run(count: number) {
  return runAirline(['--broker', bootstrap, '--flights', String(count)])
}
