/** What many logs cost: checkpoints, closes and deletes come in slices, and none grows with the logs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Log } from '../../../src/log/log.ts'
import type { LogStore } from '../../../src/log/store/log-store.ts'
import type { LogStoreOptions } from '../../../src/log/store/options.ts'
import { SimDisk, type SimDiskCall } from '../../../src/testing/sim-disk.ts'
import { aroundFiles } from '../around-files.ts'
import { batchOf, openStore, sequenced, stored } from './batches.ts'

const everything = { maxBytes: 1e9, upTo: 1e15, minOneBatch: true }
const manyLogs = 1000

class CountingDisk {
  readonly counts = new Map<SimDiskCall, number>()
  readonly disk = new SimDisk({
    seed: 1,
    onCall: (_call, kind) => this.counts.set(kind, this.of(kind) + 1),
  })

  of(kind: SimDiskCall): number {
    return this.counts.get(kind) ?? 0
  }
}

async function makeLogs(store: LogStore, count: number): Promise<Log[]> {
  const names = Array.from({ length: count }, (_, at) => `t-${at}`)
  return await Promise.all(names.map((name) => store.create(name)))
}

function appendToAll(logs: readonly Log[]): Promise<unknown> {
  return Promise.all(logs.map((log) => stored(log, batchOf(3))))
}

async function contentsOf(store: LogStore): Promise<number> {
  let batches = 0
  for (const name of store.names()) {
    batches += (await store.get(name)!.read(0, everything)).length
  }
  return batches
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('a close syncs as often for a thousand logs as for a hundred, and all is there again', async () => {
  const syncs: number[] = []
  for (const count of [100, manyLogs]) {
    const { disk, ...counting } = new CountingDisk()
    const store = await openStore({ disk, checkpointWrites: 10 })
    await appendToAll(await makeLogs(store, count))
    const of = (): number => (counting.counts.get('sync') ?? 0) + (counting.counts.get('open') ?? 0)
    const before = of()
    await store.close()
    syncs.push(of() - before)
    const again = await openStore({ disk })
    assert.equal(again.recovered.clean, true)
    assert.equal(again.recovered.records, 0)
    assert.equal(await contentsOf(again), count)
    await again.close()
  }
  assert.equal(syncs[0], syncs[1])
})

test('a checkpoint carries what is in no segment, and it is taken once', async () => {
  const { disk } = new CountingDisk()
  const options: Partial<LogStoreOptions> = { disk, checkpointWrites: 1, writeBehindBytes: 1e6 }
  let store = await openStore(options)
  for (const log of await makeLogs(store, 5)) {
    await stored(log, sequenced(7, 0, 0, 2))
    await stored(log, sequenced(7, 0, 2, 2))
  }
  for (let start = 0; start < 3; start++) {
    await store.close()
    store = await openStore(options)
    assert.ok(store.backlogBytes > 0, 'something is in no segment')
    for (const name of store.names()) {
      const log = store.get(name)!
      assert.equal(log.endOffset, 4 + start)
      assert.equal(log.append(sequenced(7, 0, 2, 2)).kind, 'duplicate')
      assert.equal(await stored(log, sequenced(7, 0, 4 + start)), 4 + start)
    }
  }
  await store.close()
  const logs = disk.paths().filter((path) => path.endsWith('.log'))
  assert.ok(logs.length < 5, 'some have no segment to this day')
})

test('appends go on while a checkpoint is taken of many logs', async () => {
  const { disk, counts } = new CountingDisk()
  const store = await openStore({ disk, journalBytes: 300_000, writeBehindBytes: 1e6 })
  const logs = await makeLogs(store, manyLogs)
  let during = 0
  while ((counts.get('rename') ?? 0) < 4) {
    await appendToAll(logs.slice(0, 100))
    await stored(logs.at(-1)!, batchOf(1, { valueBytes: 100_000 }))
    if (disk.paths().some((path) => path.endsWith('checkpoint.next'))) during++
  }
  assert.ok(during > 0)
  await store.close()
})

test('a checkpoint does not count before all that it knows is durable', async () => {
  const disk = new SimDisk({ seed: 1 })
  let gate: PromiseWithResolvers<void> | undefined
  let late: Promise<number> | undefined
  const made: { log?: Log } = {}
  const store = await openStore({
    journalBytes: 2000,
    disk: aroundFiles(disk, (file, path) => {
      if (path.endsWith('checkpoint.next') && gate === undefined && made.log) {
        gate = Promise.withResolvers<void>()
        late = stored(made.log, batchOf(1))
      }
      const isJournal = path.endsWith('.journal')
      return {
        sync: async () => {
          if (isJournal) await gate?.promise
          await file.sync()
        },
      }
    }),
  })
  made.log = await store.create('late')
  await stored(await store.create('large'), batchOf(1, { valueBytes: 3000 }))
  while (gate === undefined) await turn()
  for (let turns = 0; turns < 1000; turns++) await turn()
  assert.ok(disk.paths().some((path) => path.endsWith('checkpoint.next')))
  gate.resolve()
  assert.equal(await late, 0)
  while (disk.paths().some((path) => path.endsWith('checkpoint.next'))) await turn()
  await store.close()
})

test('a log may take the name of one whose files are not gone yet', async () => {
  const { disk } = new CountingDisk()
  const store = await openStore({ disk, writeBehindBytes: 100 })
  const old = await store.create('t-0')
  for (let at = 0; at < 5; at++) await stored(old, batchOf(5))
  await store.delete('t-0')
  const log = await store.create('t-0')
  for (let at = 0; at < 5; at++) await stored(log, batchOf(5))
  await store.close()
  await using again = await openStore({ disk })
  assert.equal((await again.get('t-0')!.read(0, everything)).length, 5)
  await again.get('t-0')!.verify()
})

async function withOldFiles() {
  const { disk } = new CountingDisk()
  const gate = Promise.withResolvers<void>()
  const remove = async (path: string): Promise<void> => {
    if (path.includes('/t-')) await gate.promise
    await disk.remove(path)
  }
  const patient = { ...aroundFiles(disk, () => ({})), remove }
  const store = await openStore({ disk: patient, writeBehindBytes: 100 })
  const old = await store.create('t-0')
  for (let at = 0; at < 5; at++) await stored(old, batchOf(5))
  await store.delete('t-0')
  return { disk, gate, store }
}

test('a log is not there before the files of the last one of its name are gone', async () => {
  for (const isKilledBefore of [true, false]) {
    const { disk, gate, store } = await withOldFiles()
    const creating = store.create('t-0')
    for (let turns = 0; turns < 100; turns++) await turn()
    if (!isKilledBefore) {
      gate.resolve()
      await stored(await creating, batchOf(5))
    }
    await using again = await openStore({ disk: disk.afterKill({ seed: 1 }) })
    const log = again.get('t-0')
    assert.equal(log?.endOffset, isKilledBefore ? undefined : 5)
  }
})

test('a log that waits for the files of another is refused when the store closes', async () => {
  const { gate, store } = await withOldFiles()
  const refused = assert.rejects(store.create('t-0'), { code: 'broker-closed' })
  await turn()
  const closing = store.close()
  gate.resolve()
  await closing
  await refused
})

test('a close leaves files of deleted logs to the next start', async () => {
  const { disk } = new CountingDisk()
  const store = await openStore({ disk, checkpointWrites: manyLogs })
  await appendToAll(await makeLogs(store, 50))
  await store.close()
  const gate = Promise.withResolvers<void>()
  const remove = async (path: string): Promise<void> => {
    if (path.includes('/t-')) await gate.promise
    await disk.remove(path)
  }
  const again = await openStore({ disk: { ...aroundFiles(disk, () => ({})), remove } })
  await Promise.all(again.names().map((name) => again.delete(name)))
  const closing = again.close()
  gate.resolve()
  await closing
  assert.ok(disk.paths().filter((path) => path.includes('/t-')).length > 40)
  await using last = await openStore({ disk })
  assert.deepEqual(last.names(), [])
  while (disk.paths().some((path) => path.includes('/t-'))) {
    await turn()
  }
})
