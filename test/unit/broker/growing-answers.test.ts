/** Answers that grow with what the broker holds: counted while they are made, bounded, and ended with their client. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { BrokerEvent } from '../../../src/broker/broker-event.ts'
import { Outgrown } from '../../../src/broker/memory.ts'
import { makeGrowing, whole } from '../../../src/broker/server/growing.ts'
import { Holdings, Pending } from '../../../src/broker/server/pending.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import type { ApiName, RequestInput } from '../../../src/protocol/api.ts'
import { batchOf, createTopic, produce, type RawClient } from '../../conformance/raw-client.ts'
import { memoryOf } from './one-connection.ts'
import { openBroker, type OpenBroker } from './open-broker.ts'

const mebibyte = 1024 * 1024
/** Large enough for each answer about one thing. */
const answerBytesMax = 64 * 1024
const things = 1_000
const names = Array.from({ length: things }, (_, i) => `thing-${i}`)

interface Refused {
  readonly reasons: string[]
  readonly open: OpenBroker
}

/** A broker with a topic, and a group that has committed an offset with a long text. */
async function openSmall(config: object): Promise<Refused> {
  const reasons: string[] = []
  const report = (event: BrokerEvent): void => {
    if (event.type === 'connection-refused') reasons.push(event.reason)
  }
  const open = await openBroker({ durability: 'memory', config, report })
  const client = await open.client()
  await createTopic(client, 't', 2)
  await produce(client, 't', batchOf(['x']))
  const committed = { partitionIndex: 0, committedOffset: 1, committedMetadata: 'x'.repeat(4_000) }
  await client.ask('OffsetCommit', 8, {
    groupId: 'g',
    topics: [{ name: 't', partitions: [committed] }],
  })
  return { reasons, open }
}

type Asked = { [N in ApiName]: readonly [api: N, version: number, body: RequestInput<N>] }[ApiName]

const offsets = Array.from({ length: things }, () => 0)

const longAnswers: readonly Asked[] = [
  [
    'OffsetFetch',
    8,
    { groups: [{ groupId: 'g', topics: [{ name: 't', partitionIndexes: offsets }] }] },
  ],
  [
    'DescribeConfigs',
    4,
    { resources: names.map((resourceName) => ({ resourceType: 2, resourceName })) },
  ],
  ['DescribeGroups', 5, { groups: names }],
  ['DescribeTransactions', 0, { transactionalIds: names.map((name) => name.padEnd(64)) }],
  [
    'DescribeProducers',
    0,
    { topics: [{ name: 't', partitionIndexes: names.map((_, index) => index) }] },
  ],
]

function send(client: RawClient, asked: Asked): void {
  client.send(asked[0], asked[1], asked[2])
}

describe('an answer that takes more than one may', () => {
  for (const asked of longAnswers) {
    it(`ends the connection that asks for it: ${asked[0]}`, async () => {
      const { open, reasons } = await openSmall({ answerBytesMax })
      const [greedy, other] = [await open.client(), await open.client()]
      send(greedy, asked)
      assert.equal(await greedy.receive(), undefined)
      assert.match(reasons.join(), /65536 bytes that are allowed: ask for less .* answerBytesMax/)
      await createTopic(other, 'another')
      await open.broker.close()
    })
  }
})

describe('an answer that outgrows its room', () => {
  const memory = memoryOf(128 * mebibyte)
  const { answers } = memory

  it('is made again with more, and is whole', async () => {
    const { open } = await openSmall({ memoryBytesMax: 36 * mebibyte })
    const client = await open.client()
    const { groups } = await client.ask('OffsetFetch', 8, {
      groups: [{ groupId: 'g', topics: [{ name: 't', partitionIndexes: offsets }] }],
    })
    assert.equal(groups[0]!.topics[0]!.partitions.length, things)
    await open.broker.close()
  })

  it('holds nothing while it waits for more', async () => {
    const pending = new Pending(memory, new Holdings(memory), 0, 0, true)
    assert.equal(pending.reserve(mebibyte), mebibyte)
    answers.take(126 * mebibyte)
    let made = 0
    const make = (): string => {
      made++
      pending.grow(2 * mebibyte)
      return 'whole'
    }
    const making = whole(makeGrowing(make, pending, 100 * mebibyte))
    await turn()
    assert.equal(answers.usedBytes, 126 * mebibyte)
    assert.equal(made, 1)
    answers.free(126 * mebibyte)
    assert.equal(await making, 'whole')
    assert.equal(made, 2)
    assert.equal(answers.usedBytes, 4 * mebibyte)
    pending.finish([new Uint8Array(10)])
    assert.equal(answers.usedBytes, 10)
    pending.end()
    assert.equal(answers.usedBytes, 0)
  })

  it('is not made again when its client has left', async () => {
    const pending = new Pending(memory, new Holdings(memory), 0, 0, true)
    void pending.reserve(mebibyte)
    let made = 0
    const make = (): never => {
      made++
      pending.end()
      throw new Outgrown()
    }
    void whole(makeGrowing(make, pending, 100 * mebibyte))
    await turn()
    assert.equal(made, 1)
    assert.equal(answers.usedBytes, 0)
  })

  it('leaves what is large in proportion a part of the memory, however often it is made', async () => {
    for (let at = 0; at < 3; at++) {
      const pending = new Pending(memory, new Holdings(memory), 0, 0, true)
      void pending.reserve(mebibyte)
      await whole(makeGrowing(() => pending.grow(99 * mebibyte), pending, 100 * mebibyte))
      assert.equal(answers.usedBytes, 100 * mebibyte)
      pending.end()
    }
    assert.equal(answers.usedBytes, 0)
    assert.equal(
      answers.ask(96 * mebibyte, () => {}, true),
      undefined,
    )
    answers.free(96 * mebibyte, true)
  })

  it('fails as it would at once when it fails for another reason', async () => {
    const pending = new Pending(memory, new Holdings(memory), 0, 0, true)
    void pending.reserve(mebibyte)
    let made = 0
    const make = (): string => {
      if (++made === 2) throw new Error('in the second try')
      throw new Outgrown()
    }
    await assert.rejects(whole(makeGrowing(make, pending, 100 * mebibyte)), /in the second try/)
    pending.end()
  })
})

describe('when a client has left', () => {
  // Short enough to be decoded at once, so that it is the handler that is left in the middle.
  const many = Array.from({ length: 1_000 }, (_, i) => `${i}`)
  const wide = [...many.keys()]
  const requests: readonly Asked[] = [
    [
      'OffsetFetch',
      8,
      { groups: [{ groupId: 'g', topics: [{ name: 't', partitionIndexes: wide }] }] },
    ],
    [
      'DescribeConfigs',
      4,
      { resources: many.map((resourceName) => ({ resourceType: 2, resourceName })) },
    ],
    ['DescribeGroups', 5, { groups: many }],
    ['DescribeTransactions', 0, { transactionalIds: many }],
    ['DescribeProducers', 0, { topics: [{ name: 't', partitionIndexes: wide }] }],
  ]

  for (const asked of requests) {
    it(`nothing more of its answer is made: ${asked[0]}`, async () => {
      let rounds = 0
      const { broker, ...open } = await openCounting(() => rounds++)
      const [leaving, other] = [await open.client(), await open.client()]
      send(leaving, asked)
      // What is asked for has been gone through by then, and some of it answered.
      while (rounds < 120) await turn()
      leaving.close()
      for (let i = 0; i < 5; i++) await other.ask('ApiVersions', 0, {})
      const before = rounds
      for (let i = 0; i < 50; i++) await turn()
      assert.equal(rounds, before)
      await broker.close()
    })
  }
})

/** @param onRound called each time somebody waits for the event loop to come round */
async function openCounting(onRound: () => void): Promise<OpenBroker> {
  const soon = (callback: () => void): void => {
    onRound()
    nodeClock.soon(callback)
  }
  const config = { turnItems: 5 }
  return openBroker({ durability: 'memory', clock: { ...nodeClock, soon }, config })
}
