/**
 * Requests of many items take turns with everybody else. Whether they do is counted, not timed: how often the
 * event loop came round while one was answered. What they are answered is what they would be at once.
 */
import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { nodeClock } from '../../../src/io/node-clock.ts'
import type { Clock } from '../../../src/io/ports.ts'
import type { ApiName } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { decodeResponse } from '../../../src/protocol/frame.ts'
import { seededDraw, simRandom } from '../../../src/testing/seed.ts'
import { requestsOfManyItems } from './many/requests.ts'
import { smallWorld, type SmallWorld } from './many/small-world.ts'
import { batchOf, createTopic, type RawClient } from '../../conformance/raw-client.ts'
import { openBroker } from './open-broker.ts'

const things = 200
const turnItems = 20
/** Of the items of a request and of its answer at least so many count where each is worked on: an answer by
 * itself, or a request that is only read, are fewer. */
const countedShareMin = 0.5

interface Watched {
  readonly world: SmallWorld
  /** What was answered since the last look. */
  answers: unknown[]
  /** How often the event loop came round. */
  rounds: number
  /** In the lists of the requests and of their answers. */
  items: number
}

describe('a request of many items', () => {
  let inTurns: Watched
  let atOnce: Watched

  before(async () => {
    inTurns = await watched(turnItems)
    atOnce = await watched(1_000_000)
  })

  for (const { api, what, send } of requestsOfManyItems) {
    it(`${api}: ${what}`, async () => {
      for (const each of [inTurns, atOnce]) {
        each.answers = []
        each.rounds = 0
        each.items = 0
        await send(each.world)
      }
      assert.deepEqual(inTurns.answers, atOnce.answers)
      if (isBounded(api, what)) return
      const turns = inTurns.rounds - atOnce.rounds
      const least = (inTurns.items * countedShareMin) / turnItems
      assert(turns >= least, `${turns} turns for ${inTurns.items} items in requests and answers`)
    })
  }
})

it('two long produce requests of one connection are appended one after the other', async () => {
  const opened = await openBroker({ durability: 'memory', config: { turnItems } })
  const client = await opened.client()
  await createTopic(client, 't')
  const request = manyBatches()
  for (let at = 0; at < 2; at++) client.send('Produce', 9, request)
  for (const first of [0, things]) {
    const frame = await client.receive()
    const { body } = decodeResponse('Produce', 9, frame!)
    assert.deepEqual(
      body.responses[0]!.partitionResponses.map(({ baseOffset }) => baseOffset),
      Array.from({ length: things }, (_, at) => first + at),
    )
  }
})

it('a long produce request is appended to its end, also when its client has left', async () => {
  const opened = await openBroker({ durability: 'memory', config: { turnItems } })
  const [leaving, other] = [await opened.client(), await opened.client()]
  await createTopic(other, 't')
  leaving.send('Produce', 9, manyBatches())
  await other.ask('ApiVersions', 0, {})
  assert((await endOf(other)) < things)
  leaving.close()
  for (let i = 0; i < 1000; i++) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(await endOf(other), things)
})

async function endOf(client: RawClient): Promise<number> {
  const { topics } = await client.ask('ListOffsets', 4, {
    topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
  })
  return topics[0]!.partitions[0]!.offset
}

function manyBatches() {
  const partitionData = Array.from({ length: things }, () => ({
    index: 0,
    records: batchOf(['a']),
  }))
  return { acks: -1, timeoutMs: 1000, topicData: [{ name: 't', partitionData }] }
}

describe('while a long request is worked on', () => {
  const items = 20_000
  const partitions = Array.from({ length: items }, (_, partition) => ({ partition }))
  const long = { topics: [{ topic: 't', partitions }] }

  it('others are answered, and what comes behind it waits', async () => {
    const opened = await openBroker({ durability: 'memory' })
    const [busy, other] = [await opened.client(), await opened.client()]
    const order: string[] = []
    busy.send('OffsetForLeaderEpoch', 4, long)
    busy.send('ApiVersions', 0, {})
    const ours = [1, 2].map((at) => busy.receive().then(() => order.push(`ours ${at}`)))
    await other.ask('ApiVersions', 0, {}).then(() => order.push('other'))
    await Promise.all(ours)
    assert.deepEqual(order, ['other', 'ours 1', 'ours 2'])
  })

  it('its client may leave, and the work ends', async () => {
    let rounds = 0
    const soon = (callback: () => void): void => {
      rounds++
      nodeClock.soon(callback)
    }
    const opened = await openBroker({ durability: 'memory', clock: { ...nodeClock, soon } })
    const [leaving, other] = [await opened.client(), await opened.client()]
    leaving.send('OffsetForLeaderEpoch', 4, long)
    await other.ask('ApiVersions', 0, {})
    leaving.close()
    for (let i = 0; i < 5; i++) await other.ask('ApiVersions', 0, {})
    const before = rounds
    for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve))
    assert.equal(rounds, before)
  })
})

it('nothing is filtered by more than the bound', async () => {
  const opened = await openBroker({ durability: 'memory', config: { filtersMax: 2 } })
  const asker = await opened.client()
  const { INVALID_REQUEST, NONE } = ErrorCode
  for (const [count, errorCode] of [
    [2, NONE],
    [3, INVALID_REQUEST],
  ] as const) {
    const names = Array.from({ length: count }, (_, i) => `${i}`)
    const ids = Array.from({ length: count }, (_, i) => i)
    const answers = [
      await asker.ask('ListGroups', 5, { statesFilter: names }),
      await asker.ask('ListGroups', 5, { typesFilter: names }),
      await asker.ask('ListTransactions', 1, { stateFilters: names }),
      await asker.ask('ListTransactions', 1, { producerIdFilters: ids }),
      await asker.ask('ListConfigResources', 1, { resourceTypes: ids }),
    ]
    assert.deepEqual(
      answers.map((answer) => answer.errorCode),
      answers.map(() => errorCode),
    )
  }
})

/** Lists that are decided upon at once, because they may not be long. */
function isBounded(api: ApiName, what: string): boolean {
  const filtered = ['ListConfigResources', 'ListGroups', 'ListTransactions']
  const isOfMember = api === 'JoinGroup' || api === 'SyncGroup'
  return isOfMember || filtered.includes(api) || what === 'an assignment of many partitions'
}

/** A world by a wall clock that stands still and by dice that fall as they did in the other. */
async function watched(itemsMax: number): Promise<Watched> {
  const counted = { rounds: 0, items: 0, answers: [] as unknown[] }
  const clock: Clock = {
    ...nodeClock,
    now: () => 1_000_000_000_000,
    soon: (callback) => {
      counted.rounds++
      nodeClock.soon(callback)
    },
  }
  const opened = await openBroker({
    clock,
    random: simRandom(seededDraw(1)),
    durability: 'memory',
    config: { turnItems: itemsMax },
  })
  const world = await smallWorld(() => opened.client(), things)
  const ask: SmallWorld['ask'] = async (api, version, body) => {
    const answer = await world.ask(api, version, body)
    counted.items += itemsIn(body) + itemsIn(answer)
    counted.answers.push(answer)
    return answer
  }
  return Object.assign(counted, { world: { ...world, ask } })
}

function itemsIn(value: unknown): number {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return 0
  const own = Array.isArray(value) ? value.length : 0
  return Object.values(value).reduce((sum: number, each) => sum + itemsIn(each), own)
}
