/** Topics with a replica assignment of their own: Kafka's rules, with the one broker there is. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { RequestInput } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { batchOf, produce, type RawClient } from '../../conformance/raw-client.ts'
import { openBroker, type OpenBroker } from './open-broker.ts'

type Creatable = NonNullable<RequestInput<'CreateTopics'>['topics']>[number]

let open: OpenBroker
let client: RawClient

before(async () => {
  open = await openBroker({ config: { nodeId: 3 } })
  client = await open.client()
})
after(() => open.broker.close())

const unset = { numPartitions: -1, replicationFactor: -1 }

function to(...brokers: number[][]) {
  return brokers.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds }))
}

async function create(name: string, topic: Creatable, version = 7) {
  const { topics } = await client.ask('CreateTopics', version, { topics: [{ name, ...topic }] })
  return topics[0]!
}

async function partitionsOf(name: string) {
  const asked = { topics: [{ name }], allowAutoTopicCreation: false }
  const { topics } = await client.ask('Metadata', 12, asked)
  return topics[0]!.partitions
}

describe('CreateTopics with an assignment', () => {
  it('makes a partition for each, in whatever order they come, in every version', async () => {
    for (let version = 2; version <= 7; version++) {
      const name = `made-${version}`
      const assignments = to([3], [3], [3]).toReversed()
      const made = await create(name, { ...unset, assignments }, version)
      assert.equal(made.errorCode, ErrorCode.NONE)
      const told = version < 5 ? [-1, -1] : [3, 1]
      assert.deepEqual([made.numPartitions, made.replicationFactor], told)
      const partitions = await partitionsOf(name)
      assert.deepEqual(
        partitions.map((each) => [each.partitionIndex, each.leaderId, each.replicaNodes]),
        [0, 1, 2].map((index) => [index, 3, [3]]),
      )
      const written = await produce(client, name, batchOf(['x']), { partition: 2 })
      assert.equal(written.errorCode, ErrorCode.NONE)
    }
  })

  it('does not take a number of partitions or replicas beside it', async () => {
    for (const beside of [{ numPartitions: 1 }, { replicationFactor: 1 }]) {
      const made = await create('beside', { ...unset, ...beside, assignments: to([3]) })
      assert.equal(made.errorCode, ErrorCode.INVALID_REQUEST)
    }
  })

  const wrong: Readonly<Record<string, ReturnType<typeof to>>> = {
    'of a broker that is not there': to([3], [1]),
    'of more replicas than brokers': to([3, 1]),
    'of a broker twice': to([3, 3]),
    'of nobody': to([3], []),
    'of a partition twice': [...to([3]), ...to([3])],
    'with a gap': [{ partitionIndex: 1, brokerIds: [3] }],
    'below 0': [{ partitionIndex: -1, brokerIds: [3] }],
    'far off': [{ partitionIndex: 0x7fff_ffff, brokerIds: [3] }],
  }
  for (const [what, assignments] of Object.entries(wrong)) {
    it(`is refused ${what}, and makes nothing`, async () => {
      const made = await create('wrong', { ...unset, assignments })
      assert.equal(made.errorCode, ErrorCode.INVALID_REPLICA_ASSIGNMENT)
      assert.deepEqual(await partitionsOf('wrong'), [])
    })
  }
})

describe('CreatePartitions with an assignment', () => {
  it('names the brokers of the new partitions only', async () => {
    await create('grows', { ...unset, assignments: to([3]) })
    const grow = async (...brokers: number[][]) => {
      const assignments = brokers.map((brokerIds) => ({ brokerIds }))
      const topics = [{ name: 'grows', count: 3, assignments }]
      const { results } = await client.ask('CreatePartitions', 3, { topics })
      return results[0]!.errorCode
    }
    assert.equal(await grow([3]), ErrorCode.INVALID_REPLICA_ASSIGNMENT)
    assert.equal(await grow([3], [1]), ErrorCode.INVALID_REPLICA_ASSIGNMENT)
    assert.equal(await grow([3], [3]), ErrorCode.NONE)
    assert.equal((await partitionsOf('grows')).length, 3)
  })
})
