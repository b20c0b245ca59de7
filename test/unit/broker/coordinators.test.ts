/** What ties the machines together survives a crash at any point between their changes. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { topicChanges, type TopicsChange } from '../../../src/coordinator/topics/changes.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import { LogStore } from '../../../src/log/store/log-store.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { BatchBuilder } from '../../../src/records/record.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { createTopic } from '../../conformance/raw-client.ts'
import { openBroker } from './open-broker.ts'

it('a topic made anew after a crash in its deletion has no old positions in it', async () => {
  const disk = new SimDisk({ seed: 1 })
  const before = await openBroker({}, disk)
  const client = await before.client()
  await createTopic(client, 'flights', 1)
  const topics = [
    {
      name: 'flights',
      partitions: [{ partitionIndex: 0, committedOffset: 7, committedMetadata: '' }],
    },
  ]
  const committed = await client.ask('OffsetCommit', 7, { groupId: 'readers', topics })
  assert.equal(committed.topics[0]!.partitions[0]!.errorCode, ErrorCode.NONE)
  await before.broker.close()

  // The end of the topic is stored, and nothing of what follows from it.
  const store = await LogStore.open({ disk, clock: nodeClock, directory: 'data' })
  const builder = new BatchBuilder()
  const deleted: TopicsChange = { type: 'topic-deleted', name: 'flights' }
  builder.append(1, null, topicChanges.encode(deleted)!)
  const result = store.get('coordinator.topics-1')!.append(builder.finish())
  assert.equal(result.kind, 'appended')
  await store.close()

  const after = await openBroker({}, disk)
  const again = await after.client()
  await createTopic(again, 'flights', 1)
  const fetched = await again.ask('OffsetFetch', 7, {
    groupId: 'readers',
    topics: [{ name: 'flights', partitionIndexes: [0] }],
  })
  assert.equal(fetched.topics[0]!.partitions[0]!.committedOffset, -1)
  await after.broker.close()
})
