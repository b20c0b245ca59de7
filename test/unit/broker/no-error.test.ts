/**
 * What stands in an error message where there is no error: null nearly everywhere, but not everywhere. The
 * values are Kafka's, from the frames in test/golden and its sources; clients compare with them.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { apiNames, apis, type ApiName, type RequestInput } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import type { Shape } from '../../../src/protocol/shape.ts'
import { batchOf, createTopic, produce, type RawClient } from '../../conformance/raw-client.ts'
import { openBroker, type OpenBroker } from './open-broker.ts'

type Asked<N extends ApiName = ApiName> = {
  readonly [A in N]: readonly [version: number, nothing: string | null, request: RequestInput<A>]
}

const ofTopic = { resourceType: 2, resourceName: 't' }
const newest: Partial<Asked> = {
  Produce: [
    12,
    null,
    {
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: 't', partitionData: [{ index: 0, records: batchOf(['a']) }] }],
    },
  ],
  FindCoordinator: [6, '', { coordinatorKeys: ['g'] }],
  DescribeGroups: [6, null, { groups: ['g'] }],
  CreateTopics: [7, null, { topics: [{ name: 'new', numPartitions: 1, replicationFactor: 1 }] }],
  CreatePartitions: [3, null, { topics: [{ name: 't', count: 2, assignments: null }] }],
  DescribeConfigs: [4, '', { resources: [{ ...ofTopic, configurationKeys: null }] }],
  AlterConfigs: [2, null, { resources: [ofTopic] }],
  IncrementalAlterConfigs: [1, null, { resources: [ofTopic] }],
  DescribeCluster: [2, null, {}],
  DescribeProducers: [0, null, { topics: [{ name: 't', partitionIndexes: [0] }] }],
  DeleteGroups: [3, null, { groupsNames: ['g'] }],
  DeleteTopics: [6, null, { topics: [{ name: 't' }] }],
}

let open: OpenBroker
let client: RawClient

before(async () => {
  open = await openBroker()
  client = await open.client()
  await createTopic(client, 't')
  await produce(client, 't', batchOf(['a']))
  const partitions = [{ partitionIndex: 0, committedOffset: 1 }]
  await client.ask('OffsetCommit', 8, { groupId: 'g', topics: [{ name: 't', partitions }] })
})
after(() => open.broker.close())

/** The messages that stand beside no error, in whatever depth. */
function nothingsIn(answer: unknown): unknown[] {
  if (typeof answer !== 'object' || answer === null || answer instanceof Uint8Array) return []
  if (Array.isArray(answer)) return answer.flatMap((item) => nothingsIn(item))
  const { errorCode, errorMessage, ...others } = answer as Readonly<Record<string, unknown>>
  const own = errorCode === ErrorCode.NONE && errorMessage !== undefined ? [errorMessage] : []
  return [...own, ...Object.values(others).flatMap((item) => nothingsIn(item))]
}

function hasErrorMessage(shape: Shape): boolean {
  if (shape.kind === 'nullable') return hasErrorMessage(shape.of)
  if (shape.kind === 'array') return hasErrorMessage(shape.item)
  if (shape.kind !== 'struct') return false
  return Object.entries(shape.members).some(
    ([name, member]) => name === 'errorMessage' || hasErrorMessage(member.shape),
  )
}

describe('no error', () => {
  for (const [api, [version, nothing, request]] of Object.entries(newest)) {
    it(`has ${JSON.stringify(nothing)} for a message in ${api} v${version}`, async () => {
      const said = nothingsIn(await client.ask(api as ApiName, version, request))
      assert.ok(said.length > 0)
      for (const each of said) assert.equal(each, nothing)
    })
  }

  it('is looked for in every API whose answers have messages', () => {
    // There is no SASL here, so that answer is never without an error.
    const withMessage = apiNames.filter(
      (name) => name !== 'SaslAuthenticate' && hasErrorMessage(apis[name].response.shape),
    )
    assert.deepEqual(Object.keys(newest).toSorted(), withMessage.toSorted())
  })

  it('is what nobody who signs in gets, in any version', async () => {
    for (const version of [0, 1]) {
      const { errorCode } = await client.ask('SaslHandshake', version, { mechanism: 'PLAIN' })
      assert.equal(errorCode, ErrorCode.ILLEGAL_SASL_STATE)
    }
    for (const version of [0, 1, 2]) {
      const { errorCode } = await client.ask('SaslAuthenticate', version, {})
      assert.equal(errorCode, ErrorCode.ILLEGAL_SASL_STATE)
    }
  })

  it('has its code’s name in FindCoordinator before version 4', async () => {
    for (const version of [1, 2, 3]) {
      const found = await client.ask('FindCoordinator', version, { key: 'g' })
      assert.deepEqual([found.errorCode, found.errorMessage], [ErrorCode.NONE, 'NONE'])
    }
  })

  it('has null in CreateTopics in every version', async () => {
    for (let version = 2; version <= 7; version++) {
      const name = `in-${version}`
      const asked = { topics: [{ name, numPartitions: 1, replicationFactor: 1 }] }
      const { topics } = await client.ask('CreateTopics', version, asked)
      assert.deepEqual([topics[0]?.errorCode, topics[0]?.errorMessage], [ErrorCode.NONE, null])
    }
  })
})
