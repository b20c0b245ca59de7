/**
 * Rules of the protocol, each a scenario played on a real Kafka node and on our broker. The rule holds when
 * both give the same answers, in every field, from the first request of the scenario to its last.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { runBroker, type RunningBroker } from '../../conformance/running-broker.ts'
import { comparable } from './comparable.ts'
import { Side } from './side.ts'

type Scenario = (side: Side) => Promise<void>
type Rule = (sentence: string, scenario: Scenario) => void

const scenarioTimeoutMs = 60_000

/** A family of rules on one broker of ours and the Kafka node of the run. */
export function family(name: string, declare: (rule: Rule) => void): void {
  const kafkaPort = Number(process.env['KAFKA_BOOTSTRAP']?.split(':')[1])
  assert.ok(kafkaPort, 'KAFKA_BOOTSTRAP is not set; run these tests by npm run test:kafka')
  const run = `${name}-${Date.now().toString(36)}`
  let ours: RunningBroker
  let count = 0

  describe(`${name}, as Kafka has it`, () => {
    before(async () => {
      await wake(kafkaPort)
      ours = await runBroker()
    })
    after(async () => {
      await ours.close()
      const bugs = ours.events.filter((event) => JSON.stringify(event).includes('a bug in'))
      assert.deepEqual(bugs, [])
    })
    declare((sentence, scenario) => {
      const prefix = `${run}-${count++}`
      test(sentence, { timeout: scenarioTimeoutMs }, async () => {
        const [kafka, actual] = await Promise.all([
          play(scenario, await Side.connect('kafka', kafkaPort, prefix)),
          play(scenario, await Side.connect('ours', ours.port, prefix)),
        ])
        const differences = kafka.flatMap((expected, i) => difference(i, expected, actual[i] ?? []))
        assert.ok(differences.length === 0, `ours is not Kafka's:\n${differences.join('\n')}`)
        assert.equal(actual.length, kafka.length)
      })
    })
  })
}

/** A fresh Kafka node makes the topics of its coordinators when somebody looks for one. */
async function wake(kafkaPort: number): Promise<void> {
  const side = await Side.connect('kafka', kafkaPort, 'wake')
  try {
    for (const keyType of [0, 1]) {
      await side.ask('FindCoordinator', 3, { key: 'anyone', keyType }, { aside: true })
    }
  } finally {
    side.close()
  }
}

function difference(place: number, expected: readonly string[], actual: readonly string[]) {
  const missing = expected.filter((line) => !actual.includes(line))
  const extra = actual.filter((line) => !expected.includes(line))
  if (missing.length + extra.length === 0) return []
  const title = `  ${place + 1}: ${expected[0]}`
  return [
    title,
    ...missing.map((line) => `    kafka ${line}`),
    ...extra.map((line) => `    ours  ${line}`),
  ]
}

async function play(scenario: Scenario, side: Side): Promise<string[][]> {
  try {
    await scenario(side)
    return comparable(side.transcript)
  } catch (error) {
    const seen = comparable(side.transcript).slice(-2).flat().join('\n')
    throw new Error(`on the side of ${side.name}, after\n${seen}`, { cause: error })
  } finally {
    side.close()
  }
}
