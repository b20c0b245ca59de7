/** A process without descriptors is no failed disk: the store waits, says so, and goes on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadwaterError } from '../../../src/base/errors.ts'
import type { Clock, Disk } from '../../../src/io/ports.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { batchOf, openStore, stored } from './batches.ts'

const everything = { maxBytes: 1e9, upTo: 1e15, minOneBatch: true }

/** A minute in no time: who waits goes on at once, and the clock says how long that was. */
class HastyClock implements Clock {
  time = 1_700_000_000_000

  now(): number {
    return this.time
  }

  monotonic(): number {
    return this.time
  }

  after(delayMs: number, callback: () => void): { cancel(): void } {
    setImmediate(() => {
      this.time += delayMs
      callback()
    })
    return { cancel: () => undefined }
  }

  soon(callback: () => void): void {
    queueMicrotask(callback)
  }
}

/** A disk with a limit of open files, which a test sets; those that others hold are not counted. */
class LimitedDisk {
  limit = Infinity
  #open = 0

  around(disk: Disk): Disk {
    return {
      list: (path) => disk.list(path),
      exists: (path) => disk.exists(path),
      fileSize: (path) => disk.fileSize(path),
      identify: (path) => disk.identify(path),
      makeDirectory: (path) => disk.makeDirectory(path),
      rename: (from, to) => disk.rename(from, to),
      remove: (path) => disk.remove(path),
      lock: async (path) => {
        const lock = await disk.lock(path)
        const check = (): Promise<void> => {
          this.#assertRoom()
          return lock.check()
        }
        return { check, release: () => lock.release() }
      },
      syncDirectory: async (path) => {
        this.#assertRoom()
        await disk.syncDirectory(path)
      },
      open: async (path, mode) => {
        this.#assertRoom()
        this.#open++
        const file = await disk.open(path, mode)
        return {
          read: (position, count) => file.read(position, count),
          write: (chunks, position) => file.write(chunks, position),
          sync: () => file.sync(),
          truncate: (size) => file.truncate(size),
          size: () => file.size(),
          close: () => {
            this.#open--
            return file.close()
          },
        }
      },
    }
  }

  #assertRoom(): void {
    if (this.#open >= this.limit) throw new HeadwaterError('too-many-files', 'none left: planned')
  }
}

test('idle segments give their descriptors to whoever finds none', async () => {
  const limited = new LimitedDisk()
  const shortages: boolean[] = []
  const store = await openStore({
    disk: limited.around(new SimDisk({ seed: 1 })),
    clock: new HastyClock(),
    writeBehindBytes: 200,
    journalBytes: 3000,
    cacheBytes: 1,
    onShortage: (error) => shortages.push(error !== undefined),
  })
  const names = Array.from({ length: 40 }, (_, at) => `t-${at}`)
  const logs = await Promise.all(names.map((name) => store.create(name)))
  // The journal's two, that of its mark, one of a segment.
  limited.limit = 4
  for (const log of logs) await stored(log, batchOf(2))
  for (const log of logs) assert.equal((await log.read(0, everything)).length, 1)
  await store.close()
  assert.equal(store.failure?.code, 'broker-closed')
  assert.equal(shortages[0], true)
  assert.equal(shortages.at(-1), false)
})

test('when all are held by others the store waits until one is free', async () => {
  const limited = new LimitedDisk()
  const shortages: boolean[] = []
  const disk = limited.around(new SimDisk({ seed: 1 }))
  const store = await openStore({ disk })
  await stored(await store.create('t-0'), batchOf(2))
  await store.close()
  const again = await openStore({
    disk,
    clock: new HastyClock(),
    onShortage: (error) => {
      shortages.push(error !== undefined)
      setTimeout(() => (limited.limit = Infinity), 5)
    },
  })
  limited.limit = 0
  assert.equal((await again.get('t-0')!.read(0, everything)).length, 1)
  assert.equal(shortages[0], true)
  assert.equal(shortages.at(-1), false)
  await again.close()
})

test('a checkpoint waits for one to look at its lock with', async () => {
  const limited = new LimitedDisk()
  const shortages: boolean[] = []
  const store = await openStore({
    disk: limited.around(new SimDisk({ seed: 1 })),
    clock: new HastyClock(),
    journalBytes: 3000,
    onShortage: (error) => {
      shortages.push(error !== undefined)
      setTimeout(() => (limited.limit = Infinity), 5)
    },
  })
  const log = await store.create('t-0')
  limited.limit = 0
  for (let at = 0; at < 20; at++) await stored(log, batchOf(10))
  await store.close()
  assert.equal(store.failure?.code, 'broker-closed')
  assert.equal(shortages[0], true)
})

test('not for ever: who waits longer than a minute is told', async () => {
  const limited = new LimitedDisk()
  const disk = limited.around(new SimDisk({ seed: 1 }))
  const store = await openStore({ disk })
  await stored(await store.create('t-0'), batchOf(2))
  await store.close()
  const clock = new HastyClock()
  const again = await openStore({ disk, clock })
  limited.limit = 0
  const before = clock.time
  await assert.rejects(async () => again.get('t-0')!.read(0, everything), {
    code: 'too-many-files',
  })
  assert.ok(clock.time - before >= 60_000)
  limited.limit = Infinity
  assert.equal((await again.get('t-0')!.read(0, everything)).length, 1)
  await again.close()
})
