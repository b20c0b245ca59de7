import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadwaterError } from '../../../src/base/errors.ts'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import { GroupMember } from '../../../src/client/group/group-member.ts'
import { encodeAssignment } from '../../../src/client/group/group-protocol.ts'
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

/** A member of a group whose broker answers, or is away with all its connections. */
async function memberOf(o: { readonly retryTimeoutMs: number; readonly instanceId?: string }) {
  let isAway = false
  let heartbeat: number = ErrorCode.NONE
  const { dial, asked } = scriptedBroker({
    // While the group rebalances, the answer waits for the other members.
    JoinGroup: () => (heartbeat === ErrorCode.NONE ? generation : undefined),
    SyncGroup: () => ({
      assignment: encodeAssignment({ partitions: [{ topic: 't', partition: 0 }], userData: null }),
    }),
    Heartbeat: () => ({ errorCode: heartbeat }),
    LeaveGroup: () => ({ members: [] }),
  })
  const cluster = await Cluster.connect({
    bootstrap: [{ host: 'one', port: 1 }],
    dial: async (host, port) => {
      if (isAway) throw new HeadwaterError('connection-failed', 'nobody is there')
      return dial(host, port)
    },
    clock: nodeClock,
    random: nodeRandom,
    retryTimeoutMs: o.retryTimeoutMs,
  })
  const heard: string[] = []
  const member = new GroupMember(cluster, {
    ...(o.instanceId === undefined ? {} : { instanceId: o.instanceId }),
    groupId: 'group',
    topics: ['t'],
    heartbeatIntervalMs: 10,
    onAssigned: async () => void heard.push('assigned'),
    onRevoked: async () => void heard.push('revoked'),
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
