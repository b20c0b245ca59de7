import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import { Metadata } from '../../../src/client/cluster/metadata.ts'
import { latestTimestamp, listOffsets } from '../../../src/client/consumer/list-offsets.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import type { Clock, Dial } from '../../../src/io/ports.ts'
import type { ApiName, ResponseOf } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { encodeResponse } from '../../../src/protocol/frame.ts'
import { keepAwake } from '../../client-suite/peer.ts'
import { metadataOf, scriptedBroker } from './scripted-broker.ts'

keepAwake()

const two = [
  { nodeId: 1, host: 'one', port: 1 },
  { nodeId: 2, host: 'two', port: 2 },
]

function connect(dial: Dial, retryTimeoutMs = 5_000): Promise<Cluster> {
  const bootstrap = [
    { host: 'boot', port: 90 },
    { host: 'boot', port: 91 },
  ]
  return Cluster.connect({ bootstrap, dial, clock: nodeClock, random: nodeRandom, retryTimeoutMs })
}

const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }
const coordinator = { coordinator: 'group', id: 'g' } as const

test('the first bootstrap address that answers is enough', async () => {
  const broker = scriptedBroker({})
  await using cluster = await connect(async (host, port) => {
    if (port === 90) throw new Error('down')
    return broker.dial(host, port)
  })
  assert.deepEqual(cluster.metadata.brokerIds(), [1])
})

test('when no address answers, connecting fails and names the last', async () => {
  const dial: Dial = async () => {
    throw new Error('down')
  }
  await assert.rejects(connect(dial), { code: 'connection-failed', message: /boot:91: down/ })
})

test('an address that nobody gave is named as the one the broker advertises', async () => {
  const broker = scriptedBroker({ Metadata: (asked) => metadataOf(asked, two, 1) })
  await using cluster = await connect(async (host, port) => {
    if (host !== 'boot') throw new Error('down')
    return broker.dial(host, port)
  })
  await assert.rejects(cluster.connection(1), {
    code: 'connection-failed',
    message:
      /one:1: down.*; this is the address the broker advertises \(advertised\.listeners\).*--advertise HOST:PORT\)$/,
  })
})

test('leaders that nobody reaches are given up with the reason', async () => {
  const broker = scriptedBroker({ Metadata: (asked) => metadataOf(asked, two, 1) })
  const pace = 500
  const hasty: Clock = {
    ...nodeClock,
    monotonic: () => nodeClock.monotonic() * pace,
    after: (delayMs, callback) => nodeClock.after(delayMs / pace, callback),
  }
  const dial: Dial = async (host, port) => {
    if (host !== 'boot') throw new Error('down')
    return broker.dial(host, port)
  }
  const bootstrap = [{ host: 'boot', port: 90 }]
  await using cluster = await Cluster.connect({ bootstrap, dial, clock: hasty, random: nodeRandom })
  const asking = listOffsets(
    cluster,
    [{ topic: 't', partition: 0 }],
    latestTimestamp,
    'read_committed',
  )
  await assert.rejects(asking, {
    code: 'timeout',
    message:
      /list offsets of t-0 within 60000 ms: .*:1: down.*advertises \(advertised\.listeners\)/,
  })
})

test('an address that was given is not', async () => {
  const broker = scriptedBroker({
    Metadata: (asked) => metadataOf(asked, [{ nodeId: 1, host: 'boot', port: 91 }], 1),
  })
  let isDown = false
  await using cluster = await connect(async (host, port) => {
    if (isDown) throw new Error('down')
    return broker.dial(host, port)
  })
  isDown = true
  await assert.rejects(cluster.connection(1), { message: /boot:91: down.*is running$/ })
})

test('a coordinator that moved is looked up again', async () => {
  let coordinatorId = 1
  const broker = scriptedBroker({
    Metadata: (asked) => metadataOf(asked, two, 1),
    FindCoordinator: () => ({ coordinators: [{ key: 'g', nodeId: coordinatorId }] }),
    Heartbeat: ({ port }) => {
      if (port === coordinatorId) return {}
      return { errorCode: ErrorCode.NOT_COORDINATOR }
    },
  })
  await using cluster = await connect(broker.dial)
  assert.equal((await cluster.request('Heartbeat', heartbeat, coordinator)).errorCode, 0)
  coordinatorId = 2
  assert.equal((await cluster.request('Heartbeat', heartbeat, coordinator)).errorCode, 0)
  const lookups = broker.asked.filter(({ api }) => api === 'FindCoordinator')
  assert.equal(lookups.length, 2)
})

test('a role that never settles is answered with the code after the time given', async () => {
  const broker = scriptedBroker({
    FindCoordinator: () => ({ coordinators: [{ key: 'g', nodeId: 1 }] }),
    Heartbeat: () => ({ errorCode: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS }),
  })
  await using cluster = await connect(broker.dial, 100)
  const { errorCode } = await cluster.request('Heartbeat', heartbeat, coordinator)
  assert.equal(errorCode, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
  assert.ok(broker.asked.filter(({ api }) => api === 'Heartbeat').length > 1)
})

test('a connection lost in the middle is a repetition, not an error', async () => {
  let times = 0
  const broker = scriptedBroker({
    ListGroups: ({ duplex }) => {
      if (++times >= 3) return { groups: [] }
      duplex.destroy()
      return undefined
    },
  })
  await using cluster = await connect(broker.dial)
  assert.deepEqual((await cluster.request('ListGroups', {})).groups, [])
  assert.equal(times, 3)
})

test("other error codes are the caller's at once", async () => {
  const broker = scriptedBroker({
    ListGroups: () => ({ errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED }),
  })
  await using cluster = await connect(broker.dial)
  const { errorCode } = await cluster.request('ListGroups', {})
  assert.equal(errorCode, ErrorCode.CLUSTER_AUTHORIZATION_FAILED)
})

test('lanes to one broker are connections of their own', async () => {
  const broker = scriptedBroker({ ListGroups: () => ({}) })
  await using cluster = await connect(broker.dial)
  await cluster.request('ListGroups', {}, 1)
  await cluster.request('ListGroups', {}, 1, { lane: 'a' })
  await cluster.request('ListGroups', {}, 1, { lane: 'a' })
  const ends = broker.asked.filter(({ api }) => api === 'ListGroups').map(({ duplex }) => duplex)
  assert.notEqual(ends[0], ends[1])
  assert.equal(ends[1], ends[2])
})

test('a closed cluster sends nothing more', async () => {
  const broker = scriptedBroker({ ListGroups: () => ({}) })
  const cluster = await connect(broker.dial)
  await cluster.close()
  await assert.rejects(cluster.request('ListGroups', {}), { code: 'connection-lost' })
})

test('metadata from a broker that lags does not bring an old leader back', () => {
  const metadata = new Metadata()
  const answer = (leaderId: number, leaderEpoch: number, topicId: string) =>
    metadata.update({
      brokers: [],
      clusterId: 'c',
      controllerId: 1,
      topics: [
        {
          errorCode: 0,
          name: 't',
          topicId,
          partitions: [{ partitionIndex: 0, leaderId, leaderEpoch }],
        },
      ],
    } as unknown as ResponseOf<Extract<ApiName, 'Metadata'>>)
  answer(1, 5, 'first')
  answer(2, 4, 'first')
  assert.deepEqual(metadata.topic('t')!.partitions[0], { leaderId: 1, leaderEpoch: 5 })
  answer(2, 6, 'first')
  assert.equal(metadata.topic('t')!.partitions[0]!.leaderId, 2)
  answer(3, 0, 'made anew')
  assert.equal(metadata.topic('t')!.partitions[0]!.leaderId, 3)
  assert.equal(metadata.nameOf('made anew'), 't')
  assert.equal(metadata.nameOf('first'), undefined)
})

test('an answer to a question that did not name a topic does not say that it is missing', async () => {
  let held: (() => void) | undefined
  let isHolding = false
  const broker = scriptedBroker({
    Metadata: (asked) => {
      if (!isHolding) return metadataOf(asked, two, 1)
      isHolding = false
      const { api, version, correlationId, duplex } = asked
      const chunks = encodeResponse(api, version, correlationId, metadataOf(asked, two, 1))
      held = () => void duplex.write(chunks)
      return undefined
    },
  })
  await using cluster = await Cluster.connect({
    bootstrap: [{ host: 'boot', port: 90 }],
    dial: broker.dial,
    clock: nodeClock,
    random: nodeRandom,
    topicWaitMs: 0,
  })
  isHolding = true
  const older = cluster.refresh()
  while (held === undefined) await sleep(nodeClock, 1)
  const count = cluster.partitionCount('airports')
  held()
  await older
  assert.equal(await count, 2)
})

test('what is found wrong while a question is on its way is asked anew', async () => {
  let leader = 1
  let isSlow = false
  const broker = scriptedBroker({
    Metadata: (asked) => {
      const answer = metadataOf(asked, two, leader)
      if (!isSlow) return answer
      const { api, version, correlationId, duplex } = asked
      const chunks = encodeResponse(api, version, correlationId, answer)
      setTimeout(() => duplex.write(chunks), 20)
      return undefined
    },
  })
  await using cluster = await connect(broker.dial)
  await cluster.topic('t')
  isSlow = true
  const older = cluster.refresh()
  while (broker.asked.filter(({ api }) => api === 'Metadata').length < 3) await sleep(nodeClock, 1)
  leader = 2
  cluster.markStale()
  const { partitions } = await cluster.topic('t')
  assert.equal(partitions[0]!.leaderId, 2)
  await older
})

test('topics that are watched are asked for even when they do not exist, and while brokers are away', async () => {
  let exists = false
  let isAway = false
  const broker = scriptedBroker({
    Metadata: (asked) => {
      if (isAway) return asked.duplex.destroy()
      const answer = metadataOf(asked, two, 1)
      if (exists) return answer
      const topics = answer.topics!.map(({ name }) => ({
        name: name!,
        errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      }))
      return { ...answer, topics }
    },
  })
  const bootstrap = [{ host: 'boot', port: 90 }]
  const ports = { dial: broker.dial, clock: nodeClock, random: nodeRandom }
  const options = { bootstrap, ...ports, metadataMaxAgeMs: 10, topicWaitMs: 0 }
  await using cluster = await Cluster.connect(options)
  const told: (number | undefined)[] = []
  const stop = cluster.watchTopics(['t'], (changes) => {
    for (const { now } of changes) told.push(now?.partitions)
  })
  await assert.rejects(cluster.partitionCount('t'), { code: 'not-found' })
  await sleep(nodeClock, 50)
  assert.deepEqual(told, [])
  isAway = true
  await sleep(nodeClock, 50)
  exists = true
  isAway = false
  while (told.length === 0) await sleep(nodeClock, 5)
  assert.deepEqual(told, [2])
  stop()
})
