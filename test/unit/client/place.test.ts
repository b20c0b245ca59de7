/** Who has a static member's place: somebody, or a request that nobody stands behind. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { brokerDefaults } from '../../../src/broker/config.ts'
import { embedded } from '../../../src/broker/embedded.ts'
import type { EmbeddedBroker } from '../../../src/broker/embedded.ts'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { GroupMember } from '../../../src/client/group/group-member.ts'
import { isPlaceOurs } from '../../../src/client/group/place.ts'
import { encodeSubscription } from '../../../src/protocol/messages/consumer-protocol.ts'
import { connect } from '../../streams-suite/place.ts'

const sessionTimeoutMs = 600
const groupId = 'g'

describe('the place of a static member', () => {
  let directory = ''
  let broker: EmbeddedBroker
  let cluster: Cluster

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'headwater-place-'))
    const groups = { ...brokerDefaults.groups, sessionTimeoutMsMin: 100 }
    broker = await embedded(directory, { durability: 'os', config: { groups } })
    cluster = await connect({ broker, close: () => broker.close() })
  })

  afterEach(async () => {
    await cluster.close()
    await broker.close()
    await rm(directory, { recursive: true })
  })

  /** A request to join that nobody stands behind, from a connection that stays open. */
  const joinOnce = (instanceId: string, rebalanceTimeoutMs: number) =>
    cluster.request(
      'JoinGroup',
      {
        groupId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        memberId: '',
        groupInstanceId: instanceId,
        protocolType: 'consumer',
        protocols: [
          { name: 'range', metadata: encodeSubscription({ topics: [], userData: null }) },
        ],
      },
      { coordinator: 'group', id: groupId },
      { lane: instanceId, timeoutMs: 20_000 },
    )
  const isOurs = () =>
    isPlaceOurs(cluster, {
      groupId,
      instanceId: 'a',
      sessionTimeoutMs,
      isOwn: () => false,
      isWanted: () => true,
    })

  it('is free when nobody has it', async () => {
    assert.equal(await isOurs(), true)
  })

  it('is another’s who sends heartbeats for longer than a session', async () => {
    const nothing = (): Promise<void> => Promise.resolve()
    const member = new GroupMember(cluster, {
      groupId,
      topics: [],
      sessionTimeoutMs,
      instanceId: 'a',
      onAssigned: nothing,
      onRevoked: nothing,
      onLost: nothing,
    })
    await member.join()
    assert.equal(await isOurs(), false)
    await member.leave({ isFinal: true })
  })

  // Seed 1000068 of group-slow: the group formed anew for longer than the second that is added to a session.
  it('is free a session after its group has formed, also when that takes long', async () => {
    const slow = await joinOnce('slow', 3_500)
    assert.equal(slow.errorCode, 0)
    const asked = [joinOnce('a', 3_500)]
    // Who does not come back holds the group up, as long as its session is kept alive.
    const beat = setInterval(() => {
      const { memberId, generationId } = slow
      const heartbeat = { groupId, generationId, memberId, groupInstanceId: 'slow' }
      cluster
        .request('Heartbeat', heartbeat, { coordinator: 'group', id: groupId })
        .catch(() => undefined)
    }, 100)
    try {
      while ((await membersOf(cluster)).length < 2) continue
      assert.equal(await isOurs(), true)
    } finally {
      clearInterval(beat)
      await Promise.allSettled(asked)
    }
  })
})

async function membersOf(cluster: Cluster): Promise<readonly unknown[]> {
  const { groups } = await cluster.request(
    'DescribeGroups',
    { groups: [groupId] },
    { coordinator: 'group', id: groupId },
  )
  return groups[0]!.members
}
