/**
 * A fetch that waits is woken by the bytes that came, and reads what it needs twice at most. It used to
 * read everything again at each group commit, and to wait its whole time for more than one read may bring.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DiskFile } from '../../../src/io/ports.ts'
import type { RequestInput } from '../../../src/protocol/api.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { batchOf, createTopic, produce, type RawClient } from '../../conformance/raw-client.ts'
import { aroundFiles } from '../around-files.ts'
import { openBroker } from './open-broker.ts'

const mebibyte = 1024 * 1024

/** A broker whose topic `t` has this many batches of 64 KiB in partition 0, on disk only. */
async function withOldRecords(batches: number) {
  const disk = new SimDisk({ seed: 1 })
  const segmentReads: number[] = []
  const watched = aroundFiles(disk, (file: DiskFile, path) => ({
    read: (position, count) => {
      if (path.endsWith('.log')) segmentReads.push(count)
      return file.read(position, count)
    },
  }))
  const first = await openBroker({ disk: watched })
  const client = await first.client()
  await createTopic(client, 't', 2)
  for (let at = 0; at < batches; at++) await produce(client, 't', batchOf(['x'.repeat(64 * 1024)]))
  const open = await first.reopen()
  return { open, client: await open.client(), reader: await open.client(), segmentReads }
}

function fetch(client: RawClient, partitions: readonly number[], o: RequestInput<'Fetch'>) {
  const each = { fetchOffset: 0, partitionMaxBytes: 50 * mebibyte }
  return client.ask('Fetch', 12, {
    maxWaitMs: 20_000,
    topics: [{ topic: 't', partitions: partitions.map((partition) => ({ ...each, partition })) }],
    ...o,
  })
}

function bytesOf({ responses }: Awaited<ReturnType<typeof fetch>>): number {
  return responses
    .flatMap(({ partitions }) => partitions)
    .reduce((total, { records }) => total + (records?.length ?? 0), 0)
}

test('a fetch reads old records twice at most, however many groups it waits through', async () => {
  const { open, client, reader, segmentReads } = await withOldRecords(16)
  // Opening the segment reads, too.
  await fetch(reader, [0], { minBytes: 1, maxBytes: 1 })
  segmentReads.length = 0
  const waiting = fetch(reader, [0], { minBytes: mebibyte + 64 * 1024 })
  for (let at = 0; at < 50; at++) await produce(client, 't', batchOf(['y'.repeat(1024)]))
  const read = segmentReads.length
  assert.ok(read <= 6, `${read} reads while it waits`)
  await produce(client, 't', batchOf(['z'.repeat(64 * 1024)]))
  assert.ok(bytesOf(await waiting) > mebibyte + 64 * 1024)
  assert.ok(segmentReads.length <= 2 * read, `${segmentReads.length} reads in all`)
  await open.broker.close()
})

test('a fetch that wants more than one read may bring is answered with what one brings', async () => {
  const { open, reader } = await withOldRecords(150)
  const begun = performance.now()
  const bytes = bytesOf(await fetch(reader, [0], { minBytes: 9 * mebibyte, maxWaitMs: 60_000 }))
  assert.ok(bytes > 7 * mebibyte && bytes <= 8 * mebibyte, `${bytes} bytes`)
  assert.ok(performance.now() - begun < 30_000)
  await open.broker.close()
})

test('the bytes of all partitions count, none for more than it may give', async () => {
  const open = await openBroker()
  const [client, reader] = [await open.client(), await open.client()]
  await createTopic(client, 't', 2)
  const size = batchOf(['x'.repeat(1024)]).length
  let over = false
  const waiting = reader.ask('Fetch', 12, {
    maxWaitMs: 20_000,
    minBytes: 5 * size,
    topics: [
      {
        topic: 't',
        partitions: [0, 1].map((partition) => ({
          partition,
          fetchOffset: 0,
          partitionMaxBytes: 3 * size,
        })),
      },
    ],
  })
  void waiting.then(() => (over = true))
  for (let at = 0; at < 10; at++) await produce(client, 't', batchOf(['x'.repeat(1024)]))
  await produce(client, 't', batchOf(['x'.repeat(1024)]), { partition: 1 })
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.equal(over, false, 'three of ten and one are four')
  await produce(client, 't', batchOf(['x'.repeat(1024)]), { partition: 1 })
  assert.equal(bytesOf(await waiting), 5 * size)
  await open.broker.close()
})
