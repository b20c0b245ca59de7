/** Making, growing and removing topics, and how each can fail. */
import type { RequestInput } from '../../../src/protocol/api.ts'
import { family } from './rule.ts'
import type { Side } from './side.ts'

type Creatable = NonNullable<RequestInput<'CreateTopics'>['topics']>[number]

const unknownId = 'Dw8PDw8PDw8PDw8PDw8PDw'

/** Configurations have rules of their own. */
async function create(
  side: Side,
  topic: Creatable,
  o: { version?: number; validateOnly?: boolean } = {},
) {
  const { version = 7, validateOnly = false } = o
  const request = { topics: [{ replicationFactor: 1, ...topic }], timeoutMs: 5000, validateOnly }
  const { topics } = await side.ask('CreateTopics', version, request, { aside: true })
  side.note(
    `CreateTopics v${version} ${topic.name}`,
    topics.map((each) => ({ ...each, configs: [] })),
  )
}

async function partitions(
  side: Side,
  name: string,
  count: number,
  o: {
    validateOnly?: boolean
    assignments?: readonly { brokerIds: readonly number[] }[] | null
    version?: number
  } = {},
) {
  const { version = 3, validateOnly = false, assignments = null } = o
  const topics = [{ name, count, assignments: assignments as { brokerIds: number[] }[] | null }]
  await side.ask('CreatePartitions', version, { topics, timeoutMs: 5000, validateOnly })
}

family('topics', (rule) => {
  rule('a topic is created once, in every version', async (side) => {
    for (let version = 2; version <= 7; version++) {
      const name = side.called(`v${version}`)
      await create(side, { name, numPartitions: 2 }, { version })
      await side.led(name, 2)
      await create(side, { name, numPartitions: 2 }, { version })
    }
  })

  rule('-1 takes the broker’s defaults', async (side) => {
    for (const version of [2, 4, 5, 7]) {
      const name = side.called(`v${version}`)
      await create(side, { name, numPartitions: -1, replicationFactor: -1 }, { version })
    }
  })

  rule('names are checked', async (side) => {
    for (const name of ['', '.', '..', 'bad/name', 'x'.repeat(250), 'x y', 'ä']) {
      await create(side, { name, numPartitions: 1 })
    }
    await create(side, { name: side.called('a.b'), numPartitions: 1 })
    await side.led(side.called('a.b'), 1)
    await create(side, { name: side.called('a_b'), numPartitions: 1 })
    await create(side, { name: '__cluster_metadata', numPartitions: 1 })
  })

  rule('counts are checked', async (side) => {
    for (const numPartitions of [0, -2])
      await create(side, { name: side.called('p'), numPartitions })
    for (const replicationFactor of [0, -2, 2, 3]) {
      await create(side, { name: side.called('r'), numPartitions: 1, replicationFactor })
    }
  })

  rule('assignments are checked', async (side) => {
    const name = side.called('a')
    const given = { name, numPartitions: -1, replicationFactor: -1 }
    const assign = (...brokers: number[][]) =>
      brokers.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds }))
    await create(side, { ...given, assignments: assign([1], [7]) })
    await create(side, { ...given, assignments: assign([1, 1]) })
    await create(side, { ...given, assignments: assign([]) })
    await create(side, { ...given, assignments: [{ partitionIndex: 1, brokerIds: [1] }] })
    await create(side, { ...given, numPartitions: 2, assignments: assign([1]) })
    await create(side, { ...given, replicationFactor: 1, assignments: assign([1]) })
    await create(side, { ...given, assignments: [...assign([1]), ...assign([1])] })
    await create(side, { ...given, assignments: assign([1], [1, 7]) })
    await create(side, { ...given, assignments: [{ partitionIndex: -1, brokerIds: [1] }] })
    await create(side, { ...given, assignments: assign([1], [1]) })
    for (const version of [2, 4, 5, 7]) {
      const topic = { ...given, name: side.called(`v${version}`) }
      await create(side, { ...topic, assignments: assign([1], [1]).toReversed() }, { version })
    }
  })

  rule('a request for too many partitions makes none of them', async (side) => {
    const topics = [5_000, 5_001].map((numPartitions) => ({
      name: side.called(`n${numPartitions}`),
      numPartitions,
      replicationFactor: 1,
    }))
    await side.ask('CreateTopics', 7, { topics, timeoutMs: 5000, validateOnly: true })
  })

  rule('configurations are checked', async (side) => {
    const cases: Readonly<Record<string, string | null>>[] = [
      { 'no.such.config': '1' },
      { 'retention.ms': 'soon' },
      { 'retention.ms': '-2' },
      { 'cleanup.policy': 'burn' },
      { 'cleanup.policy': '' },
      { 'cleanup.policy': 'compact,delete' },
      { 'min.insync.replicas': '0' },
      { 'compression.type': 'zip' },
      { 'message.timestamp.type': 'Never' },
      { 'segment.bytes': '1' },
      { 'segment.bytes': '99999999999' },
      { 'max.message.bytes': '-1' },
      { 'unclean.leader.election.enable': 'maybe' },
      { 'retention.ms': null },
      { 'min.cleanable.dirty.ratio': '2' },
      { 'min.cleanable.dirty.ratio': '0.3' },
      { 'local.retention.ms': '1' },
      { 'remote.storage.enable': 'true' },
    ]
    for (const [i, configs] of cases.entries()) {
      const entries = Object.entries(configs).map(([name, value]) => ({ name, value }))
      const topic = { name: side.called(`c${i}`), numPartitions: 1, configs: entries }
      await create(side, topic, { validateOnly: true })
    }
  })

  rule('a dry run says what would be and makes nothing', async (side) => {
    const name = side.called('dry')
    for (const version of [4, 5, 7])
      await create(side, { name, numPartitions: 3 }, { version, validateOnly: true })
    await side.ask('Metadata', 9, { topics: [{ name }], allowAutoTopicCreation: false })
    await create(side, { name: 'bad/name', numPartitions: 3 }, { validateOnly: true })
  })

  rule('a name given twice is refused', async (side) => {
    const name = side.called('twice')
    const topics = [name, name, side.called('once')].map((each) => ({
      name: each,
      numPartitions: 1,
      replicationFactor: 1,
    }))
    const answer = await side.ask('CreateTopics', 7, { topics, timeoutMs: 5000 }, { aside: true })
    side.note(
      'topics',
      answer.topics.map((each) => ({ ...each, configs: [] })),
    )
  })

  rule('a topic is deleted once, by name or by id', async (side) => {
    const name = await side.topic()
    for (const version of [1, 3, 5]) {
      const doomed = await side.topic()
      const request = { topicNames: [doomed, side.called('missing')], timeoutMs: 5000 }
      await side.ask('DeleteTopics', version, request)
      await side.ask('DeleteTopics', version, request)
    }
    const topicId = await side.led(name, 1)
    const both = { topics: [{ name, topicId }], timeoutMs: 5000 }
    await side.ask('DeleteTopics', 6, both)
    const neither = { topics: [{ name: null }], timeoutMs: 5000 }
    await side.ask('DeleteTopics', 6, neither)
    for (const id of [topicId, unknownId, topicId]) {
      const byId = { topics: [{ name: null, topicId: id }], timeoutMs: 5000 }
      await side.ask('DeleteTopics', 6, byId)
    }
  })

  rule('a topic named twice in one deletion is refused', async (side) => {
    const name = await side.topic()
    await side.ask('DeleteTopics', 5, { topicNames: [name, name], timeoutMs: 5000 })
    await side.ask('DeleteTopics', 6, { topics: [{ name }, { name }], timeoutMs: 5000 })
    const topicId = await side.led(name, 1)
    await side.ask('DeleteTopics', 6, {
      topics: [{ name }, { name: null, topicId }],
      timeoutMs: 5000,
    })
    await side.ask('Metadata', 9, { topics: [{ name }], allowAutoTopicCreation: false })
  })

  rule('a topic grows and never shrinks', async (side) => {
    const name = await side.topic({ partitions: 2 })
    for (const count of [2, 1, 0, -1]) await partitions(side, name, count)
    await partitions(side, name, 4, { validateOnly: true })
    await side.ask('Metadata', 9, { topics: [{ name }] })
    for (const version of [0, 1, 2, 3]) await partitions(side, name, 3 + version, { version })
    await side.led(name, 6)
    await partitions(side, side.called('missing'), 4)
    await partitions(side, 'bad/name', 4)
  })

  rule('new partitions are assigned rightly', async (side) => {
    const name = await side.topic()
    await partitions(side, name, 2, { assignments: [{ brokerIds: [7] }] })
    await partitions(side, name, 2, { assignments: [{ brokerIds: [1, 1] }] })
    await partitions(side, name, 2, { assignments: [] })
    await partitions(side, name, 3, { assignments: [{ brokerIds: [1] }] })
    await partitions(side, name, 2, { assignments: [{ brokerIds: [1] }, { brokerIds: [1] }] })
    await partitions(side, name, 2, { assignments: [{ brokerIds: [1] }] })
  })

  rule('a topic named twice in one growth is refused', async (side) => {
    const name = await side.topic()
    const topics = [2, 3].map((count) => ({ name, count, assignments: null }))
    await side.ask('CreatePartitions', 3, { topics, timeoutMs: 5000 })
  })
})
