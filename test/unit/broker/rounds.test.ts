/** Requests sent ahead are begun a few at a time, so that everybody is heard in between. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes } from '../../../src/base/bytes.ts'
import type { ApiName, RequestInput } from '../../../src/protocol/api.ts'
import { encodeRequest } from '../../../src/protocol/frame.ts'
import { Rounds } from '../../../src/broker/server/rounds.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import { SimClock } from '../../../src/testing/sim-clock.ts'
import { createTopic, type RawClient } from '../../conformance/raw-client.ts'
import { connect, frameOf, settle } from './one-connection.ts'
import { openBroker } from './open-broker.ts'

const requestsMax = 10
/** Its first two bytes are the key of an API that is neither Produce nor Fetch. */
const other = (): Uint8Array => frameOf(1, 2)
const produce = (): Uint8Array => frameOf(0, 2)

function many(count: number, frame: () => Uint8Array): Uint8Array {
  return concatBytes(Array.from({ length: count }, frame))
}

function setting() {
  const clock = new SimClock()
  const rounds = new Rounds(clock, requestsMax)
  let begun = 0
  const dispatch = () => [Uint8Array.of(begun++)]
  const client = () => connect(dispatch, { rounds, clock })
  const round = async (): Promise<boolean> => {
    const callback = clock.next()
    callback?.()
    await settle()
    return callback !== undefined
  }
  return { client, round }
}

test('of what is sent ahead each round begins a few, and answers keep their order', async () => {
  const { client, round } = setting()
  const { duplex, received } = client()
  duplex.write([many(35, other)])
  await settle()
  const counts = [received.length]
  while (await round()) counts.push(received.length)
  // The first one waits for nobody.
  assert.deepEqual(counts, [11, 21, 31, 35, 35])
  assert.deepEqual(
    received,
    Array.from({ length: 35 }, (_, at) => at),
  )
})

test('of Produce and Fetch a round begins four times as many', async () => {
  const { client, round } = setting()
  const { duplex, received } = client()
  duplex.write([many(100, produce)])
  await settle()
  assert.equal(received.length, 41)
  while (await round()) continue
  assert.equal(received.length, 100)
})

test('who sends one request at a time is served in any round', async () => {
  const { client } = setting()
  const [ahead, polite] = [client(), client()]
  ahead.duplex.write([many(100, other)])
  await settle()
  for (let at = 0; at < 20; at++) {
    polite.duplex.write([other()])
    await settle()
  }
  assert.deepEqual([ahead.received.length, polite.received.length], [11, 20])
})

test('those who send ahead get on one after the other', async () => {
  const { client, round } = setting()
  const all = [client(), client(), client()]
  for (const { duplex } of all) duplex.write([many(30, other)])
  await settle()
  const counts = []
  for (let at = 0; at < 4; at++) {
    counts.push(all.map(({ received }) => received.length))
    await round()
  }
  assert.deepEqual(counts, [
    [11, 1, 1],
    [21, 1, 1],
    [21, 11, 1],
    [21, 11, 11],
  ])
})

test('a connection that ends while it waits for its round keeps nobody', async () => {
  const { client, round } = setting()
  const [gone, next] = [client(), client()]
  for (const { duplex } of [gone, next]) duplex.write([many(12, other)])
  await settle()
  gone.duplex.destroy()
  await settle()
  while (await round()) continue
  assert.equal(next.received.length, 12)
})

/** A broker whose rounds are counted. */
async function counting(config: { turnItems?: number; roundRequests?: number }) {
  let rounds = 0
  const clock = {
    now: () => nodeClock.now(),
    monotonic: () => nodeClock.monotonic(),
    after: (ms: number, callback: () => void) => nodeClock.after(ms, callback),
    soon: (callback: () => void) => {
      rounds++
      nodeClock.soon(callback)
    },
  }
  const open = await openBroker({ clock, config })
  const roundsOf = async (work: () => Promise<unknown>): Promise<number> => {
    const before = rounds
    await work()
    return rounds - before
  }
  return { client: await open.client(), roundsOf, close: () => open.broker.close() }
}

async function pipelined<N extends ApiName>(client: RawClient, api: N, body: RequestInput<N>) {
  const request = concatBytes(encodeRequest(api, 1, 1, 'raw', body))
  client.duplex.write([many(100, () => request)])
  for (let at = 0; at < 100; at++) assert(await client.receive())
}

test('the broker begins no more in a round than its bound', async () => {
  const { client, roundsOf, close } = await counting({ roundRequests: 5 })
  assert((await roundsOf(() => pipelined(client, 'ListGroups', {}))) >= 19)
  await close()
})

test('lists of groups and transactions take turns by what they look at', async () => {
  const { client, roundsOf, close } = await counting({ turnItems: 10 })
  await createTopic(client, 't')
  const topics = [{ name: 't', partitions: [{ partitionIndex: 0, committedOffset: 1 }] }]
  for (let at = 0; at < 200; at++) {
    await client.ask('OffsetCommit', 8, { groupId: `${at}`, topics })
    const request = { transactionalId: `${at}`, transactionTimeoutMs: 60_000 }
    await client.ask('InitProducerId', 4, request)
  }
  const filter = { statesFilter: ['Dead'], stateFilters: ['Dead'] }
  for (const [api, version] of [
    ['ListGroups', 4],
    ['ListTransactions', 0],
  ] as const) {
    const few = await roundsOf(() => client.ask('ApiVersions', 0, {}))
    const asked = () => roundsOf(() => client.ask(api, version, filter))
    assert((await asked()) > few, `${api} was answered in one turn`)
  }
  await close()
})
