/** Our table of APIs against a live Kafka node: what it announces, and whether it understands us. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { ask } from '../../scripts/kafka.ts'
import { announcedVersions, apiByKey, apiNames, apis } from '../../src/protocol/api.ts'
import { requestFor } from './requests.ts'

const port = Number(process.env['KAFKA_BOOTSTRAP']?.split(':')[1])
assert.ok(port, 'KAFKA_BOOTSTRAP is not set; run these tests by npm run test:kafka')

const { apiKeys } = await ask(port, 'ApiVersions', 4, {
  clientSoftwareName: 'headwater-tests',
  clientSoftwareVersion: '1',
})

describe('a live Kafka node', () => {
  test('announces the versions we announce', () => {
    const theirs = apiKeys.flatMap(({ apiKey, minVersion, maxVersion }) => {
      const name = apiByKey(apiKey)
      return name ? [`${name} ${minVersion}-${maxVersion}`] : []
    })
    assert.deepEqual(
      theirs,
      apiNames.map((name) => `${name} ${announcedVersions(name).join('-')}`),
    )
  })

  test('announces nothing else but what docs/protocol.md says is left out', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/protocol.md'), 'utf8')
    const leftOut = page.slice(page.indexOf('## What is left out'))
    const documented = [...leftOut.matchAll(/^\| (\d+) \|/gm)].map((row) => Number(row[1]))
    const announced = apiKeys.map(({ apiKey }) => apiKey)
    assert.deepEqual(
      announced.filter((key) => apiByKey(key) === undefined),
      documented,
    )
  })

  for (const name of apiNames) {
    test(`understands ${name} in every version, and we its answer`, async () => {
      const [min, max] = apis[name].versions
      for (let version = min; version <= max; version++) {
        assert.ok(await ask(port, name, version, requestFor(name, version)), `v${version}`)
      }
    })
  }
})
