/** Members of a group: sharing, giving up, coming back, and exactly-once while they do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deleteGroup, listGroups } from '../../src/client/admin.ts'
import type { Cluster } from '../../src/client/cluster/cluster.ts'
import type { GroupMemberOptions, Ownership } from '../../src/client/group/group-member.ts'
import { GroupMember } from '../../src/client/group/group-member.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import type { TopicPartition } from '../../src/client/cluster/topic-partition.ts'
import { isHeadwaterError } from '../../src/base/errors.ts'
import type { Peer } from './peer.ts'
import {
  bytes,
  connect,
  freshName,
  freshTopic,
  keepAwake,
  readAll,
  readStable,
  until,
  values,
  quick,
} from './peer.ts'
import { startTransform } from './transform.ts'

export function groups(peer: () => Peer): void {
  keepAwake()

  test('members share partitions, and take over when one leaves', async () => {
    await using cluster = await connect(peer())
    const [left, right] = [await freshTopic(cluster, 4), await freshTopic(cluster, 4)]
    const options = { groupId: freshName('group'), topics: [left, right], ...quick(peer()) }
    const a = watched(cluster, options)
    await a.member.join()
    assert.equal(a.assigned().length, 8)
    const b = watched(cluster, options)
    await b.member.join()
    await until(() => a.assigned().length === 4, 'a gives half away')
    assert.equal(b.assigned().length, 4)
    // Co-partitioned: the same partition numbers of both topics land together.
    for (const member of [a, b]) {
      const of = (topic: string): number[] =>
        member.assigned().flatMap((p) => (p.topic === topic ? [p.partition] : []))
      assert.deepEqual(of(left), of(right))
    }
    assert.equal(a.member.ownership?.generation, b.member.ownership?.generation)
    await a.member.leave()
    await until(() => b.assigned().length === 8, 'b takes over')
    await b.member.leave()
    assert.deepEqual(b.events.at(-1), 'revoked 8')
    const listed = (await listGroups(cluster)).find(({ groupId }) => groupId === options.groupId)
    if (listed !== undefined) await deleteGroup(cluster, options.groupId)
  })

  test('what is revoked is finished before anyone else has it', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster, 2)
    const options = { groupId: freshName('group'), topics: [topic], ...quick(peer()) }
    let wasRevoked = false
    const a = new GroupMember(cluster, {
      ...options,
      onAssigned: async () => undefined,
      onLost: async () => undefined,
      onRevoked: async (ownership) => {
        await new Promise((resolve) => setTimeout(resolve, 300))
        // The old generation still commits.
        const { partitions } = ownership
        await a.commit(
          ownership,
          partitions.map((p) => ({ ...p, offset: 40 + p.partition })),
        )
        wasRevoked = true
      },
    })
    await a.join()
    const b = new GroupMember(cluster, {
      ...options,
      onAssigned: async ({ partitions }) => {
        assert.ok(wasRevoked)
        const offsets = await b.committed(partitions, { requireStable: true })
        for (const { partition, offset } of offsets) assert.equal(offset, 40 + partition)
        assert.ok(offsets.length > 0)
      },
      onLost: async () => undefined,
      onRevoked: async () => undefined,
    })
    await b.join()
    await b.leave()
    await a.leave()
  })

  test('a member that was given up for dead learns that it lost its partitions', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster, 2)
    const options = { groupId: freshName('group'), topics: [topic], ...quick(peer()) }
    const a = watched(cluster, options)
    await a.member.join()
    // Someone says goodbye in its name.
    await cluster.request(
      'LeaveGroup',
      { groupId: options.groupId, members: [{ memberId: a.member.ownership!.memberId }] },
      { coordinator: 'group', id: options.groupId },
    )
    const offsets = [{ topic, partition: 0, offset: 1 }]
    const lost = a.member.ownership!
    await assert.rejects(a.member.commit(lost, offsets), { code: 'stale-member' })
    await until(() => a.events.length === 3, 'it joins again')
    assert.deepEqual(a.events, ['assigned 2', 'lost 2', 'assigned 2'])
    await assert.rejects(a.member.commit(lost, offsets), { code: 'stale-member' })
    await a.member.commit(a.member.ownership!, offsets)
    await a.member.leave()
  })

  test('a static member comes back to its partitions without a rebalance', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster, 4)
    const options = { groupId: freshName('group'), topics: [topic], ...quick(peer()) }
    const a = watched(cluster, { ...options, instanceId: 'a' })
    const b = watched(cluster, { ...options, instanceId: 'b' })
    await a.member.join()
    await b.member.join()
    await until(() => a.assigned().length === 2, 'two each')
    const before = b.assigned()
    const generationId = a.member.ownership?.generation
    await b.member.leave()
    const again = watched(cluster, { ...options, instanceId: 'b' })
    await again.member.join()
    assert.deepEqual(again.assigned(), before)
    assert.equal(a.member.ownership?.generation, generationId)
    assert.equal(a.events.at(-1), 'assigned 2')
    await again.member.leave()
    await a.member.leave()
  })

  test('two members of one instance id: the older is fenced and told so', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster, 2)
    const options = {
      groupId: freshName('group'),
      topics: [topic],
      ...quick(peer()),
      instanceId: 'only',
    }
    const older = watched(cluster, options)
    await older.member.join()
    const newer = watched(cluster, options)
    await newer.member.join()
    await until(() => older.failure() !== undefined, 'the older one is told')
    assert.ok(isHeadwaterError(older.failure(), 'fenced'))
    assert.equal(older.events.at(-1), 'lost 2')
    await older.member.leave()
    await newer.member.leave()
  })
}

/** Members come, go and die while each record is to be written once. */
export function changingGroups(peer: () => Peer): void {
  test('a transform that gains and loses members writes every record once', async () => {
    await using cluster = await connect(peer())
    const [from, to] = [await freshTopic(cluster, 6), await freshTopic(cluster, 6)]
    const count = 3_000
    await using source = new Producer(cluster, { batchBytes: 300 })
    await source.init()
    for (let i = 0; i < count; i++) source.append(from, i % 6, i, null, bytes(String(i)))
    await source.flush()
    const groupId = freshName('group')
    const worker = () => startTransform(peer(), { groupId, from, to })
    const workers = [await worker(), await worker()]
    await new Promise((resolve) => setTimeout(resolve, 400))
    workers.push(await worker())
    await new Promise((resolve) => setTimeout(resolve, 400))
    await workers.shift()!.stop()
    await new Promise((resolve) => setTimeout(resolve, 300))
    // One dies without a word, in the middle of a transaction.
    await workers.shift()!.die()
    workers.push(await worker())
    const done = async (): Promise<boolean> => {
      const read = await readStable(cluster, to)
      assert.ok(read.length <= count, `${read.length} of ${count}`)
      return read.length === count
    }
    const deadline = Date.now() + 90_000
    while (!(await done())) {
      if (Date.now() > deadline) {
        throw new Error(`stuck: ${workers.map((each) => each.describe()).join('\n')}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    await Promise.all(workers.map((each) => each.stop()))
    const read = await readAll(cluster, to)
    for (let partition = 0; partition < 6; partition++) {
      const expected = Array.from({ length: count / 6 }, (_, i) => String(6 * i + partition))
      assert.deepEqual(values(read.filter((record) => record.partition === partition)), expected)
    }
  })
}

interface Watched {
  readonly member: GroupMember
  readonly events: string[]
  assigned(): readonly TopicPartition[]
  failure(): unknown
}

type Base = Omit<GroupMemberOptions, 'onAssigned' | 'onRevoked' | 'onLost' | 'onFailed'>

function watched(cluster: Cluster, options: Base): Watched {
  const events: string[] = []
  let failure: unknown
  const note =
    (what: string) =>
    async ({ partitions }: Ownership) => {
      events.push(`${what} ${partitions.length}`)
    }
  const member = new GroupMember(cluster, {
    ...options,
    onAssigned: note('assigned'),
    onRevoked: note('revoked'),
    onLost: note('lost'),
    onFailed: (error) => {
      failure = error
    },
  })
  return {
    member,
    events,
    assigned: () => member.ownership?.partitions ?? [],
    failure: () => failure,
  }
}
