/**
 * The scripted workload of the log simulation and what it must find again after a crash.
 *
 * The model keeps for every log all batches in the order they were appended, and which of them were
 * acknowledged. After a recovery a log must hold exactly a beginning of that list, at least up to the last
 * acknowledged one; whatever is missing was never acknowledged, and a producer sends it again.
 */
import assert from 'node:assert/strict'
import { utf8Bytes, utf8String } from '../../src/base/bytes.ts'
import type { Clock } from '../../src/io/ports.ts'
import type { Log } from '../../src/log/log.ts'
import { LogStore } from '../../src/log/store/log-store.ts'
import type { Durability } from '../../src/log/store/options.ts'
import { checkBatch, nextOffsetOf, readBatchHeader } from '../../src/records/batch.ts'
import { BatchBuilder, decodeRecords, encodeControlBatch } from '../../src/records/record.ts'
import type { SimDisk } from '../../src/testing/sim-disk.ts'

const directory = '/data'

/** Small enough that a short script rolls segments, closes their files while they wait for a sync, makes
 * checkpoints and forgets cached batches. */
const limits = {
  segmentBytes: 900,
  indexIntervalBytes: 250,
  journalBytes: 2600,
  cacheBytes: 500,
  writeBehindBytes: 700,
  backlogBytesMax: 4000,
  segmentDescriptorsMax: 6,
  checkpointWrites: 1,
  clusterId: 'simulated-cluster-id-0',
}

interface ModelBatch {
  readonly id: string
  readonly bytes: () => Uint8Array
  readonly baseOffset: number
  readonly nextOffset: number
  readonly timestamp: number
  readonly producerId: number
  readonly transactional: boolean
  readonly control: 'commit' | 'abort' | undefined
  acknowledged: boolean
}

interface ModelLog {
  batches: ModelBatch[]
  startAsked: number
  startAcknowledged: number
  created: 'asked' | 'acknowledged'
  deleted: 'no' | 'asked' | 'acknowledged'
}

/** What the world outside knows: it survives every crash. */
export class Model {
  readonly logs = new Map<string, ModelLog>()
  #ids = 0
  #sequences = new Map<string, number>()
  #time = 1_000

  log(name: string): ModelLog {
    let log = this.logs.get(name)
    if (log === undefined) {
      log = { batches: [], startAsked: 0, startAcknowledged: 0, created: 'asked', deleted: 'no' }
      this.logs.set(name, log)
    }
    return log
  }

  /** Appends a batch of `count` records and remembers it; settles with its acknowledgement. */
  append(
    log: Log,
    count: number,
    o: { producerId?: number; transactional?: boolean; bytesEach?: number } = {},
  ): Promise<void> {
    const id = `batch-${++this.#ids}`
    const producerId = o.producerId ?? -1
    const key = `${log.name}/${producerId}`
    const sequence = this.#sequences.get(key) ?? 0
    this.#sequences.set(key, sequence + count)
    const timestamp = (this.#time += 7)
    const bytes = (): Uint8Array => {
      const builder = new BatchBuilder()
      for (let at = 0; at < count; at++) {
        builder.append(
          timestamp,
          utf8Bytes(`${id}.${at}`),
          new Uint8Array(o.bytesEach ?? 20).fill(at),
        )
      }
      if (producerId < 0) return builder.finish()
      return builder.finish({
        producerId,
        producerEpoch: 0,
        baseSequence: sequence,
        transactional: o.transactional ?? false,
      })
    }
    const transactional = o.transactional ?? false
    return this.#remember(log, { id, bytes, timestamp, producerId, transactional }, undefined)
  }

  /** Ends the producer's transaction in this log. */
  mark(log: Log, producerId: number, kind: 'commit' | 'abort'): Promise<void> {
    const timestamp = (this.#time += 7)
    const bytes = (): Uint8Array =>
      encodeControlBatch({ kind, producerId, producerEpoch: 0, coordinatorEpoch: 0, timestamp })
    const id = `marker-${++this.#ids}`
    return this.#remember(log, { id, bytes, timestamp, producerId, transactional: true }, kind)
  }

  #remember(
    log: Log,
    made: Pick<ModelBatch, 'id' | 'bytes' | 'timestamp' | 'producerId' | 'transactional'>,
    control: 'commit' | 'abort' | undefined,
  ): Promise<void> {
    const result = log.append(made.bytes())
    assert.equal(result.kind, 'appended')
    assert(result.kind === 'appended')
    const { baseOffset, lastOffset, durable } = result
    const batch: ModelBatch = {
      ...made,
      baseOffset,
      nextOffset: lastOffset + 1,
      control,
      acknowledged: false,
    }
    this.log(log.name).batches.push(batch)
    return durable.then(() => {
      batch.acknowledged = true
    })
  }

  /** Sends again what a crash took, in order, as idempotent producers do. */
  async resend(store: LogStore, lost: ReadonlyMap<string, readonly ModelBatch[]>): Promise<void> {
    const waiting: Promise<void>[] = []
    for (const [name, batches] of lost) {
      const log = store.get(name)
      if (log === undefined) continue
      for (const batch of batches) {
        waiting.push(this.#remember(log, batch, batch.control))
      }
    }
    await Promise.all(waiting)
  }
}

export async function openStore(disk: SimDisk, durability: Durability = 'disk'): Promise<LogStore> {
  return await LogStore.open({ disk, clock: simClock, directory, durability, ...limits })
}

/** Appends, transactions, rolls, checkpoints, deletes, a close and a start. Ends when the disk does. */
export async function runScript(
  disk: SimDisk,
  model: Model,
  durability: Durability = 'disk',
): Promise<void> {
  let store = await openStore(disk, durability)
  const flights = await createLog(store, model, 'flights-0.aaaa')
  const [delays, plain] = await Promise.all([
    createLog(store, model, 'delays-0.bbbb'),
    createLog(store, model, 'plain-0.cccc'),
  ])
  for (let round = 0; round < 5; round++) {
    await Promise.all([
      model.append(flights, 3, { producerId: 1 }),
      model.append(flights, 1, { producerId: 1 }),
      model.append(plain, 4),
      model.append(delays, 2, { producerId: 2, transactional: true, bytesEach: 60 }),
    ])
    const early = model.append(flights, 2, { producerId: 2, transactional: true })
    const kind = round % 2 === 0 ? 'commit' : 'abort'
    await Promise.all([early, model.mark(delays, 2, kind), model.mark(flights, 2, kind)])
    await store.drained()
  }
  await deleteBefore(plain, model, 9)
  const gone = await createLog(store, model, 'gone-0.dddd')
  await Promise.all([model.append(gone, 40), model.append(plain, 60)])
  model.log(gone.name).deleted = 'asked'
  await store.delete(gone.name)
  model.log(gone.name).deleted = 'acknowledged'
  await deleteBefore(plain, model, 30)
  await store.close()
  store = await openStore(disk, durability)
  assert.equal(store.recovered.clean, true)
  await checkStore(store, model, 'none')
  const again = store.get(flights.name)!
  await Promise.all([
    model.append(again, 5, { producerId: 1 }),
    model.append(again, 5, { producerId: 3, transactional: true }),
    model.append(store.get(delays.name)!, 50),
  ])
  await model.append(again, 2, { producerId: 1 })
  await store.close()
}

async function createLog(store: LogStore, model: Model, name: string): Promise<Log> {
  model.log(name)
  const log = await store.create(name)
  model.log(name).created = 'acknowledged'
  return log
}

async function deleteBefore(log: Log, model: Model, offset: number): Promise<void> {
  model.log(log.name).startAsked = offset
  await log.deleteBefore(offset)
  model.log(log.name).startAcknowledged = offset
}

/**
 * Compares a recovered store with the model and brings the model in line: batches that were lost
 * are returned for sending again. `tolerance` says what a power cut may take.
 */
export async function checkStore(
  store: LogStore,
  model: Model,
  tolerance: 'none' | 'unacknowledged' | 'any tail',
): Promise<Map<string, ModelBatch[]>> {
  const lost = new Map<string, ModelBatch[]>()
  for (const [name, expected] of model.logs) {
    const log = store.get(name)
    if (log === undefined) {
      const mayMiss = expected.deleted !== 'no' || expected.created === 'asked'
      assert(mayMiss || tolerance === 'any tail', `${name} is gone`)
      model.logs.delete(name)
      continue
    }
    assert.notEqual(expected.deleted, 'acknowledged', `${name} came back`)
    lost.set(name, await checkLog(log, expected, tolerance))
  }
  for (const name of store.names()) assert(model.logs.has(name), `${name} is unknown`)
  return lost
}

async function checkLog(
  log: Log,
  expected: ModelLog,
  tolerance: 'none' | 'unacknowledged' | 'any tail',
): Promise<ModelBatch[]> {
  assert.equal(log.highWatermark, log.endOffset)
  assert(log.startOffset <= expected.startAsked)
  if (tolerance !== 'any tail') assert(log.startOffset >= expected.startAcknowledged)
  const kept = expected.batches.filter((batch) => batch.nextOffset <= log.endOffset)
  const lost = expected.batches.slice(kept.length)
  assert.equal(log.endOffset, kept.at(-1)?.nextOffset ?? 0)
  if (tolerance === 'none') assert.equal(lost.length, 0)
  if (tolerance !== 'any tail') {
    const missing = lost.find((batch) => batch.acknowledged)
    assert.equal(missing, undefined, `${log.name}: ${missing?.id} was acknowledged and is lost`)
  }
  const readable = kept.filter((batch) => batch.nextOffset > log.startOffset)
  const found = await readAll(log)
  assert.deepEqual(
    found.map(idOf),
    readable.map(({ id, control }) => control ?? id),
  )
  for (const [at, bytes] of found.entries()) {
    assert.equal(checkBatch(bytes), undefined)
    assert.equal(readBatchHeader(bytes).baseOffset, readable[at]!.baseOffset)
  }
  checkTransactions(log, kept)
  checkDuplicates(log, kept)
  await checkTimes(log, readable)
  expected.batches = kept
  // What came back is durable now, acknowledged or not: it must never go again.
  for (const batch of kept) batch.acknowledged = true
  expected.startAsked = expected.startAcknowledged = log.startOffset
  return lost
}

export async function readAll(log: Log): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  let from = log.startOffset
  while (from < log.highWatermark) {
    const batches = await log.read(from, {
      maxBytes: 300,
      upTo: log.highWatermark,
      minOneBatch: true,
    })
    assert(batches.length > 0, `${log.name} stops at ${from}`)
    found.push(...batches)
    from = nextOffsetOf(readBatchHeader(batches.at(-1)!))
  }
  return found
}

/** The id a batch was made with; the kind of a marker. */
function idOf(bytes: Uint8Array): string {
  const key = decodeRecords(bytes)[0]!.key!
  if (key.length === 4) return key[3] === 1 ? 'commit' : 'abort'
  return utf8String(key).split('.')[0]!
}

/** Open and aborted transactions are those of a plain fold over the batches. */
function checkTransactions(log: Log, kept: readonly ModelBatch[]): void {
  const open = new Map<number, number>()
  const aborted: { producerId: number; firstOffset: number }[] = []
  for (const batch of kept) {
    if (!batch.transactional) continue
    if (batch.control === undefined) {
      if (!open.has(batch.producerId)) open.set(batch.producerId, batch.baseOffset)
      continue
    }
    const firstOffset = open.get(batch.producerId)
    open.delete(batch.producerId)
    if (firstOffset !== undefined && batch.control === 'abort') {
      if (batch.nextOffset > log.startOffset) {
        aborted.push({ producerId: batch.producerId, firstOffset })
      }
    }
  }
  const stable = Math.min(log.highWatermark, ...open.values())
  assert.equal(log.lastStableOffset, Math.max(log.startOffset, stable))
  assert.deepEqual(log.abortedBetween(log.startOffset, log.endOffset), aborted)
}

/** The last five batches of every producer are recognised when they are sent again. */
function checkDuplicates(log: Log, kept: readonly ModelBatch[]): void {
  const producers = new Set(kept.map((batch) => batch.producerId).filter((id) => id >= 0))
  for (const producerId of producers) {
    const sent = kept.filter((batch) => batch.producerId === producerId && !batch.control)
    for (const batch of sent.slice(-5)) {
      const end = log.endOffset
      const result = log.append(batch.bytes())
      assert.equal(result.kind, 'duplicate', `${log.name}: ${batch.id} was taken twice`)
      assert.equal(result.kind === 'duplicate' && result.baseOffset, batch.baseOffset)
      assert.equal(log.endOffset, end)
    }
  }
}

/** A search by time finds what a plain scan finds. */
async function checkTimes(log: Log, readable: readonly ModelBatch[]): Promise<void> {
  for (const wanted of [0, readable.at(readable.length >> 1)?.timestamp ?? 1, 1e9]) {
    const first = readable.find((batch) => batch.timestamp >= wanted)
    const found = await log.offsetForTimestamp(wanted)
    assert.equal(found?.offset, first && Math.max(first.baseOffset, log.startOffset))
  }
  const largest = Math.max(...readable.map((batch) => batch.timestamp))
  const first = readable.find((batch) => batch.timestamp === largest)
  const found = await log.maxTimestamp()
  assert.equal(found?.offset, first && Math.max(first.baseOffset, log.startOffset))
}

/** Time stands still but for turns of the microtask queue. */
const simClock: Clock = {
  now: () => 1_700_000_000_000,
  monotonic: () => 0,
  after: () => ({ cancel: () => undefined }),
  soon: (callback) => queueMicrotask(callback),
}
