/** Kafka Streams, exactly once, against our broker: the hardest client there is for transactions. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { runKafkaTool } from '../../scripts/kafka/tool.ts'
import { runBroker } from '../conformance/running-broker.ts'
import { createTopic, RawClient } from '../conformance/raw-client.ts'

const wordsARun = 20_000
const isHere = spawnSync('javac', ['-version']).status === 0

describe('Kafka Streams', { skip: isHere ? false : 'there is no Java compiler' }, () => {
  test('counts words exactly once and restores its counts from the changelog', async () => {
    const running = await runBroker()
    const state = mkdtempSync(join(tmpdir(), 'headwater-streams-'))
    try {
      const client = await RawClient.connect(running.port)
      for (const topic of ['words', 'word-counts']) await createTopic(client, topic, 3)
      client.close()
      const source = join(import.meta.dirname, 'WordCount.java')
      const args = [running.address, String(wordsARun), state]
      const { code, stdout, stderr } = await runKafkaTool(source, args)
      assert.equal(code, 0, `${stdout}\n${stderr}`)
      for (const run of [1, 2]) {
        const count = (run * wordsARun) / 10
        const words = Array.from({ length: 10 }, (_, word) => `word-${word}=${count}`)
        assert.ok(stdout.includes(`run ${run} {${words.join(', ')}}`), stdout)
      }
      assert.deepEqual(running.events, [])
    } finally {
      await running.close()
      rmSync(state, { recursive: true, force: true })
    }
  })
})
