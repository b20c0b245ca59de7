import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { WaitingRoom } from '../../../src/broker/serving/waiting.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import type { Log } from '../../../src/log/log.ts'
import { LogStore } from '../../../src/log/store/log-store.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { batchOf } from '../../conformance/raw-client.ts'

let store: LogStore
let here: Log
let there: Log
// Timers of the clock hold no process open.
const keepAlive = setInterval(() => {}, 1000)

before(async () => {
  store = await LogStore.open({ disk: new SimDisk({ seed: 1 }), clock: nodeClock, directory: 'd' })
  here = await store.create('here')
  there = await store.create('there')
})
after(async () => {
  clearInterval(keepAlive)
  await store.close()
})

class FakePeer {
  readonly remote = 'test'
  readonly advertised = { host: 'test', port: 1 }
  readonly callbacks = new Set<() => void>()
  onGone(callback: () => void): () => void {
    this.callbacks.add(callback)
    return () => this.callbacks.delete(callback)
  }
}

function append(log: Log): Promise<void> {
  const result = log.append(batchOf(['x']))
  assert(result.kind === 'appended')
  return result.durable
}

async function isOver(waiting: Promise<void>): Promise<boolean> {
  let over = false
  void waiting.then(() => (over = true))
  await new Promise((resolve) => setTimeout(resolve, 20))
  return over
}

test('a wait ends when one of its logs has advanced far enough, and not for another log', async () => {
  const room = new WaitingRoom(nodeClock)
  const end = here.highWatermark
  const satisfied = (): boolean => here.highWatermark >= end + 2
  const waiting = room.wait({ logs: [here], maxWaitMs: 60_000, peer: new FakePeer(), satisfied })
  await append(there)
  await append(here)
  assert.equal(await isOver(waiting), false)
  await append(here)
  assert.equal(await isOver(waiting), true)
  assert.equal(room.size, 0)
})

test('a wait looks once for all that one group commit brought', async () => {
  const room = new WaitingRoom(nodeClock)
  let looks = 0
  const satisfied = (): boolean => {
    looks++
    return false
  }
  const waiting = room.wait({
    logs: [here, there],
    maxWaitMs: 60_000,
    peer: new FakePeer(),
    satisfied,
  })
  looks = 0
  await Promise.all([append(here), append(there)])
  await isOver(waiting)
  assert.equal(looks, 1)
  room.close()
  await waiting
})

test('a wait ends with its time, its client, or the broker', async () => {
  const room = new WaitingRoom(nodeClock)
  const satisfied = (): boolean => false
  const peer = new FakePeer()
  const started = performance.now()
  await room.wait({ logs: [here], maxWaitMs: 30, peer, satisfied })
  assert.ok(performance.now() - started > 20)
  assert.equal(peer.callbacks.size, 0)

  const abandoned = room.wait({ logs: [here], maxWaitMs: 60_000, peer, satisfied })
  for (const callback of peer.callbacks) callback()
  await abandoned
  const closed = room.wait({ logs: [here], maxWaitMs: 60_000, peer, satisfied })
  room.close()
  await closed
  await room.wait({ logs: [here], maxWaitMs: 60_000, peer, satisfied })
  assert.equal(room.size, 0)
})

test('there is no wait for what is there already', async () => {
  const room = new WaitingRoom(nodeClock)
  const logs = [here]
  await room.wait({ logs, maxWaitMs: 60_000, peer: new FakePeer(), satisfied: () => true })
  assert.equal(room.size, 0)
})
