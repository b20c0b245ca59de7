/**
 * A broker that holds as many things as a request names: topics, partitions, groups, members, transactions.
 * Work that is a product of the two shows, then, like work that is a square of one.
 */
import { zeroUuid } from '../../../../src/base/units.ts'
import type { ApiName, RequestInput, ResponseOf } from '../../../../src/protocol/api.ts'
import type { RawClient } from '../../../conformance/raw-client.ts'

/** Every how many-th thing is also a member, a group or a transaction: those cost a request each. */
const sharePerRequest = 4
/** Requests of one connection that may wait for an answer, with room to spare. */
const waitingMax = 16

/** Opens another connection to the broker. */
export type Connect = () => Promise<RawClient>

export interface SmallWorld {
  /** How many of each. */
  readonly n: number
  /** Of the topic with all the partitions. */
  readonly topicId: string
  readonly ask: <N extends ApiName>(
    api: N,
    version: number,
    body: RequestInput<N>,
  ) => Promise<ResponseOf<N>>
  /** A number that is new at each call, for names that must be. */
  readonly round: () => number
}

export async function smallWorld(connect: Connect, n: number): Promise<SmallWorld> {
  const client = await connect()
  // Apart: one request may ask for so many partitions only.
  const { topics } = await client.ask('CreateTopics', 7, {
    topics: [{ name: 'wide', numPartitions: n, replicationFactor: 1 }],
  })
  await client.ask('CreateTopics', 7, {
    topics: each(n, (i) => ({ name: topicName(i), numPartitions: 1, replicationFactor: 1 })),
  })
  const some = Math.ceil(n / sharePerRequest)
  for (let i = 0; i < some; i++) {
    await client.ask('InitProducerId', 4, transactional(`transaction-${i}`))
    await client.ask('OffsetCommit', 7, {
      groupId: `group-${i}`,
      topics: [{ name: 'wide', partitions: [{ partitionIndex: 0, committedOffset: 0 }] }],
    })
  }
  await join(connect, 'crowd', some)
  let round = 0
  return {
    n,
    topicId: topics[0]?.topicId ?? zeroUuid,
    ask: (api, version, body) => client.ask(api, version, body),
    round: () => round++,
  }
}

/** Static members of a group; their requests to join are left waiting. */
async function join(connect: Connect, groupId: string, count: number): Promise<void> {
  const asker = await connect()
  let client = asker
  for (let i = 0; i < count; i++) {
    if (i % waitingMax === 0) client = await connect()
    client.send('JoinGroup', 5, joinRequest(groupId, `instance-${i}`))
  }
  for (;;) {
    const { groups } = await asker.ask('DescribeGroups', 5, { groups: [groupId] })
    if (groups[0]!.members.length === count) return
  }
}

export function each<T>(n: number, make: (i: number) => T): T[] {
  return Array.from({ length: n }, (_, i) => make(i))
}

/** With a dot, so that names are compared with those that they might collide with. */
export function topicName(i: number): string {
  return `topic.${i}`
}

export function transactional(transactionalId: string): RequestInput<'InitProducerId'> {
  return { transactionalId, transactionTimeoutMs: 60_000 }
}

export function joinRequest(
  groupId: string,
  groupInstanceId: string | null,
  protocols = [{ name: 'range', metadata: new Uint8Array(0) }],
): RequestInput<'JoinGroup'> {
  return {
    groupId,
    sessionTimeoutMs: 60_000,
    rebalanceTimeoutMs: 60_000,
    memberId: '',
    groupInstanceId,
    protocolType: 'consumer',
    protocols,
  }
}
