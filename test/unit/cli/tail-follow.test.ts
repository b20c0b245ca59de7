import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { embedded } from '../../../src/broker/embedded.ts'
import { utf8Bytes } from '../../../src/base/bytes.ts'
import { createTopics, deleteRecords, deleteTopics } from '../../../src/client/admin.ts'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import { withCluster } from '../../../src/cli/connect.ts'
import { Command } from '../../airline/command.ts'

test('tail --follow says what ended it and what its own flags can do about it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-tail-'))
  const broker = await embedded(directory, { durability: 'memory' })
  const { host, port } = broker.bootstrap[0]
  await withCluster(broker, async (cluster) => {
    const topic = { name: 't', partitions: 1, configs: {} }
    await createTopics(cluster, [topic])
    await write(cluster, ['one', 'two'])
    const following = new Command(['tail', 't', '--follow', '--broker', `${host}:${port}`])
    await following.printed('two')
    await deleteRecords(cluster, [{ topic: 't', partition: 0, offset: 2 }])
    await write(cluster, ['three'])
    await following.printed('three')

    await deleteTopics(cluster, ['t'])
    await createTopics(cluster, [topic])
    await write(cluster, ['new'])
    const { code, stderr } = await following.ended
    assert.equal(code, 1)
    assert.match(stderr, /topic 't' was deleted and made anew.*`headwater tail t --from beginning`/)
    assert.doesNotMatch(stderr, /offsetReset|onTopicReplaced|seek/)
  })
  await broker.close()
  await rm(directory, { recursive: true, force: true })
})

async function write(cluster: Cluster, values: readonly string[]): Promise<void> {
  const producer = new Producer(cluster)
  await producer.init()
  for (const value of values) producer.append('t', 0, Date.now(), null, utf8Bytes(value))
  await producer.flush()
  await producer.close()
}
