import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { zeroUuid } from '../../../src/base/units.ts'
import type { ResponseOf } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { batchOf, createTopic, produce, type RawClient } from '../../conformance/raw-client.ts'
import { openBroker, type OpenBroker } from './open-broker.ts'

let open: OpenBroker
let client: RawClient

before(async () => {
  open = await openBroker()
  client = await open.client()
})
after(() => open.broker.close())

async function metadata(name: string, allowAutoTopicCreation = false) {
  const { topics } = await client.ask('Metadata', 12, {
    topics: [{ name }],
    allowAutoTopicCreation,
  })
  return topics[0]!
}

async function committed(topic: string): Promise<number | undefined> {
  const { groups } = await client.ask('OffsetFetch', 8, {
    groups: [{ groupId: 'g', topics: null }],
  })
  const found = groups[0]!.topics.find(({ name }) => name === topic)
  return found?.partitions[0]?.committedOffset
}

function commit(topic: string, partitionIndex: number) {
  return client.ask('OffsetCommit', 8, {
    groupId: 'g',
    topics: [{ name: topic, partitions: [{ partitionIndex, committedOffset: 1 }] }],
  })
}

describe('Metadata', () => {
  it('advertises the address that was dialled', async () => {
    const { brokers, controllerId, clusterId } = await client.ask('Metadata', 12, { topics: [] })
    assert.deepEqual(
      brokers.map(({ nodeId, host, port }) => [nodeId, host, port]),
      [[controllerId, 'embedded', 9092]],
    )
    assert.equal(clusterId, open.broker.clusterId)
  })

  it('creates a topic only when the client allows it, and never under a bad name', async () => {
    assert.equal((await metadata('new')).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    const created = await metadata('new', true)
    assert.deepEqual([created.errorCode, created.partitions.length], [ErrorCode.NONE, 4])
    assert.equal((await metadata('not/a/name', true)).errorCode, ErrorCode.INVALID_TOPIC_EXCEPTION)
  })

  it('creates none when the broker does not allow it', async () => {
    const strict = await openBroker({ config: { autoCreateTopics: false } })
    const other = await strict.client()
    const { topics } = await other.ask('Metadata', 12, { topics: [{ name: 'new' }] })
    assert.equal(topics[0]?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    await strict.broker.close()
  })

  it('finds topics by id, and shows operations when asked to', async () => {
    const { topicId } = await metadata('new')
    const { topics } = await client.ask('Metadata', 12, {
      topics: [
        { topicId, name: null },
        { topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', name: null },
      ],
      includeTopicAuthorizedOperations: true,
    })
    assert.deepEqual(
      topics.map(({ name, errorCode }) => [name, errorCode]),
      [
        ['new', ErrorCode.NONE],
        [null, ErrorCode.UNKNOWN_TOPIC_ID],
      ],
    )
    assert.ok(topics[0]!.topicAuthorizedOperations > 0)
  })
})

describe('DescribeTopicPartitions', () => {
  it('gives a large topic in pages', async () => {
    await createTopic(client, 'wide', 5)
    const seen: number[] = []
    let cursor: { topicName: string; partitionIndex: number } | null = null
    do {
      const page: ResponseOf<'DescribeTopicPartitions'> = await client.ask(
        'DescribeTopicPartitions',
        0,
        {
          topics: [{ name: 'wide' }],
          responsePartitionLimit: 2,
          cursor,
        },
      )
      seen.push(...page.topics.flatMap(({ partitions }) => partitions.map((p) => p.partitionIndex)))
      cursor = page.nextCursor
    } while (cursor !== null)
    assert.deepEqual(seen, [0, 1, 2, 3, 4])
  })
})

describe('DeleteTopics', () => {
  it('deletes by id, and what groups committed goes with the topic', async () => {
    await createTopic(client, 'doomed')
    await produce(client, 'doomed', batchOf(['x']))
    const { topics } = await commit('doomed', 0)
    assert.equal(topics[0]?.partitions[0]?.errorCode, ErrorCode.NONE)
    assert.equal(await committed('doomed'), 1)
    const { topicId } = await metadata('doomed')
    const { responses } = await client.ask('DeleteTopics', 6, {
      topics: [
        { name: null, topicId },
        { name: null, topicId: 'AAAAAAAAAAAAAAAAAAAAAQ' },
      ],
    })
    assert.deepEqual(
      responses.map(({ errorCode }) => errorCode).toSorted((a, b) => a - b),
      [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_ID],
    )
    assert.equal((await metadata('doomed')).errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    assert.equal(await committed('doomed'), undefined)
  })

  it('leaves nothing of a topic to the next one of its name', async () => {
    await createTopic(client, 'again')
    const first = await metadata('again')
    await produce(client, 'again', batchOf(['old']))
    await client.ask('DeleteTopics', 6, { topics: [{ name: 'again', topicId: zeroUuid }] })
    await createTopic(client, 'again')
    const second = await metadata('again')
    assert.notEqual(second.topicId, first.topicId)
    const { baseOffset } = await produce(client, 'again', batchOf(['new']))
    assert.equal(baseOffset, 0)
  })
})

describe('OffsetCommit', () => {
  it('refuses partitions that do not exist, by name and by id', async () => {
    const { topics } = await commit('wide', 9)
    assert.equal(topics[0]?.partitions[0]?.errorCode, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    const { topicId } = await metadata('wide')
    const byId = await client.ask('OffsetCommit', 10, {
      groupId: 'g',
      topics: [
        { topicId, partitions: [{ partitionIndex: 0, committedOffset: 3 }] },
        {
          topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
          partitions: [{ partitionIndex: 0, committedOffset: 3 }],
        },
      ],
    })
    assert.deepEqual(
      byId.topics.map((topic) => topic.partitions[0]?.errorCode),
      [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_ID],
    )
    assert.equal(await committed('wide'), 3)
  })
})

describe('what an operator asks', () => {
  it('shows sizes on disk, and every setting of the broker', async () => {
    const { results } = await client.ask('DescribeLogDirs', 4, { topics: null })
    const again = results[0]!.topics.find(({ name }) => name === 'again')
    assert.ok(again!.partitions[0]!.partitionSize > 0)
    const described = await client.ask('DescribeConfigs', 4, {
      resources: [{ resourceType: 4, resourceName: '1', configurationKeys: null }],
      includeSynonyms: true,
    })
    const names = described.results[0]!.configs.map(({ name }) => name)
    for (const name of ['inter.broker.protocol.version', 'num.partitions', 'log.retention.ms']) {
      assert.ok(names.includes(name), `${name} is missing`)
    }
  })

  it('takes a changed setting for the next batch', async () => {
    await createTopic(client, 'limited')
    await client.ask('IncrementalAlterConfigs', 1, {
      resources: [
        {
          resourceType: 2,
          resourceName: 'limited',
          configs: [{ name: 'max.message.bytes', configOperation: 0, value: '100' }],
        },
      ],
    })
    const { errorCode } = await produce(client, 'limited', batchOf(['x'.repeat(200)]))
    assert.equal(errorCode, ErrorCode.MESSAGE_TOO_LARGE)
  })

  it('names every coordinator, and refuses kinds it has none for', async () => {
    const { coordinators } = await client.ask('FindCoordinator', 4, {
      keyType: 1,
      coordinatorKeys: ['a', 'b'],
    })
    assert.deepEqual(
      coordinators.map(({ key, host, errorCode }) => [key, host, errorCode]),
      [
        ['a', 'embedded', 0],
        ['b', 'embedded', 0],
      ],
    )
    const share = await client.ask('FindCoordinator', 6, { keyType: 2, coordinatorKeys: ['s'] })
    assert.equal(share.coordinators[0]?.errorCode, ErrorCode.INVALID_REQUEST)
  })
})

describe('a full disk', () => {
  it('stops a broker without a reserve, which keeps what it had acknowledged', async () => {
    const full = await openBroker({ store: { reserveBytes: 0 } })
    const other = await full.client()
    await createTopic(other, 'kept')
    assert.equal((await produce(other, 'kept', batchOf(['safe']))).errorCode, ErrorCode.NONE)
    full.disk.freeBytes = 0
    const failed = await produce(other, 'kept', batchOf(['too much'])).catch(
      (error: Error) => error,
    )
    const said = failed instanceof Error ? failed.message : failed.errorCode
    assert.ok(said === ErrorCode.KAFKA_STORAGE_ERROR || /connection ended/.test(String(said)))
    full.disk.freeBytes = Infinity
    const reopened = await full.reopen()
    const { topics } = await (
      await reopened.client()
    ).ask('ListOffsets', 7, {
      replicaId: -1,
      topics: [{ name: 'kept', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    })
    assert.ok(topics[0]!.partitions[0]!.offset >= 1)
    await reopened.broker.close()
  })
})

describe('a topic with many partitions', () => {
  it('appears with all of them at once', async () => {
    const other = await open.client()
    const counts = new Set<number>()
    const creating = createTopic(client, 'sudden', 64)
    let created = false
    void creating.then(() => (created = true))
    while (!created) {
      const { topics } = await other.ask('Metadata', 12, { topics: null })
      counts.add(topics.find(({ name }) => name === 'sudden')?.partitions.length ?? 0)
    }
    await creating
    for (const count of counts) assert.ok(count === 0 || count === 64, `${count} partitions`)
    assert.equal((await metadata('sudden')).partitions.length, 64)
  })
})
