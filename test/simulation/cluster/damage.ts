/**
 * Damage to each file of a data directory: every byte of the small ones, of the larger ones every kind of
 * byte; files cut and files removed. A start may refuse (then it has changed nothing, and `verify` names the
 * damage), it may say what it found, or a reader may hear of it. It may never give anything else than what
 * was stored without a word.
 */
import assert from 'node:assert/strict'
import { equalBytes, utf8Bytes } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import type { Clock } from '../../../src/io/ports.ts'
import type { Log } from '../../../src/log/log.ts'
import { LogStore } from '../../../src/log/store/log-store.ts'
import { verifyStore } from '../../../src/log/store/verify.ts'
import { nextOffsetOf, readBatchHeader } from '../../../src/records/batch.ts'
import { BatchBuilder } from '../../../src/records/record.ts'
import { drawInteger, fork, seededDraw } from '../../../src/testing/seed.ts'
import type { Draw } from '../../../src/testing/seed.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { World } from '../../../src/testing/world.ts'

const directory = '/data'
const clusterId = 'simulated-cluster-id-0'
/** Files of at most so many bytes are damaged in each of them. */
const smallBytesMax = 1100
/** Of larger ones all that a first header has, of whatever kind. */
const headBytes = 140
/** And so many others, and so many of each kind of file are cut. */
const samples = 40
const cuts = 6
/** What the second life writes is in the journal alone: a segment would prove that it is missing there. */
const limits = { segmentBytes: 1500, indexIntervalBytes: 400 }
/** Longer than a mark lags. */
const restMs = 100
/** All of a judgement must be through in so much simulated time. */
const limitMs = 60_000

type End = 'closed' | 'killed'

/** What was acknowledged: all batches of each log, as they are to be read. */
type Stored = ReadonlyMap<string, readonly Uint8Array[]>

/** All the damage of a seed: one after the other for each file, after a close and after a kill. */
export async function damageOf(seed: number): Promise<(() => Promise<void>)[]> {
  const draw = seededDraw(seed ^ 0xda3a9e)
  const parts: (() => Promise<void>)[] = [() => loseLock(seed)]
  for (const end of ['closed', 'killed'] as const) {
    const { disk } = await makeStore(seed, end)
    for (const path of disk.paths().filter((name) => !name.includes('/lock'))) {
      const own = fork(draw)
      parts.push(() => damageFile(seed, end, path, disk.sizeOf(path), own))
    }
  }
  return parts
}

async function damageFile(
  seed: number,
  end: End,
  path: string,
  size: number,
  draw: Draw,
): Promise<void> {
  for (const { what, harm } of harms(path, size, draw)) {
    // The same store anew, as it was before any harm.
    const { disk, stored } = await makeStore(seed, end)
    await harm(disk)
    const world = new World(seed)
    const { clock } = world.start('store')
    await world.until(judge(disk, clock, stored, `${what}, ${end}`), limitMs)
  }
}

interface Harm {
  readonly what: string
  readonly harm: (disk: SimDisk) => Promise<void> | void
}

function* harms(path: string, size: number, draw: Draw): Iterable<Harm> {
  yield { what: `${path} is removed`, harm: (disk) => disk.remove(path) }
  for (let cut = 0; cut < Math.min(cuts, size); cut++) {
    const left = cut === 0 ? 0 : drawInteger(draw, 0, size - 1)
    yield { what: `${path} is cut to ${left}`, harm: (disk) => disk.cut(path, left) }
  }
  const positions =
    size <= smallBytesMax
      ? Array.from({ length: size }, (_, at) => at)
      : Array.from({ length: headBytes + samples }, (_, at) =>
          at < headBytes ? at : drawInteger(draw, headBytes, size - 1),
        )
  for (const at of positions) {
    yield { what: `byte ${at} of ${path} is changed`, harm: (disk) => disk.flipBit(path, at) }
  }
}

/** A store of two logs that was closed, written to again, and closed or killed. */
async function makeStore(seed: number, end: End): Promise<{ disk: SimDisk; stored: Stored }> {
  const world = new World(seed)
  const disk = new SimDisk({ seed })
  const stored = new Map<string, Uint8Array[]>()
  const make = async (): Promise<void> => {
    const { clock } = world.start('store')
    const open = () => LogStore.open({ disk, clock, directory, clusterId, ...limits })
    let store = await open()
    for (const name of ['one', 'two']) {
      await store.create(name)
      stored.set(name, [])
    }
    await append(store, stored, 0)
    await store.close()
    store = await open()
    await append(store, stored, 1)
    if (end === 'closed') await store.close()
    else await new Promise<void>((resolve) => void clock.after(restMs, resolve))
  }
  await world.until(make(), limitMs)
  return { disk: disk.afterKill({ seed }), stored }
}

async function append(
  store: LogStore,
  stored: Map<string, Uint8Array[]>,
  life: number,
): Promise<void> {
  for (let at = 0; at < 5; at++) {
    for (const [name, batches] of stored) {
      const builder = new BatchBuilder()
      for (let record = 0; record < 3; record++) {
        builder.append(
          1000 + at,
          null,
          utf8Bytes(`${name} ${life}.${at}.${record} ${'~'.repeat(60)}`),
        )
      }
      const batch = builder.finish()
      const result = store.get(name)!.append(batch)
      assert(result.kind === 'appended')
      await result.durable
      batches.push(batch.slice())
    }
  }
}

async function judge(disk: SimDisk, clock: Clock, stored: Stored, what: string): Promise<void> {
  const before = await contentsOf(disk)
  let store: LogStore
  try {
    store = await LogStore.open({ disk, clock, directory, ...limits })
  } catch (error) {
    const isRefused = isHeadwaterError(error, 'data-corrupt')
    assert(isRefused, `${what}: ${(error as Error).stack}`)
    for (const [path, bytes] of await contentsOf(disk)) {
      assert(equalBytes(bytes, before.get(path)!), `${what}: the refusal changed ${path}`)
    }
    const { problems } = await verifyStore(disk, directory)
    return assert(problems.length > 0, `${what}: refused, and verify finds nothing`)
  }
  // All was acknowledged and marked, so to cut something is no excuse.
  let isNamed = store.recovered.findings.some(({ kind }) => kind === 'damaged')
  assert.equal(store.clusterId, clusterId, `${what}: another cluster`)
  for (const [name, batches] of stored) {
    const log = store.get(name)
    assert(log !== undefined || isNamed, `${what}: ${name} is gone without a word`)
    if (log !== undefined && !(await isAsStored(log, batches, what))) isNamed = true
    const end = nextOffsetOf(readBatchHeader(batches.at(-1)!))
    assert(log?.endOffset === end || isNamed, `${what}: ${name} ends at ${log?.endOffset}`)
  }
}

/** Whether all of it can be read; false when a reader hears of damage. Anything else fails. */
async function isAsStored(
  log: Log,
  batches: readonly Uint8Array[],
  what: string,
): Promise<boolean> {
  let isWhole = true
  for (const batch of batches) {
    const { baseOffset } = readBatchHeader(batch)
    if (baseOffset >= log.highWatermark) break
    try {
      const [found] = await log.read(baseOffset, { maxBytes: 1, upTo: 1e9, minOneBatch: true })
      assert(
        found !== undefined && equalBytes(found, batch),
        `${what}: ${log.name} ${baseOffset} is another`,
      )
    } catch (error) {
      if (!isHeadwaterError(error, 'data-corrupt')) throw error
      isWhole = false
    }
  }
  return isWhole
}

/** Somebody else takes the directory: whoever had it stops before it rotates, and changes nothing more. */
async function loseLock(seed: number): Promise<void> {
  const world = new World(seed)
  const disk = new SimDisk({ seed })
  const work = async (): Promise<void> => {
    const { clock } = world.start('store')
    const open = () => LogStore.open({ disk, clock, directory, clusterId, ...limits })
    const first = await open()
    await first.create('one')
    disk.locks.steal(`${directory}/lock`)
    const second = await open()
    const before = await contentsOf(disk)
    await first.close()
    for (const [path, bytes] of await contentsOf(disk)) {
      const isSame = before.has(path) && equalBytes(bytes, before.get(path)!)
      assert(isSame, `a store that lost its directory has changed ${path}`)
    }
    await second.close()
  }
  await world.until(work(), limitMs)
}

async function contentsOf(disk: SimDisk): Promise<Map<string, Uint8Array>> {
  const contents = new Map<string, Uint8Array>()
  for (const path of disk.paths().filter((name) => !name.includes('/lock'))) {
    const file = await disk.open(path, 'read')
    contents.set(path, await file.read(0, await file.size()))
  }
  return contents
}
