import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadwaterError } from '../../../src/base/errors.ts'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import { GroupMember } from '../../../src/client/group/group-member.ts'
import { encodeAssignment } from '../../../src/client/group/group-protocol.ts'
import type { Clock } from '../../../src/io/ports.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { keepAwake } from '../../client-suite/peer.ts'
import { scriptedBroker } from './scripted-broker.ts'

keepAwake()

const generation = {
  generationId: 1,
  protocolType: 'consumer',
  protocolName: 'range',
  leader: 'another',
  memberId: 'us',
  members: [],
}

/** Instead of an answer: once, what is not Kafka's protocol. */
const nonsense = 10_000
/** Instead of an answer: none. */
const silence = 10_001

/** A member of a group whose broker answers, or is away with all its connections. */
async function memberOf(o: {
  readonly retryTimeoutMs: number
  readonly instanceId?: string
  readonly onRevoked?: () => Promise<void>
  readonly sessionTimeoutMs?: number
  readonly rebalanceTimeoutMs?: number
  readonly clock?: Clock
}) {
  let isAway = false
  let heartbeat: number = ErrorCode.NONE
  let syncs: number = ErrorCode.NONE
  const { dial, asked } = scriptedBroker({
    // While the group rebalances, the answer waits for the other members.
    JoinGroup: () => (heartbeat === ErrorCode.NONE ? generation : undefined),
    SyncGroup: () => ({
      errorCode: syncs,
      assignment: encodeAssignment({ partitions: [{ topic: 't', partition: 0 }], userData: null }),
    }),
    Heartbeat: ({ duplex }) => {
      if (heartbeat === silence) return undefined
      if (heartbeat !== nonsense) return { errorCode: heartbeat }
      heartbeat = ErrorCode.NONE
      duplex.write([new Uint8Array([0, 0, 0, 4, 9, 9, 9, 9])])
      return undefined
    },
    LeaveGroup: () => ({ members: [] }),
  })
  const cluster = await Cluster.connect({
    bootstrap: [{ host: 'one', port: 1 }],
    dial: async (host, port) => {
      if (isAway) throw new HeadwaterError('connection-failed', 'nobody is there')
      return dial(host, port)
    },
    clock: o.clock ?? nodeClock,
    random: nodeRandom,
    retryTimeoutMs: o.retryTimeoutMs,
  })
  const heard: string[] = []
  const member = new GroupMember(cluster, {
    ...(o.instanceId === undefined ? {} : { instanceId: o.instanceId }),
    ...(o.sessionTimeoutMs === undefined ? {} : { sessionTimeoutMs: o.sessionTimeoutMs }),
    ...(o.rebalanceTimeoutMs === undefined ? {} : { rebalanceTimeoutMs: o.rebalanceTimeoutMs }),
    groupId: 'group',
    topics: ['t'],
    heartbeatIntervalMs: 10,
    onAssigned: async () => void heard.push('assigned'),
    onRevoked: async () => {
      heard.push('revoked')
      await o.onRevoked?.()
    },
    onLost: async () => void heard.push('lost'),
    onFailed: () => void heard.push('failed'),
  })
  return {
    member,
    heard,
    joins: () => asked.filter(({ api }) => api === 'JoinGroup').length,
    rebalance: () => {
      heartbeat = ErrorCode.REBALANCE_IN_PROGRESS
    },
    beats: () => asked.filter(({ api }) => api === 'Heartbeat').length,
    refuseToSync: (code: number) => {
      syncs = code
    },
    answer: (code: number) => {
      heartbeat = code
    },
    goAway: () => {
      isAway = true
      for (const { duplex } of asked) duplex.destroy()
    },
    comeBack: () => {
      isAway = false
      heartbeat = ErrorCode.NONE
    },
    close: async () => {
      await member.leave()
      await cluster.close()
    },
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'not in time')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('a member whose brokers go away while it joins again waits for them', async () => {
  const { member, heard, close, ...broker } = await memberOf({ retryTimeoutMs: 100 })
  await member.join()
  broker.rebalance()
  await until(() => broker.joins() === 2)
  broker.goAway()
  await new Promise((resolve) => setTimeout(resolve, 600))
  broker.comeBack()
  await until(() => heard.at(-1) === 'assigned')
  await close()
  assert.ok(!heard.includes('failed'))
})

test('a member that waits for its brokers can leave', async () => {
  const options = { retryTimeoutMs: 100, instanceId: 'static' }
  const { member, heard, close, ...broker } = await memberOf(options)
  await member.join()
  broker.rebalance()
  await until(() => broker.joins() === 2)
  broker.goAway()
  await new Promise((resolve) => setTimeout(resolve, 300))
  await close()
  assert.ok(!heard.includes('failed'))
})

test('a member that was never in the group says that no broker is there', async () => {
  const { member, close, ...broker } = await memberOf({ retryTimeoutMs: 100 })
  broker.goAway()
  await assert.rejects(member.join(), { code: 'connection-failed' })
  await close()
})

test('a member whose broker answers nonsense once stays in the group', async () => {
  const { member, heard, close, ...broker } = await memberOf({ retryTimeoutMs: 1_000 })
  await member.join()
  broker.answer(nonsense)
  const before = broker.beats()
  await until(() => broker.beats() > before + 3)
  await close()
  assert.deepEqual(heard, ['assigned', 'revoked'])
})

test('a member that was refused for good while it gave up joins no more', async () => {
  const giveUp = Promise.withResolvers<void>()
  const { member, heard, close, ...broker } = await memberOf({
    retryTimeoutMs: 1_000,
    onRevoked: () => giveUp.promise,
  })
  await member.join()
  broker.answer(ErrorCode.REBALANCE_IN_PROGRESS)
  await until(() => heard.includes('revoked'))
  broker.answer(ErrorCode.FENCED_INSTANCE_ID)
  await until(() => heard.includes('failed'))
  broker.answer(ErrorCode.NONE)
  giveUp.resolve()
  await new Promise((resolve) => setTimeout(resolve, 200))
  await close()
  assert.deepEqual(heard, ['assigned', 'revoked', 'lost', 'failed'])
  assert.equal(broker.joins(), 1)
})

test('a member does not wait for the answer to a heartbeat as long as a session of a day would let it', async () => {
  const start = nodeClock.monotonic()
  const monotonic = (): number => (nodeClock.monotonic() - start) * 100
  const clock: Clock = {
    ...nodeClock,
    monotonic,
    after: (delayMs, run) => nodeClock.after(delayMs / 100, run),
  }
  const options = { retryTimeoutMs: 1_000, sessionTimeoutMs: 86_400_000, clock }
  const assigned = await memberOf(options)
  await assigned.member.join()
  assigned.answer(silence)
  const before = monotonic()
  const confirmed = assigned.member.confirm(assigned.member.ownership!)
  await assert.rejects(confirmed, { code: 'timeout' })
  assert.ok(monotonic() - before < 60_000)
  await assigned.close()
})

test('a broker that fails in some way of its own is asked again, for a minute', async () => {
  const pace = 500
  const clock: Clock = {
    now: () => nodeClock.now(),
    monotonic: () => nodeClock.monotonic() * pace,
    after: (delayMs, callback) => nodeClock.after(delayMs / pace, callback),
    soon: (callback) => nodeClock.soon(callback),
  }
  const { member, heard, joins, beats, answer, refuseToSync, close } = await memberOf({
    retryTimeoutMs: 60_000,
    clock,
  })
  await member.join()
  answer(ErrorCode.UNKNOWN_SERVER_ERROR)
  const before = beats()
  await until(() => beats() > before + 5)
  assert.deepEqual(heard, ['assigned'])
  answer(ErrorCode.NONE)
  refuseToSync(ErrorCode.UNKNOWN_SERVER_ERROR)
  answer(ErrorCode.ILLEGAL_GENERATION)
  await until(() => heard.includes('lost'))
  answer(ErrorCode.NONE)
  await until(() => joins() > 4)
  refuseToSync(ErrorCode.NONE)
  await until(() => heard.filter((each) => each === 'assigned').length === 2)
  refuseToSync(ErrorCode.UNKNOWN_SERVER_ERROR)
  answer(ErrorCode.ILLEGAL_GENERATION)
  await until(() => heard.filter((each) => each === 'lost').length === 2)
  answer(ErrorCode.NONE)
  await until(() => heard.includes('failed'))
  await close()
})

test('a member whose coordinator is silent for a session no longer knows what it holds', async () => {
  const sessionTimeoutMs = 400
  let ahead = 0
  const clock: Clock = { ...nodeClock, monotonic: () => nodeClock.monotonic() + ahead }
  const { member, close, ...broker } = await memberOf({
    retryTimeoutMs: 100,
    sessionTimeoutMs,
    clock,
  })
  await member.join()
  const ownership = member.ownership!
  await until(() => broker.beats() > 3)
  assert.ok(member.isHeard(ownership))
  // As after a sleep: nothing has come, and nothing was sent.
  ahead += sessionTimeoutMs
  assert.ok(!member.isHeard(ownership))
  assert.ok(member.owns(ownership))
  const before = broker.beats()
  await until(() => broker.beats() > before + 1)
  await until(() => member.isHeard(ownership))
  broker.answer(silence)
  await until(() => !member.isHeard(ownership))
  assert.ok(member.owns(ownership), 'nobody has said that it is over')
  await close()
})

test('a member that is silent for as long as a rebalance waits may have been let go by one', async () => {
  let ahead = 0
  const clock: Clock = { ...nodeClock, monotonic: () => nodeClock.monotonic() + ahead }
  const times = { sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 2_000 }
  const { member, close } = await memberOf({ retryTimeoutMs: 100, ...times, clock })
  await member.join()
  const ownership = member.ownership!
  ahead += 1_000
  assert.ok(member.isHeard(ownership))
  ahead += 1_000
  assert.ok(!member.isHeard(ownership))
  await close()
})

test('a member that takes too long over letting go was let go by the rebalance, heartbeats or not', async () => {
  const times = { sessionTimeoutMs: 60_000, rebalanceTimeoutMs: 300 }
  const finishing = Promise.withResolvers<void>()
  const onRevoked = (): Promise<void> => finishing.promise
  const { member, heard, close, ...broker } = await memberOf({
    retryTimeoutMs: 100,
    ...times,
    onRevoked,
  })
  await member.join()
  const ownership = member.ownership!
  await until(() => broker.beats() > 3)
  broker.rebalance()
  await until(() => heard.includes('revoked'))
  assert.ok(member.isHeard(ownership), 'it may finish what it has begun')
  await until(() => !member.isHeard(ownership))
  const before = broker.beats()
  await until(() => broker.beats() > before + 1)
  assert.ok(!member.isHeard(ownership), 'that it is answered says nothing')
  assert.ok(member.owns(ownership), 'nobody has said that it is over')
  broker.comeBack()
  finishing.resolve()
  await close()
})
