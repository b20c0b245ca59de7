/** Where things are: Metadata, DescribeTopicPartitions, DescribeCluster, FindCoordinator. */
import type { RequestInput } from '../../../src/protocol/api.ts'
import { family } from './rule.ts'
import type { Side } from './side.ts'

const unknownId = 'Dw8PDw8PDw8PDw8PDw8PDw'

async function metadata(side: Side, version: number, body: RequestInput<'Metadata'>) {
  const manual = version >= 4 ? { allowAutoTopicCreation: false } : {}
  return side.ask('Metadata', version, { ...manual, ...body })
}

/** Waits until a topic asked for by name is there: Kafka makes it after it has answered. */
async function appears(side: Side, name: string): Promise<void> {
  for (let left = 500; left > 0; left--) {
    const request = { topics: [{ name }], allowAutoTopicCreation: false }
    const { topics } = await side.ask('Metadata', 12, request, { aside: true })
    if (topics[0]?.partitions.some(({ leaderId }) => leaderId >= 0)) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`${name} did not appear`)
}

family('metadata', (rule) => {
  rule('a topic is described in every version', async (side) => {
    const name = await side.topic({ partitions: 3 })
    for (let version = 0; version <= 13; version++)
      await metadata(side, version, { topics: [{ name }] })
  })

  rule('null is every topic, and an empty list is none', async (side) => {
    const name = await side.topic()
    for (const version of [1, 4, 9, 12, 13]) {
      const body = { topics: null, ...(version >= 4 ? { allowAutoTopicCreation: false } : {}) }
      const all = await side.ask('Metadata', version, body, { aside: true })
      side.note(
        'mine',
        all.topics.filter((topic) => topic.name === name),
      )
      await metadata(side, version, { topics: [] })
    }
    const all = await side.ask('Metadata', 0, { topics: [] }, { aside: true })
    side.note(
      'mine',
      all.topics.filter((topic) => topic.name === name),
    )
  })

  rule('an unknown topic is told so and not created when the client forbids it', async (side) => {
    const name = side.called('missing')
    for (const version of [4, 7, 9, 10, 12, 13])
      await metadata(side, version, { topics: [{ name }] })
    await metadata(side, 12, { topics: [{ name }] })
  })

  rule('an unknown topic is created when the client allows it', async (side) => {
    const older = side.called('older')
    await side.ask('Metadata', 1, { topics: [{ name: older }] }, { aside: true })
    await appears(side, older)
    const name = side.called('newer')
    await side.ask(
      'Metadata',
      12,
      { topics: [{ name }], allowAutoTopicCreation: true },
      { aside: true },
    )
    await appears(side, name)
    await metadata(side, 12, { topics: [{ name: older }, { name }] })
  })

  rule('a name no topic can have is INVALID_TOPIC_EXCEPTION', async (side) => {
    for (const name of ['bad/name', '', '.', '..', 'x'.repeat(250), 'a b', 'ä']) {
      await metadata(side, 9, { topics: [{ name }] })
      await metadata(side, 12, { topics: [{ name }] })
      await side.ask('Metadata', 9, { topics: [{ name }], allowAutoTopicCreation: true })
      await side.ask('Metadata', 1, { topics: [{ name }] })
    }
  })

  rule('a topic is found by its id from version 12 on', async (side) => {
    const name = await side.topic()
    const topicId = await side.led(name, 1)
    for (const version of [12, 13]) {
      await metadata(side, version, { topics: [{ topicId, name: null }] })
      await metadata(side, version, { topics: [{ topicId: unknownId, name: null }] })
    }
    await metadata(side, 12, { topics: [{ topicId: unknownId, name }] })
    await metadata(side, 12, { topics: [{ topicId, name: null }, { name }] })
  })

  rule('a name asked for twice is answered once', async (side) => {
    const name = await side.topic()
    await metadata(side, 9, { topics: [{ name }, { name }] })
    await metadata(side, 9, { topics: [{ name: 'no/1' }, { name: 'no/1' }] })
  })

  rule('operations are told when they are asked for', async (side) => {
    const name = await side.topic()
    for (const version of [8, 9, 10]) {
      await metadata(side, version, {
        topics: [{ name }],
        includeTopicAuthorizedOperations: true,
        includeClusterAuthorizedOperations: true,
      })
    }
    await metadata(side, 12, { topics: [{ name }], includeTopicAuthorizedOperations: true })
  })

  rule('a topic made again has another id', async (side) => {
    const name = await side.topic()
    const topicId = await side.led(name, 1)
    await side.ask('DeleteTopics', 6, { topics: [{ name }], timeoutMs: 5000 })
    await side.settled()
    await side.topic({ name })
    side.note('another', (await side.led(name, 1)) !== topicId)
    await metadata(side, 12, { topics: [{ topicId, name: null }] })
  })

  rule('DescribeTopicPartitions pages', async (side) => {
    const name = await side.topic({ partitions: 5 })
    const other = await side.topic({ partitions: 2 })
    const topics = [{ name }, { name: other }, { name: side.called('missing') }]
    await side.ask('DescribeTopicPartitions', 0, { topics })
    await side.ask('DescribeTopicPartitions', 0, { topics: [{ name: 'bad/name' }] })
    for (const responsePartitionLimit of [1, 3, 5, 6]) {
      await side.ask('DescribeTopicPartitions', 0, { topics, responsePartitionLimit })
    }
    const cursor = { topicName: name, partitionIndex: 3 }
    await side.ask('DescribeTopicPartitions', 0, { topics, cursor })
    const past = { topicName: other, partitionIndex: 1 }
    await side.ask('DescribeTopicPartitions', 0, {
      topics,
      cursor: past,
      responsePartitionLimit: 1,
    })
  })

  rule('DescribeCluster names the broker', async (side) => {
    for (const version of [0, 1, 2]) {
      await side.ask('DescribeCluster', version, {})
      await side.ask('DescribeCluster', version, { includeClusterAuthorizedOperations: true })
    }
    for (const endpointType of [2, 3]) await side.ask('DescribeCluster', 1, { endpointType })
  })

  rule('FindCoordinator finds groups and transactions, in every version', async (side) => {
    const key = side.called('a')
    for (const version of [0, 1, 2, 3]) await side.ask('FindCoordinator', version, { key })
    for (const version of [1, 2, 3]) await side.ask('FindCoordinator', version, { key, keyType: 1 })
    for (const version of [4, 5, 6]) {
      for (const keyType of [0, 1]) {
        await side.ask('FindCoordinator', version, { coordinatorKeys: [key, `${key}2`], keyType })
      }
    }
  })

  rule('FindCoordinator refuses what it cannot find', async (side) => {
    await side.ask('FindCoordinator', 3, { key: '', keyType: 0 })
    await side.ask('FindCoordinator', 3, { key: '', keyType: 1 })
    await side.ask('FindCoordinator', 3, { key: 'a', keyType: 7 })
    await side.ask('FindCoordinator', 4, { coordinatorKeys: [''], keyType: 1 })
    await side.ask('FindCoordinator', 4, { coordinatorKeys: ['a'], keyType: 7 })
    await side.ask('FindCoordinator', 4, { coordinatorKeys: [] })
    await side.ask('FindCoordinator', 4, { coordinatorKeys: ['a'], keyType: 2 })
  })
})
