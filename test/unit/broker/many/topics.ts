/** Requests about many topics and their settings. */
import { many, more, type ManyItems } from './many-items.ts'
import { each, topicName } from './small-world.ts'

export const topics: readonly ManyItems[] = [
  many('Metadata', 'all topics', ({ n, ask }) =>
    ask('Metadata', 12, { topics: each(n, (i) => ({ name: topicName(i) })) }),
  ),
  many('Metadata', 'every topic there is', ({ ask }) => ask('Metadata', 12, { topics: null })),
  many('Metadata', 'a wide topic again and again', ({ n, ask, topicId }) =>
    ask('Metadata', 12, { topics: each(n, () => ({ topicId, name: null })) }),
  ),
  many('Metadata', 'topics to be created', ({ n, ask, round }) => {
    const name = `new.${round()}`
    return ask('Metadata', 12, { topics: each(n / 8, (i) => ({ name: `${name}.${i}` })) })
  }),
  more('DescribeTopicPartitions', 'all topics', ({ n, ask }) =>
    ask('DescribeTopicPartitions', 0, {
      topics: each(n, (i) => ({ name: topicName(i) })),
      responsePartitionLimit: 10,
    }),
  ),
  more('FindCoordinator', 'many groups', ({ n, ask }) =>
    ask('FindCoordinator', 4, { coordinatorKeys: each(n, (i) => `group-${i}`) }),
  ),
  many('CreateTopics', 'names that could collide', ({ n, ask }) =>
    ask('CreateTopics', 7, {
      topics: each(n / 2, (i) => created(`fresh_${i}`)),
      validateOnly: true,
    }),
  ),
  many('CreateTopics', 'names that do collide', ({ n, ask }) =>
    ask('CreateTopics', 7, { topics: each(n, (i) => created(`topic_${i}`)), validateOnly: true }),
  ),
  many('CreateTopics', 'one name again and again', ({ n, ask }) =>
    ask('CreateTopics', 7, { topics: each(n, () => created('twice')), validateOnly: true }),
  ),
  more('CreateTopics', 'an assignment of many partitions', ({ n, ask }) =>
    ask('CreateTopics', 7, {
      topics: [
        {
          ...created('assigned', -1),
          assignments: each(n, (partitionIndex) => ({ partitionIndex, brokerIds: [1] })),
        },
      ],
      validateOnly: true,
    }),
  ),
  more('CreateTopics', 'one setting again and again', ({ n, ask }) =>
    ask('CreateTopics', 7, {
      topics: [
        {
          ...created('set'),
          configs: each(n, () => ({ name: 'retention.ms', value: '1' })),
        },
      ],
      validateOnly: true,
    }),
  ),
  many('DeleteTopics', 'many, made just before', async ({ n, ask, round }) => {
    const name = `short_lived_${round()}`
    const names = each(n / 8, (i) => `${name}.${i}`)
    await ask('CreateTopics', 7, { topics: names.map((each) => created(each)) })
    return ask('DeleteTopics', 5, { topicNames: names, timeoutMs: 1_000 })
  }),
  many('CreatePartitions', 'all topics', ({ n, ask }) =>
    ask('CreatePartitions', 3, {
      topics: each(n, (i) => ({ name: topicName(i), count: 2, assignments: null })),
      timeoutMs: 1_000,
      validateOnly: true,
    }),
  ),
  more('CreatePartitions', 'an assignment of many partitions', ({ n, ask }) =>
    ask('CreatePartitions', 3, {
      topics: [
        { name: topicName(0), count: n + 1, assignments: each(n, () => ({ brokerIds: [1] })) },
      ],
      timeoutMs: 1_000,
      validateOnly: true,
    }),
  ),
]

function created(name: string, count = 1) {
  return { name, numPartitions: count, replicationFactor: count }
}

export const settings: readonly ManyItems[] = [
  many('DescribeConfigs', 'all topics', ({ n, ask }) =>
    ask('DescribeConfigs', 4, {
      resources: each(n / 4, (i) => ({
        resourceType: 2,
        resourceName: topicName(i),
        configurationKeys: ['retention.ms'],
      })),
    }),
  ),
  more('DescribeConfigs', 'keys', ({ n, ask }) =>
    ask('DescribeConfigs', 4, {
      resources: [
        {
          resourceType: 2,
          resourceName: 'wide',
          configurationKeys: each(n, (i) => `key-${i}`),
        },
      ],
    }),
  ),
  many('AlterConfigs', 'all topics', ({ n, ask }) =>
    ask('AlterConfigs', 2, {
      resources: each(n, (i) => ({
        resourceType: 2,
        resourceName: topicName(i),
        configs: [{ name: 'retention.ms', value: '1' }],
      })),
    }),
  ),
  many('AlterConfigs', 'unknown topics', ({ n, ask }) =>
    ask('AlterConfigs', 2, {
      resources: each(n, (i) => ({ resourceType: 2, resourceName: `x${i}` })),
    }),
  ),
  many('IncrementalAlterConfigs', 'a setting of the broker', ({ ask, round }) =>
    ask('IncrementalAlterConfigs', 1, {
      resources: [
        {
          resourceType: 4,
          resourceName: '',
          configs: [{ name: 'log.retention.ms', configOperation: 0, value: `${round()}` }],
        },
      ],
    }),
  ),
  many('IncrementalAlterConfigs', 'unknown topics', ({ n, ask }) =>
    ask('IncrementalAlterConfigs', 1, {
      resources: each(n, (i) => ({ resourceType: 2, resourceName: `x${i}` })),
    }),
  ),
  ...[2, 3].map((configOperation) =>
    many('IncrementalAlterConfigs', `operation ${configOperation} of a long list`, (world) => {
      const { n, ask } = world
      // No more than a string may hold.
      const list = (prefix: string) => each(n, (i) => `${prefix}${i}:0`).join(',')
      const name = 'leader.replication.throttled.replicas'
      const edits = [
        { name, configOperation: 0, value: list('o') },
        { name, configOperation, value: list('n') },
      ]
      return Promise.all(
        edits.map((edit) =>
          ask('IncrementalAlterConfigs', 1, {
            resources: [{ resourceType: 2, resourceName: topicName(0), configs: [edit] }],
          }),
        ),
      )
    }),
  ),
  more('ListConfigResources', 'types', ({ n, ask }) =>
    ask('ListConfigResources', 1, { resourceTypes: each(n, () => 99) }),
  ),
]
