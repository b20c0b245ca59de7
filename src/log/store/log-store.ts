/**
 * All logs of one data directory behind one shared journal.
 *
 *   append → memory → journal, synced by groups → acknowledged, visible
 *                   ↘ segment files, behind, in large writes, synced by checkpoints → old journal goes
 *
 * The journal makes an append durable; segment files make it cheap to keep and to read. A checkpoint
 * syncs the segments of the logs that have most to write, carries what the others have, writes down how far
 * segments reach and what the logs know, and lets the journal files before it go, so a restart replays a
 * bounded journal and scans nothing.
 *
 * After the first failed write or sync the store takes nothing more (fail-stop): what was acknowledged
 * is safe and readable, and a new start recovers it. A full disk is no failure while there is a reserve
 * (`reserve.ts`).
 */
import { crc32c } from '../../base/checksum.ts'
import { assert, isHeadwaterError, type HeadwaterError } from '../../base/errors.ts'
import type { BatchHeader } from '../../records/batch.ts'
import { Announcer } from './announcer.ts'
import { encodeIdentity } from './checkpoint.ts'
import { openStoreDirectory, writeCleanMarker, type StoreDirectory } from './directory.ts'
import type { LogConfig } from '../identity.ts'
import { EntryKind, type JournalEntry } from '../journal/format.ts'
import { Journal } from '../journal/journal.ts'
import type { JournalMark } from '../journal/mark.ts'
import type { Log, LogHost } from '../log.ts'
import { storeDefaults, type Durability, type LogStoreOptions, type Settings } from './options.ts'
import { meansOf, type Means } from './means.ts'
import { recoveredOf, recoverLogs, type Recovered } from './recovery.ts'
import { makeLog, type LogFactory } from './replay.ts'
import { closedError, unexpectedError } from './refusals.ts'
import { Removals } from './removals.ts'
import { producerIdleMsMax, takeCheckpoint } from './take-checkpoint.ts'
import { WriteBehind } from './write-behind.ts'

export class LogStore {
  readonly clusterId: string
  readonly durability: Durability
  readonly #settings: Settings
  readonly #directory: StoreDirectory
  readonly #means: Means
  readonly #factory: LogFactory
  readonly #removals: Removals
  readonly #writeBehind: WriteBehind
  #journal!: Journal<Log>
  #mark!: JournalMark
  #recovered!: Recovered
  #logs = new Map<string, Log>()
  #nextLogNumber = 0
  #leaderEpoch = 0
  #closing: Promise<void> | undefined
  #failure: HeadwaterError | undefined
  readonly #announcer: Announcer
  #checkpointing: Promise<void> | undefined

  /**
   * Takes the directory and brings its logs back. Refuses with `data-dir-locked`, `data-dir-version`,
   * `data-corrupt`, `disk-full` or `disk-failed`; what was acknowledged survives every refusal.
   */
  static async open(options: LogStoreOptions): Promise<LogStore> {
    const given: Settings = { ...storeDefaults, ...options }
    const startedAt = given.clock.monotonic()
    let store: LogStore | undefined
    const means = meansOf(given, {
      roomChanged: (error) => store !== undefined && store.#roomChanged(error),
      failed: (error) => store !== undefined && store.#fail(error),
    })
    const held = await openStoreDirectory(means.roomy, given.directory, given.clusterId)
    try {
      await means.reserve.find()
      store = new LogStore(given, means, held)
      await store.#recover(startedAt)
      return store
    } catch (error) {
      if (store !== undefined) await store.#abandon()
      await means.reserve.close()
      await held.release()
      throw error
    }
  }

  private constructor(settings: Settings, means: Means, directory: StoreDirectory) {
    const { disk, pool, reserve } = means
    this.#settings = { ...settings, disk }
    this.#means = means
    this.#directory = directory
    this.clusterId = directory.clusterId
    this.durability = settings.durability
    this.#removals = new Removals(disk, directory.logsPath, (error) => this.#fail(error))
    this.#announcer = new Announcer(settings.clock)
    this.#writeBehind = new WriteBehind(settings, {
      queuedBytes: () => this.#journal.queuedBytes,
      onFailure: (error) => this.#fail(error),
      onFull: (error) => reserve.tell(error),
    })
    this.#factory = {
      files: {
        disk,
        pool,
        onFailure: (error) => this.#fail(error),
        indexIntervalBytes: settings.indexIntervalBytes,
      },
      host: this.#host(),
      segmentBytes: settings.segmentBytes,
      logsPath: directory.logsPath,
    }
  }

  get recovered(): Recovered {
    return this.#recovered
  }

  names(): string[] {
    return [...this.#logs.keys()]
  }

  get(name: string): Log | undefined {
    return this.#logs.get(name)
  }

  /** Bytes accepted that are not yet in segment files, and so held in memory. */
  get backlogBytes(): number {
    return this.#writeBehind.backlogBytes
  }

  /** True when the disk does not keep up: wait for `drained` before more is appended. */
  get congested(): boolean {
    return this.#writeBehind.congested
  }

  /** Why the store takes nothing more, once it does not. */
  get failure(): HeadwaterError | undefined {
    return this.#failure
  }

  /** Why nothing new should be appended, while the disk is full: what makes room still can be. */
  get full(): HeadwaterError | undefined {
    return this.#means.reserve.full
  }

  /** Resolves when the store is not congested, or takes nothing more anyway. */
  drained(): Promise<void> {
    return this.#failure === undefined ? this.#writeBehind.drained() : Promise.resolve()
  }

  /** Makes a log; it is there after a restart when this resolves. A name must not be in use. */
  async create(name: string, config: LogConfig = {}): Promise<Log> {
    this.#assertWritable()
    assert(/^[A-Za-z0-9._-]+$/.test(name) && !/^\.+$/.test(name), `${name} cannot name a log`)
    const vacated = this.#removals.vacated(this.#pathOf(name))
    if (vacated !== undefined) await vacated.then(() => this.#assertWritable())
    assert(!this.#logs.has(name), `the log ${name} exists`)
    const number = this.#nextLogNumber++
    const log = makeLog(this.#factory, { name, number, config })
    this.#logs.set(name, log)
    if (config.volatile !== true) {
      await this.#note(EntryKind.create, number, 0, encodeIdentity(name, config))
    }
    return log
  }

  /** Removes a log; it is gone after a restart when this resolves. Its files go behind everything else. */
  async delete(name: string): Promise<void> {
    this.#assertWritable()
    const log = this.#logs.get(name)
    if (log === undefined) return
    this.#logs.delete(name)
    log.markDeleted()
    this.#writeBehind.forget(log)
    if (log.config.volatile === true) return
    const { directory } = log.segments
    this.#removals.expect(directory)
    await this.#note(EntryKind.delete, log.number, 0)
    void this.#writeBehind
      .inLane(() => this.#removals.retire(log.segments))
      .then(() => this.#removals.pending(directory))
      .then(() => this.#removed())
      .catch((error: unknown) => this.#fail(error))
  }

  /** Stores everything, says so in the clean marker and gives the directory back. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #recover(startedAt: number): Promise<void> {
    const { clock, durability, journalBytes, onDamage } = this.#settings
    const { mark, seed } = this.#directory
    const found = await recoverLogs(this.#factory, this.#removals, this.#directory, onDamage)
    this.#logs = found.logs
    this.#nextLogNumber = found.nextLogNumber
    this.#leaderEpoch = found.leaderEpoch
    for (const log of this.#logs.values()) {
      // What passed before this start is told by the wall clock as it is now, not as it may be set later.
      log.expireProducers(producerIdleMsMax)
      if (log.unwrittenBytes === 0) continue
      this.#writeBehind.accepted(log.unwrittenBytes)
      this.#writeBehind.journaled(log)
    }
    const options = {
      disk: this.#means.roomy,
      clock,
      directory: this.#directory.journalPath,
      sync: durability === 'disk',
      seed,
      onGroup: (ends: ReadonlyMap<Log, number>) => this.#onGroup(ends),
      onFailure: (error: HeadwaterError) => this.#fail(error),
      onSynced: (fileNumber: number, sequence: number) => this.#mark.synced(fileNumber, sequence),
    }
    this.#journal = await Journal.resume(options, found.end.position)
    this.#mark = await this.#directory.settle(this.#journal.position, {
      everyGroup: options.sync,
      clock,
      onFailure: (error) => this.#fail(error),
    })
    const clean = this.#directory.cleanSequence !== undefined
    const mayLack = found.end.tornBytes > 0 || found.end.lagging || mark?.mark?.everyGroup === false
    if (onDamage !== undefined || (!clean && mayLack)) {
      // Someone may have seen bytes that are gone: clients must compare their positions anew (KIP-320).
      await this.#note(EntryKind.epoch, 0, this.#leaderEpoch + 1)
      this.#leaderEpoch++
    }
    // What is removed meanwhile may have found that the disk fails.
    this.#assertWritable()
    const milliseconds = Math.round(clock.monotonic() - startedAt)
    this.#recovered = recoveredOf(found, { clean, milliseconds }, this.#directory.findings)
    if (this.full === undefined) this.#writeBehind.poke()
    else this.#writeBehind.pause()
    if (found.end.totalBytes >= journalBytes) this.#startCheckpoint()
    this.#means.reserve.opened()
  }

  /** What holds descriptors when an opening fails. */
  async #abandon(): Promise<void> {
    await this.#removals.stop()
    await this.#means.pool.closeAll()
    await (this.#journal as Journal<Log> | undefined)?.close()
    await (this.#mark as JournalMark | undefined)?.close()
  }

  #roomChanged(error: HeadwaterError | undefined): void {
    if (error !== undefined) return this.#writeBehind.pause()
    this.#writeBehind.resume()
  }

  #host(): LogHost {
    const { clock } = this.#settings
    return {
      leaderEpoch: () => this.#leaderEpoch,
      acceptedIsDurable: this.#settings.durability === 'memory',
      now: () => ({ monotonicMs: clock.monotonic(), wallMs: clock.now() }),
      nextTurn: () => new Promise((resolve) => clock.soon(resolve)),
      assertWritable: () => this.#assertWritable(),
      submit: (log, batch, header, baseOffset) => this.#submit(log, batch, header, baseOffset),
      settled: () => this.#journal.settled(),
      advanced: (log) => this.#announcer.note(log),
      written: (...stretch) => this.#writeBehind.written(...stretch),
      submitStart: (log, offset) => this.#submitStart(log, offset),
    }
  }

  #submit(log: Log, batch: Uint8Array, header: BatchHeader, baseOffset: number): Promise<void> {
    this.#writeBehind.took(log, batch, baseOffset)
    const entry: JournalEntry = {
      kind: EntryKind.batch,
      logNumber: log.number,
      sizeBytes: batch.length,
      checksum: header.crc,
      offset: baseOffset,
      leaderEpoch: this.#leaderEpoch,
      lastOffsetDelta: header.lastOffsetDelta,
    }
    return this.#journal.append(entry, batch, log)
  }

  async #submitStart(log: Log, offset: number): Promise<void> {
    await this.#note(EntryKind.start, log.number, offset)
    await this.#writeBehind.inLane(async () => {
      if (!log.isDeleted) await log.segments.dropBefore(log.startOffset)
    })
    this.#removed()
  }

  /** Puts something other than a batch into the journal. */
  async #note(
    kind: EntryKind,
    logNumber: number,
    offset: number,
    payload: Uint8Array = new Uint8Array(0),
  ): Promise<void> {
    const covers = { sizeBytes: payload.length, checksum: crc32c(payload) }
    const entry = { kind, logNumber, offset, ...covers, leaderEpoch: 0, lastOffsetDelta: 0 }
    await this.#journal.append(entry, payload)
  }

  /** A group of the journal is through: first all its logs move on, then their listeners hear of it. */
  #onGroup(ends: ReadonlyMap<Log, number>): void {
    for (const [log, nextOffset] of ends) {
      log.journaled(nextOffset)
      if (!log.isDeleted) this.#writeBehind.journaled(log)
    }
    for (const log of ends.keys()) if (!log.isDeleted) log.tellListeners()
    this.#writeBehind.poke()
    if (this.#journal.sizeBytes >= this.#settings.journalBytes) this.#startCheckpoint()
  }

  /** What was removed may still stand in the journal, so a full disk gets its room from a checkpoint. */
  #removed(): void {
    if (this.full !== undefined) this.#startCheckpoint({ whenFull: true })
  }

  #startCheckpoint({ whenFull = false } = {}): void {
    if (this.#checkpointing !== undefined || this.#closing !== undefined) return
    if (this.full !== undefined && !whenFull) return
    this.#checkpointing = this.#checkpoint()
      .catch((error: unknown) => {
        if (isHeadwaterError(error, 'disk-full')) this.#means.reserve.tell(error)
        else this.#fail(error)
      })
      .finally(() => {
        this.#checkpointing = undefined
        this.#means.reserve.poke()
      })
  }

  #checkpoint(): Promise<void> {
    return takeCheckpoint({
      disk: this.#settings.disk,
      path: this.#directory.path,
      journal: this.#journal,
      writeBehind: this.#writeBehind,
      mark: this.#mark,
      carriesAll: this.full !== undefined,
      check: () => this.#directory.check(),
      capture: () => ({
        nextLogNumber: this.#nextLogNumber,
        leaderEpoch: this.#leaderEpoch,
        logs: [...this.#logs.values()].filter(({ config }) => config.volatile !== true),
      }),
    })
  }

  async #close(): Promise<void> {
    this.#writeBehind.end()
    const removed = this.#removals.stop()
    await this.#means.reserve.close()
    try {
      await this.#checkpointing
      // A full disk is found as after a crash: the journal has everything.
      if (this.#failure === undefined && this.full === undefined) {
        await this.#checkpoint()
        await this.#removals.durable(removed)
        const { nextSequence } = this.#journal.position
        await writeCleanMarker(this.#settings.disk, this.#directory.path, nextSequence)
      }
    } catch (error) {
      if (isHeadwaterError(error, 'disk-full')) this.#means.reserve.tell(error)
      else this.#fail(error)
    }
    this.#failure ??= closedError()
    this.#journal.fail(this.#failure)
    this.#writeBehind.release()
    await this.#writeBehind.idle()
    await removed
    await this.#means.pool.closeAll()
    await this.#journal.close()
    await this.#mark.close()
    await this.#directory.release()
  }

  /** Where the files of a log with a name that is not too long are. */
  #pathOf(name: string): string {
    return `${this.#directory.logsPath}/${name}`
  }

  /** Waits until the files of the last log of that name are gone for good. */
  #assertWritable(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closing !== undefined) throw closedError()
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = isHeadwaterError(error) ? error : unexpectedError(error)
    void this.#removals.stop()
    // An opening ends with it, and there may be no journal yet.
    if (this.#recovered === undefined) return
    this.#journal.fail(this.#failure)
    this.#writeBehind.release()
    this.#settings.onFailure?.(this.#failure)
  }
}
