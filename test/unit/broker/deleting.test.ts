/** Topics that are deleted while somebody waits for their records or reads them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { finish } from '../../../src/base/steps.ts'
import type { BrokerEvent } from '../../../src/broker/broker-event.ts'
import { positionsIn } from '../../../src/coordinator/groups/offsets.ts'
import type { GroupsState } from '../../../src/coordinator/groups/state.ts'
import type { Disk } from '../../../src/io/ports.ts'
import type { RequestInput } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { batchOf, createTopic, produce, type RawClient } from '../../conformance/raw-client.ts'
import { openBroker } from './open-broker.ts'

const longMs = 30_000

async function idOf(client: RawClient, name: string): Promise<string> {
  const { topics } = await client.ask('Metadata', 12, { topics: [{ name }] })
  return topics[0]!.topicId
}

function fetchOf(
  version: number,
  topic: string,
  topicId: string,
  o: RequestInput<'Fetch'> = {},
): RequestInput<'Fetch'> {
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }]
  const named = version < 13 ? { topic } : { topicId }
  return { maxWaitMs: longMs, minBytes: 1, topics: [{ ...named, partitions }], ...o }
}

async function deleteTopic(client: RawClient, name: string): Promise<void> {
  const { responses } = await client.ask('DeleteTopics', 5, { topicNames: [name] })
  assert.equal(responses[0]?.errorCode, ErrorCode.NONE)
}

/** A disk on which opening a segment waits, once it is told to, until it is let go on. */
function gated(disk: Disk) {
  const reached = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const state = { armed: false, reached: reached.promise, letGo: () => gate.resolve() }
  const open: Disk['open'] = async (path, mode) => {
    if (state.armed && path.endsWith('.log')) {
      reached.resolve()
      await gate.promise
    }
    return disk.open(path, mode)
  }
  return {
    state,
    disk: new Proxy(disk, {
      get: (target, name: keyof Disk) =>
        name === 'open' ? open : (target[name] as () => unknown).bind(target),
    }),
  }
}

describe('a fetch that waits', () => {
  for (const version of [4, 7, 11, 12, 13, 18]) {
    it(`ends at once when its topic is deleted, in version ${version}`, async () => {
      const { broker, ...open } = await openBroker()
      const [client, reader, other] = [
        await open.client(),
        await open.client(),
        await open.client(),
      ]
      for (const name of ['doomed', 'kept']) await createTopic(client, name)
      const topicId = await idOf(client, 'doomed')
      const started = performance.now()
      const waiting = reader.ask('Fetch', version, fetchOf(version, 'doomed', topicId))
      let otherEnded = false
      const keptId = await idOf(client, 'kept')
      const stillWaiting = other
        .ask('Fetch', version, fetchOf(version, 'kept', keptId))
        .then(() => (otherEnded = true))
      await delay(50)
      await deleteTopic(client, 'doomed')
      const { responses } = await waiting
      const unknown =
        version < 13 ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.UNKNOWN_TOPIC_ID
      assert.equal(responses[0]?.partitions[0]?.errorCode, unknown)
      assert.ok(performance.now() - started < longMs / 2)
      assert.equal(otherEnded, false)
      await produce(client, 'kept', batchOf(['x']))
      await stillWaiting
      await broker.close()
    })
  }

  it('hears of the deletion within its session, and although the name is back already', async () => {
    const { broker, ...open } = await openBroker()
    const [client, reader] = [await open.client(), await open.client()]
    for (const name of ['doomed', 'kept']) await createTopic(client, name)
    const ids = [await idOf(client, 'doomed'), await idOf(client, 'kept')]
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000 }]
    const opened = await reader.ask('Fetch', 16, {
      maxWaitMs: 0,
      sessionEpoch: 0,
      topics: ids.map((topicId) => ({ topicId, partitions })),
    })
    const { sessionId } = opened
    assert.ok(sessionId > 0)
    const waiting = reader.ask('Fetch', 16, {
      maxWaitMs: longMs,
      minBytes: 1,
      sessionId,
      sessionEpoch: 1,
    })
    await delay(50)
    await deleteTopic(client, 'doomed')
    await createTopic(client, 'doomed')
    const told = (await waiting).responses.map(({ topicId, partitions: [first] }) => [
      topicId,
      first!.errorCode,
    ])
    assert.deepEqual(told, [[ids[0], ErrorCode.UNKNOWN_TOPIC_ID]])
    await broker.close()
  })
})

describe('a reader of a topic that is deleted under its hands', () => {
  const cases = [
    ['Fetch v12', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
    ['Fetch v13', ErrorCode.UNKNOWN_TOPIC_ID],
    ['ListOffsets', ErrorCode.UNKNOWN_TOPIC_OR_PARTITION],
  ] as const
  for (const [what, code] of cases) {
    it(`is told so by ${what}, and nobody is told of damage`, async () => {
      const events: BrokerEvent[] = []
      const { disk, state } = gated(new SimDisk({ seed: 1 }))
      const report = (event: BrokerEvent): void => {
        if (event.type !== 'started') events.push(event)
      }
      const first = await openBroker({ disk, report })
      const writer = await first.client()
      await createTopic(writer, 'doomed')
      await produce(writer, 'doomed', batchOf(['x'], { timestamp: 1_000 }))
      // Opened again, its records are in files only.
      const { broker, ...open } = await first.reopen()
      const [client, reader] = [await open.client(), await open.client()]
      const topicId = await idOf(client, 'doomed')
      const ask = async (): Promise<number> => {
        if (what === 'ListOffsets') {
          const asked = [{ partitionIndex: 0, timestamp: 500 }]
          const topics = [{ name: 'doomed', partitions: asked }]
          const answer = await reader.ask('ListOffsets', 7, { replicaId: -1, topics })
          return answer.topics[0]!.partitions[0]!.errorCode
        }
        const version = what === 'Fetch v12' ? 12 : 13
        const answer = await reader.ask('Fetch', version, fetchOf(version, 'doomed', topicId))
        return answer.responses[0]!.partitions[0]!.errorCode
      }
      state.armed = true
      const reading = ask()
      await state.reached
      await deleteTopic(client, 'doomed')
      state.letGo()
      assert.equal(await reading, code)
      assert.deepEqual(events, [])
      await broker.close()
    })
  }
})

describe('positions in a topic that is deleted', () => {
  const groupIds = Array.from({ length: 1_200 }, (_, i) => `g${i}`)

  async function commit(client: RawClient, groupId: string, topic: string, offset: number) {
    const partitions = [{ partitionIndex: 0, committedOffset: offset }]
    await client.ask('OffsetCommit', 2, { groupId, topics: [{ name: topic, partitions }] })
  }

  async function committed(client: RawClient, groupId: string): Promise<readonly string[]> {
    const { topics } = await client.ask('OffsetFetch', 7, { groupId, topics: null })
    return topics.map(({ name, partitions }) => `${name} ${partitions[0]!.committedOffset}`)
  }

  it('are forgotten in every group, and only those, before a topic has its name again', async () => {
    const opened = await openBroker()
    const [client, other] = [await opened.client(), await opened.client()]
    for (const name of ['doomed', 'kept']) await createTopic(client, name)
    for (const groupId of groupIds) {
      await commit(client, groupId, 'doomed', 3)
      await commit(client, groupId, 'kept', 4)
    }
    const deleting = deleteTopic(client, 'doomed')
    await createTopic(other, 'doomed')
    await commit(other, 'g1199', 'doomed', 7)
    await deleting
    for (const groupId of groupIds.slice(0, -1)) {
      assert.deepEqual(await committed(client, groupId), ['kept 4'])
    }
    assert.deepEqual((await committed(client, 'g1199')).toSorted(), ['doomed 7', 'kept 4'])
    await opened.broker.close()
  })

  it('are forgotten some hundreds at a time', () => {
    const gone = new Map([[0, { offset: 1, leaderEpoch: -1, metadata: '' }]])
    const groups = new Map(
      groupIds.map((groupId) => [groupId, { offsets: new Map([['doomed', gone]]) }]),
    )
    const pieces = finish(
      positionsIn({ groups } as unknown as GroupsState, new Set(['doomed']), 500),
    )
    assert.deepEqual(
      pieces.map(({ length }) => length),
      [500, 500, 200],
    )
  })
})

describe('a reader of records that are deleted under its hands', () => {
  /** Records that are in files only, and a reader that is on its way to them when `state` lets it. */
  async function opened(events: BrokerEvent[] = []) {
    const { disk, state } = gated(new SimDisk({ seed: 1 }))
    const report = (event: BrokerEvent): void => {
      if (event.type !== 'started') events.push(event)
    }
    const first = await openBroker({ disk, report })
    const writer = await first.client()
    await createTopic(writer, 'stored')
    await produce(writer, 'stored', batchOf(['x']))
    const { broker, ...open } = await first.reopen()
    return { state, broker, client: await open.client(), reader: await open.client() }
  }

  async function deleteAll(client: RawClient, name: string): Promise<void> {
    const partitions = [{ partitionIndex: 0, offset: -1 }]
    const { topics } = await client.ask('DeleteRecords', 2, { topics: [{ name, partitions }] })
    assert.equal(topics[0]!.partitions[0]!.errorCode, ErrorCode.NONE)
  }

  it('is told so, and nobody is told of damage', async () => {
    const events: BrokerEvent[] = []
    const { state, broker, client, reader } = await opened(events)
    state.armed = true
    const reading = reader.ask('Fetch', 12, fetchOf(12, 'stored', ''))
    await state.reached
    await deleteAll(client, 'stored')
    state.letGo()
    const { errorCode } = (await reading).responses[0]!.partitions[0]!
    assert.equal(errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
    assert.deepEqual(events, [])
    await broker.close()
  })

  it('is given nothing of an aborted transaction as if it were committed', async () => {
    const { state, broker, client, reader } = await opened()
    await createTopic(client, 'aborted')
    const transactionalId = 'payments'
    const { producerId, producerEpoch } = await client.ask('InitProducerId', 4, {
      transactionalId,
      transactionTimeoutMs: 60_000,
    })
    const who = { producerId, producerEpoch, baseSequence: 0, transactional: true }
    await produce(client, 'aborted', batchOf(['y'], who), { version: 12, transactionalId })
    const ended = { transactionalId, producerId, producerEpoch, committed: false }
    assert.equal((await client.ask('EndTxn', 4, ended)).errorCode, ErrorCode.NONE)
    const whole = fetchOf(12, 'aborted', '', { isolationLevel: 1 })
    const before = (await reader.ask('Fetch', 12, whole)).responses[0]!.partitions[0]!
    assert.equal(before.abortedTransactions?.length, 1)
    state.armed = true
    const topics = [...whole.topics!, ...fetchOf(12, 'stored', '').topics!]
    const reading = reader.ask('Fetch', 12, { ...whole, topics })
    await state.reached
    await deleteAll(client, 'aborted')
    state.letGo()
    const answer = (await reading).responses.find(({ topic }) => topic === 'aborted')!
    const { errorCode, records, abortedTransactions } = answer.partitions[0]!
    assert.deepEqual(abortedTransactions ?? [], [])
    assert.equal(records?.length ?? 0, 0)
    assert.equal(errorCode, ErrorCode.OFFSET_OUT_OF_RANGE)
    await broker.close()
  })
})
