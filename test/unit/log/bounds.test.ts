/** Each named bound of the log is kept, and what lies beyond it goes on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBatchHeader, writeBatchHeader } from '../../../src/records/batch.ts'
import { Producers, producersMax } from '../../../src/log/state/producers.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { aroundFiles } from '../around-files.ts'
import { accepted, batchOf, openStore, stored } from './batches.ts'

const everything = { maxBytes: 1e9, upTo: 1e15, minOneBatch: true }
const mebibyte = 1024 * 1024

test('a segment ends before an offset in its index would need more than 32 bits', async () => {
  const disk = new SimDisk({ seed: 1 })
  const store = await openStore({ disk, indexIntervalBytes: 80 })
  const log = await store.create('wide')
  const last = 0x3fff_ffff
  for (let at = 0; at < 4; at++) {
    const batch = batchOf(1)
    writeBatchHeader(batch, { ...readBatchHeader(batch), lastOffsetDelta: last })
    await stored(log, batch)
  }
  await store.close()
  const segments = disk.paths().filter((path) => path.includes('/wide/') && path.endsWith('.log'))
  assert.equal(segments.length, 2)
  await using again = await openStore({ disk, indexIntervalBytes: 80 })
  for (let at = 0; at < 4; at++) {
    const from = at * (last + 1)
    const [found] = await again.get('wide')!.read(from, { ...everything, maxBytes: 1 })
    assert.equal(readBatchHeader(found!).baseOffset, from)
  }
})

test('a segment may not be larger than its index can say', async () => {
  await using store = await openStore({ segmentBytes: 2 ** 31 })
  const isBug = { name: 'AssertionError', message: /larger than its index/ }
  await assert.rejects(store.create('large'), isBug)
  await assert.rejects(store.create('larger', { segmentBytes: 2 ** 40 }), isBug)
  await store.create('fits', { segmentBytes: 2 ** 31 - 1 })
})

test('a group of the journal ends when it is large, so that no append waits for a long write', async () => {
  await using store = await openStore()
  const log = await store.create('t')
  const waits = Array.from(
    { length: 20 },
    () => accepted(log.append(batchOf(1, { valueBytes: mebibyte }))).durable,
  )
  assert.equal(new Set(waits).size, 3)
  await Promise.all(waits)
})

test('one read from a segment brings a bounded number of bytes, and the next one goes on', async () => {
  const disk = new SimDisk({ seed: 1 })
  const store = await openStore({ disk })
  const log = await store.create('t')
  for (let at = 0; at < 12; at++) await stored(log, batchOf(1, { valueBytes: mebibyte }))
  await store.close()
  await using again = await openStore({ disk })
  const first = await again.get('t')!.read(0, everything)
  const second = await again.get('t')!.read(first.length, everything)
  assert.equal(first.length, 7)
  assert.equal(first.length + second.length, 12)
})

test('only so many descriptors are open for segments, whoever reads and writes at once', async () => {
  let open = 0
  let mostOpen = 0
  const disk = aroundFiles(new SimDisk({ seed: 1 }), (file, path) => {
    if (!path.includes('/logs/')) return {}
    mostOpen = Math.max(mostOpen, ++open)
    return {
      close: () => {
        open--
        return file.close()
      },
    }
  })
  const bounds = { disk, indexIntervalBytes: 100, writeBehindBytes: 1000, checkpointWrites: 300 }
  const store = await openStore(bounds)
  const names = Array.from({ length: 300 }, (_, at) => `t-${at}`)
  const logs = await Promise.all(names.map((name) => store.create(name)))
  for (let round = 0; round < 3; round++) {
    await Promise.all(logs.map((log) => stored(log, batchOf(1, { valueBytes: 200 }))))
  }
  await store.close()
  assert.ok(mostOpen > 200 && mostOpen <= 256, `${mostOpen} files were open`)
  mostOpen = 0
  await using again = await openStore(bounds)
  const found = await Promise.all(names.map(async (name) => again.get(name)!.read(0, everything)))
  assert.ok(found.every((batches) => batches.length === 3))
  assert.ok(mostOpen > 200 && mostOpen <= 256, `${mostOpen} files were open`)
})

test('a log remembers a bounded number of producers, and forgets those it has not heard of longest', () => {
  const producers = new Producers()
  const at = { appendedAt: 0, monotonicMs: 0 }
  let offset = 0
  const write = (producerId: number, baseSequence: number, transactional = false): void => {
    const batch = batchOf(1, { producerId, producerEpoch: 0, baseSequence, transactional })
    producers.apply(readBatchHeader(batch), offset++, at)
  }
  const openTransaction = 0
  write(openTransaction, 0, true)
  for (let producerId = 1; producerId < producersMax; producerId++) write(producerId, 0)
  write(1, 1)
  write(2, 1)
  for (let newcomer = 0; newcomer < 100; newcomer++) write(1_000_000 + newcomer, 0)
  assert.equal([...producers.all()].length, producersMax)
  for (const there of [openTransaction, 1, 2, 103, 1_000_099])
    assert(producers.get(there), `${there}`)
  for (const gone of [3, 4, 102]) assert.equal(producers.get(gone), undefined)
})
