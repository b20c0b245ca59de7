import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Duplex } from '../../../src/io/ports.ts'
import { apis } from '../../../src/protocol/api.ts'
import type { ApiName } from '../../../src/protocol/api.ts'
import { FrameSplitter } from '../../../src/protocol/frame.ts'
import type { RequestRule } from '../../../src/testing/sim-requests.ts'
import { RequestFaults } from '../../../src/testing/sim-requests.ts'
import { World } from '../../../src/testing/world.ts'

const limitMs = 60_000

/** A request of an API as bytes: its key, a version, its correlation id. */
function frameOf(api: ApiName, correlationId: number): Uint8Array {
  const frame = new Uint8Array(12)
  const view = new DataView(frame.buffer)
  view.setInt32(0, 8)
  view.setInt16(4, apis[api].key)
  view.setInt32(8, correlationId)
  return frame
}

/** A server that answers each request with its correlation id, and a client whose requests are harmed. */
async function stage(...rules: RequestRule[]) {
  const world = new World(7)
  const server = world.start('server')
  const client = world.start('client')
  const faults = new RequestFaults(world, client)
  for (const rule of rules) faults.add(rule)
  const arrived: { id: number; atMs: number }[] = []
  await server.network.listen('server', 1, (connection) => {
    const splitter = new FrameSplitter()
    connection.onBytes((chunk) => {
      for (const frame of splitter.push(chunk)) {
        const id = new DataView(frame.buffer, frame.byteOffset).getInt32(4)
        arrived.push({ id, atMs: world.clock.monotonic() })
        const answer = new Uint8Array(8)
        new DataView(answer.buffer).setInt32(0, 4)
        new DataView(answer.buffer).setInt32(4, id)
        connection.write([answer])
      }
    })
  })
  const near = await world.until(faults.dial('server', 1), limitMs)
  const answered: { id: number; atMs: number }[] = []
  const splitter = new FrameSplitter()
  near.onBytes((chunk) => {
    for (const frame of splitter.push(chunk)) {
      const id = new DataView(frame.buffer, frame.byteOffset).getInt32(0)
      answered.push({ id, atMs: world.clock.monotonic() })
    }
  })
  let isCut = false
  near.onClose(() => void (isCut = true))
  const pause = (ms: number): Promise<void> =>
    world.until(new Promise((resolve) => world.clock.after(ms, () => resolve())), limitMs)
  const ids = (list: readonly { id: number }[]): number[] => list.map(({ id }) => id)
  return { world, client, faults, near, arrived, answered, ids, pause, isCut: () => isCut }
}

function send(near: Duplex, ...apiNames: ApiName[]): void {
  for (const [id, api] of apiNames.entries()) near.write([frameOf(api, id)])
}

test('a request that no rule is for comes through, and so does its answer', async () => {
  const { near, arrived, answered, ids, pause } = await stage({ api: 'Fetch', harm: 'drop' })
  send(near, 'Produce', 'EndTxn')
  await pause(200)
  assert.deepEqual(
    [ids(arrived), ids(answered)],
    [
      [0, 1],
      [0, 1],
    ],
  )
})

test('a dropped request takes those behind it with it, not the answers before it', async () => {
  const { near, arrived, answered, ids, pause, isCut, faults } = await stage({
    api: 'EndTxn',
    harm: 'drop',
  })
  send(near, 'Produce', 'EndTxn', 'Produce')
  await pause(200)
  assert.deepEqual([ids(arrived), ids(answered), isCut()], [[0], [0], false])
  faults.heal()
  await pause(10)
  assert(isCut(), 'healing breaks a connection that has gone silent')
})

test('a delayed request holds up those behind it', async () => {
  const { near, arrived, ids, pause } = await stage({ api: 'EndTxn', harm: 'delay', ms: 500 })
  send(near, 'Produce', 'EndTxn', 'Produce')
  await pause(400)
  assert.deepEqual(ids(arrived), [0])
  await pause(300)
  assert.deepEqual(ids(arrived), [0, 1, 2])
})

test('a delayed request arrives although its sender has gone', async () => {
  const { near, client, arrived, ids, pause } = await stage({
    api: 'EndTxn',
    harm: 'delay',
    ms: 500,
  })
  send(near, 'EndTxn')
  client.kill()
  await pause(700)
  assert.deepEqual(ids(arrived), [0])
})

test('a cut before a request loses it, a cut after it only the answer', async () => {
  const before = await stage({ api: 'EndTxn', harm: 'cut-before' })
  send(before.near, 'Produce', 'EndTxn')
  await before.pause(200)
  assert.deepEqual([before.ids(before.arrived), before.isCut()], [[0], true])
  const after = await stage({ api: 'EndTxn', harm: 'cut-after' })
  send(after.near, 'EndTxn')
  await after.pause(200)
  assert.deepEqual([after.ids(after.arrived), after.ids(after.answered)], [[0], []])
  assert(after.isCut())
})

test('a lost answer leaves the connection silent from there on', async () => {
  const { near, arrived, answered, ids, pause, isCut } = await stage({
    api: 'EndTxn',
    harm: 'lose-answer',
  })
  send(near, 'Produce', 'EndTxn', 'Produce')
  await pause(200)
  assert.deepEqual([ids(arrived), ids(answered), isCut()], [[0, 1, 2], [0], false])
})

test('a late answer holds up those behind it', async () => {
  const { near, answered, ids, pause } = await stage({
    api: 'EndTxn',
    harm: 'delay-answer',
    ms: 500,
  })
  send(near, 'Produce', 'EndTxn', 'Produce')
  await pause(400)
  assert.deepEqual(ids(answered), [0])
  await pause(300)
  assert.deepEqual(ids(answered), [0, 1, 2])
})

test('a ghost comes when its sender has long lost the connection', async () => {
  const { near, arrived, ids, pause, isCut } = await stage({
    api: 'EndTxn',
    harm: 'ghost',
    ms: 800,
  })
  send(near, 'EndTxn')
  await pause(200)
  assert.deepEqual([ids(arrived), isCut()], [[], true])
  await pause(800)
  assert.deepEqual(ids(arrived), [0])
})

test('a rule is for so many requests, says so when it is applied, and can be taken away', async () => {
  let hits = 0
  const { near, faults, arrived, ids, pause } = await stage()
  const remove = faults.add({ api: 'EndTxn', harm: 'delay', ms: 0, count: 2, onHit: () => hits++ })
  send(near, 'EndTxn', 'EndTxn', 'EndTxn')
  await pause(200)
  assert.deepEqual([hits, ids(arrived)], [2, [0, 1, 2]])
  const removeDrop = faults.add({ api: 'Produce', harm: 'drop' })
  removeDrop()
  remove()
  send(near, 'Produce')
  await pause(200)
  assert.deepEqual(ids(arrived), [0, 1, 2, 0])
})
