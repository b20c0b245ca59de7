/** What a log keeps in memory is its batches, and not what they came in. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Tail } from '../../../src/log/segments/tail.ts'
import { countHeld } from '../garbage.ts'
import { batchOf, openStore, stored } from './batches.ts'

const mebibyte = 1024 * 1024

test('a batch that is forgotten holds no memory, however many places are kept', async () => {
  const tail = new Tail(0)
  const held = Array.from({ length: 100 }, (_, at) => {
    const bytes = new Uint8Array(1000)
    tail.push(bytes, at, at + 1, 0)
    return new WeakRef(bytes.buffer)
  })
  tail.forgetBefore(99)
  assert.equal(await countHeld(held), 1)
  assert.equal(tail.read(99, 100, 1e9, true).length, 1)
})

test('a small batch of a large request does not keep the request', async () => {
  await using store = await openStore()
  const log = await store.create('small')
  const held: WeakRef<ArrayBuffer>[] = []
  for (let at = 0; at < 20; at++) {
    const batch = batchOf(1)
    const request = new Uint8Array(mebibyte)
    request.set(batch, 1000)
    await stored(log, request.subarray(1000, 1000 + batch.length))
    held.push(new WeakRef(request.buffer))
  }
  assert.equal(log.endOffset, 20)
  // The last one may still be in a register of this function's.
  assert((await countHeld(held)) <= 1)
})

test('a batch that is most of its request is kept as it came', async () => {
  await using store = await openStore()
  const log = await store.create('large')
  const batch = batchOf(1000)
  const request = new Uint8Array(batch.length + 100)
  request.set(batch, 50)
  await stored(log, request.subarray(50, 50 + batch.length))
  const [found] = await log.read(0, { maxBytes: 1e9, upTo: 1e9, minOneBatch: true })
  assert.equal(found!.buffer, request.buffer)
})

test('batches that are most of a request together are kept as they came', async () => {
  await using store = await openStore()
  const log = await store.create('together')
  const batch = batchOf(100)
  const request = new Uint8Array(10 * batch.length)
  const views = Array.from({ length: 10 }, (_, at) => {
    request.set(batch, at * batch.length)
    return request.subarray(at * batch.length, (at + 1) * batch.length)
  })
  await Promise.all(views.map((view) => stored(log, view)))
  const found = await log.read(0, { maxBytes: 1e9, upTo: 1e9, minOneBatch: true })
  assert.equal(found.length, 10)
  for (const each of found) assert.equal(each.buffer, request.buffer)
})

test('a few batches of a large read do not keep the rest of it', async () => {
  await using store = await openStore({
    cacheBytes: 0,
    writeBehindBytes: 1,
    indexIntervalBytes: 100,
  })
  const log = await store.create('read')
  for (let at = 0; at < 2000; at++) await stored(log, batchOf(1))
  const found = await log.read(0, { maxBytes: 1e9, upTo: 1, minOneBatch: true })
  assert.equal(found.length, 1)
  assert.equal(found[0]!.buffer.byteLength, found[0]!.length)
})
