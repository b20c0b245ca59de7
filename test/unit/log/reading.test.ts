/** Readers of old records take the disk and the main thread in small pieces, and leave room for who writes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextOffsetOf, readBatchHeader } from '../../../src/records/batch.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { aroundFiles } from '../around-files.ts'
import { batchOf, openStore, stored } from './batches.ts'

const everything = { maxBytes: 1e9, upTo: 1e15, minOneBatch: true }
const mebibyte = 1024 * 1024

/** A store whose logs hold `count` batches of `valueBytes` each, on disk only; `during` surrounds each read. */
async function withOldLogs(
  names: readonly string[],
  o: { count: number; valueBytes: number },
  during: (count: number, read: () => Promise<Uint8Array>) => Promise<Uint8Array>,
) {
  const disk = new SimDisk({ seed: 1 })
  const store = await openStore({ disk, segmentBytes: 3 * mebibyte })
  for (const name of names) {
    const log = await store.create(name)
    for (let at = 0; at < o.count; at++) await stored(log, batchOf(1, { valueBytes: o.valueBytes }))
  }
  await store.close()
  const watched = aroundFiles(disk, (file, path) => ({
    read: (position, count) =>
      path.endsWith('.log')
        ? during(count, () => file.read(position, count))
        : file.read(position, count),
  }))
  return { disk, store: await openStore({ disk: watched, segmentBytes: 3 * mebibyte }) }
}

test('one read goes through the file in pieces of 256 KiB and over the ends of segments', async () => {
  const pieces: number[] = []
  const { store } = await withOldLogs(['t'], { count: 60, valueBytes: 100_000 }, (count, read) => {
    pieces.push(count)
    return read()
  })
  const batches = await store.get('t')!.read(0, everything)
  assert.equal(batches.length, 60)
  assert.equal(nextOffsetOf(readBatchHeader(batches.at(-1)!)), 60)
  assert.ok(Math.max(...pieces) <= mebibyte / 2, `${Math.max(...pieces)} bytes at once`)
  await store.close()
})

test('one reader is at the disk at a time, in the order they came', async () => {
  let inside = 0
  let most = 0
  const names = Array.from({ length: 8 }, (_, at) => `t-${at}`)
  const size = { count: 10, valueBytes: 300_000 }
  const { store } = await withOldLogs(names, size, async (_count, read) => {
    most = Math.max(most, ++inside)
    await new Promise((resolve) => setTimeout(resolve, 1))
    inside--
    return read()
  })
  const done: string[] = []
  await Promise.all(
    names.map(async (name) => {
      const batches = await store.get(name)!.read(0, everything)
      assert.equal(batches.length, 10)
      done.push(name)
    }),
  )
  assert.equal(most, 1)
  assert.deepEqual(done.slice(0, 2).toSorted(), ['t-0', 't-1'])
  await store.close()
})

test('what stands before a damaged batch is given, and the damage to the read that begins there', async () => {
  const { disk, store } = await withOldLogs(['t'], { count: 40, valueBytes: 100_000 }, (_, read) =>
    read(),
  )
  const path = disk.paths().find((each) => /\/t\/0+\.log$/.test(each))!
  const sizeBytes = batchOf(1, { valueBytes: 100_000 }).length
  disk.flipBit(path, 15 * sizeBytes + 90)
  const log = store.get('t')!
  const before = await log.read(0, everything)
  const next = nextOffsetOf(readBatchHeader(before.at(-1)!))
  assert.ok(before.length >= 10 && before.length <= 15, `${before.length} batches`)
  await assert.rejects(
    async () => {
      for (let at = next; at <= 15; at++) await log.read(at, { ...everything, maxBytes: 1 })
    },
    { code: 'data-corrupt' },
  )
  await store.close()
})
