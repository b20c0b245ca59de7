/** Our broker is asked what a live Kafka node is asked in test/kafka: every API in every version. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ask } from '../../scripts/kafka.ts'
import { announcedVersions, apiNames, apis } from '../../src/protocol/api.ts'
import { requestFor } from '../kafka/requests.ts'
import { runBroker, type RunningBroker } from './running-broker.ts'

let running: RunningBroker
before(async () => {
  running = await runBroker()
})
after(() => running.close())

describe('our broker', () => {
  test('announces every API with the versions in the table', async () => {
    const { apiKeys } = await ask(running.port, 'ApiVersions', 4, {
      clientSoftwareName: 'headwater-tests',
      clientSoftwareVersion: '1',
    })
    const expected = apiNames.map((name) => {
      const [minVersion, maxVersion] = announcedVersions(name)
      return { apiKey: apis[name].key, minVersion, maxVersion }
    })
    const announced = apiKeys.toSorted((a, b) => a.apiKey - b.apiKey)
    assert.deepEqual(announced, expected)
  })

  for (const name of apiNames) {
    test(`answers ${name} in every version`, async () => {
      const [min, max] = apis[name].versions
      for (let version = min; version <= max; version++) {
        assert.ok(await ask(running.port, name, version, requestFor(name, version)), `v${version}`)
      }
      assert.deepEqual(running.events, [])
    })
  }
})
