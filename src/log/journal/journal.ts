/**
 * The shared journal: everything the logs of a store take in, in one file, group by group.
 *
 * While one group is being written and synced the next one gathers, and leaves as soon as the disk is
 * free: no fixed window, so a lone producer waits for one sync and a thousand share it. All appends of
 * a group share one promise. At most one group is in flight, so a group is only ever on the disk when
 * all before it are synced (durability `disk`); recovery relies on this to tell a torn end from damage.
 *
 * After a failed write or sync what is on the disk is unknown: the journal fails for good and is never
 * synced again, since a second sync may succeed with the bytes gone.
 */
import type { Writer } from '../../base/bytes.ts'
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Clock, Disk, DiskFile } from '../../io/ports.ts'
import { forGood } from '../for-good.ts'
import {
  beginGroup,
  encodeJournalHeader,
  finishGroup,
  journalFileName,
  journalFileNumber,
  journalHeaderBytes,
  writeEntry,
  type JournalEntry,
} from './format.ts'

/** Payload bytes of a group; more start the next one, which bounds how long an append waits. */
const groupPayloadBytesMax = 8 * 1024 * 1024

/** `Target` is whose batches the journal holds. */
export interface JournalOptions<Target> {
  readonly disk: Disk
  readonly clock: Clock
  readonly directory: string
  /** Whether every group is synced before its waiters go on. */
  readonly sync: boolean
  /** Start of every checksum. */
  readonly seed: number
  /** Called when a group is through, before its waiters hear: everything of each target before its offset
   * is in the journal. */
  readonly onGroup: (ends: ReadonlyMap<Target, number>) => void
  readonly onFailure: (error: HeadwaterError) => void
  /** Called when every group up to `sequence` is on the device. */
  readonly onSynced: (fileNumber: number, sequence: number) => void
}

/** Where a journal goes on: behind the last whole group of a file. */
export interface JournalPosition {
  readonly fileNumber: number
  readonly sizeBytes: number
  readonly nextSequence: number
}

interface Group<Target> {
  readonly table: Writer
  readonly payloads: Uint8Array[]
  /** The offset after the last batch of each target. */
  readonly ends: Map<Target, number>
  payloadBytes: number
  mustSync: boolean
  readonly done: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: HeadwaterError) => void
}

interface Rotation {
  readonly capture: () => void
  readonly resolve: (position: JournalPosition) => void
  readonly reject: (error: HeadwaterError) => void
}

const nothing: Promise<void> = Promise.resolve()

export class Journal<Target> {
  readonly #options: JournalOptions<Target>
  #file: DiskFile
  #fileNumber: number
  #sizeBytes: number
  #nextSequence: number
  #syncedSequence: number
  #groups: Group<Target>[] = []
  #rotation: Rotation | undefined
  #running = false
  /** Settles when what was begun has ended. */
  #over: Promise<void> = nothing
  #queuedBytes = 0
  #last: Promise<void> = nothing
  #failure: HeadwaterError | undefined

  private constructor(options: JournalOptions<Target>, file: DiskFile, position: JournalPosition) {
    this.#options = options
    this.#file = file
    this.#fileNumber = position.fileNumber
    this.#sizeBytes = position.sizeBytes
    this.#nextSequence = position.nextSequence
    this.#syncedSequence = position.nextSequence - 1
  }

  /**
   * Goes on behind the last whole group; what stands behind it must be gone already. A position of 0
   * is a file that a crash left without its header.
   */
  static async resume<Target>(
    options: JournalOptions<Target>,
    position: JournalPosition,
  ): Promise<Journal<Target>> {
    if (position.sizeBytes === 0) {
      const file = await createFile(options, position.fileNumber, position.nextSequence)
      return new Journal(options, file, { ...position, sizeBytes: journalHeaderBytes })
    }
    const path = `${options.directory}/${journalFileName(position.fileNumber)}`
    return new Journal(options, await options.disk.open(path, 'write'), position)
  }

  /** Bytes of the file that is written to. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Bytes accepted and not yet in the file. */
  get queuedBytes(): number {
    return this.#queuedBytes
  }

  get position(): JournalPosition {
    return {
      fileNumber: this.#fileNumber,
      sizeBytes: this.#sizeBytes,
      nextSequence: this.#nextSequence,
    }
  }

  /**
   * Queues an entry; the promise is its group's and settles when that is durable or never will be.
   * Only batches have a target; what has none is synced in every mode, since files come and go by it.
   */
  append(entry: JournalEntry, payload?: Uint8Array, target?: Target): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    let group = this.#groups.at(-1)
    if (group === undefined || group.payloadBytes >= groupPayloadBytesMax) {
      group = newGroup<Target>()
      this.#groups.push(group)
      this.#last = group.done
    }
    writeEntry(group.table, entry)
    if (payload !== undefined) {
      group.payloads.push(payload)
      group.payloadBytes += payload.length
      this.#queuedBytes += payload.length
    }
    if (target === undefined) {
      group.mustSync = true
    } else {
      group.ends.set(target, entry.offset + entry.lastOffsetDelta + 1)
    }
    this.#start()
    return group.done
  }

  /** Settles with the last group that is queued now. */
  settled(): Promise<void> {
    return this.#failure === undefined ? this.#last : Promise.reject(this.#failure)
  }

  /**
   * Begins a new file between two groups and calls `capture` at that moment, when every earlier group
   * is on the disk and none of the later ones is.
   */
  rotate(capture: () => void): Promise<JournalPosition> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#rotation = { capture, resolve, reject }
      this.#start()
    })
  }

  /** Removes the files before `fileNumber`. Their names may come back after a crash; recovery knows. */
  async dropBefore(fileNumber: number): Promise<void> {
    const { disk, directory } = this.#options
    for (const name of await disk.list(directory)) {
      if ((journalFileNumber(name) ?? fileNumber) < fileNumber) {
        await disk.remove(`${directory}/${name}`)
      }
    }
  }

  /** Returns when every group written so far is on the device, whatever the mode. */
  async sync(): Promise<void> {
    if (!this.#options.sync) await this.#sync()
  }

  /** Once nothing is under way: the next store must not find the end of a rotation in its own files. */
  async close(): Promise<void> {
    await this.#over
    await this.#file.close()
  }

  /** Refuses everything from now on; waiters are told. */
  fail(error: HeadwaterError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    const groups = this.#groups
    this.#groups = []
    this.#queuedBytes = 0
    for (const group of groups) group.reject(error)
    this.#rotation?.reject(error)
    this.#rotation = undefined
    this.#options.onFailure(error)
  }

  #start(): void {
    if (this.#running) return
    this.#running = true
    this.#over = new Promise((resolve) => {
      this.#options.clock.soon(() => void this.#run().then(resolve))
    })
  }

  async #run(): Promise<void> {
    let group: Group<Target> | undefined
    try {
      while (this.#failure === undefined) {
        if (this.#rotation !== undefined) await this.#rotateNow(this.#rotation)
        group = this.#groups.shift()
        if (group === undefined) break
        await this.#write(group)
        group = undefined
      }
    } catch (error) {
      const failure = isHeadwaterError(error) ? error : brokenJournal(error)
      group?.reject(failure)
      this.fail(failure)
    }
    this.#running = false
  }

  async #write(group: Group<Target>): Promise<void> {
    const sequence = this.#nextSequence++
    const table = finishGroup(
      group.table,
      {
        sequence,
        syncedSequence: this.#syncedSequence,
        appendedAt: this.#options.clock.now(),
        payloadBytes: group.payloadBytes,
      },
      this.#options.seed,
    )
    await this.#file.write([table, ...group.payloads], this.#sizeBytes)
    this.#sizeBytes += table.length + group.payloadBytes
    if (this.#options.sync || group.mustSync) {
      await this.#sync()
      this.#syncedSequence = sequence
      this.#options.onSynced(this.#fileNumber, sequence)
    }
    this.#queuedBytes -= group.payloadBytes
    this.#options.onGroup(group.ends)
    group.resolve()
  }

  #sync(): Promise<void> {
    return forGood(this.#options.directory, () => this.#file.sync())
  }

  async #rotateNow(rotation: Rotation): Promise<void> {
    if (!this.#options.sync) await this.#sync()
    this.#syncedSequence = this.#nextSequence - 1
    const next = await createFile(this.#options, this.#fileNumber + 1, this.#nextSequence)
    await this.#file.close()
    this.#file = next
    this.#fileNumber++
    this.#sizeBytes = journalHeaderBytes
    this.#rotation = undefined
    this.#options.onSynced(this.#fileNumber, this.#syncedSequence)
    // Segment writing may have failed meanwhile, and then the rotation was refused already.
    if (this.#failure !== undefined) return
    rotation.capture()
    rotation.resolve(this.position)
  }
}

function newGroup<Target>(): Group<Target> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // A producer that asked for no acknowledgement does not listen, and that is no unhandled failure.
  promise.catch(() => undefined)
  return {
    table: beginGroup(),
    payloads: [],
    ends: new Map(),
    payloadBytes: 0,
    mustSync: false,
    done: promise,
    resolve,
    reject,
  }
}

async function createFile(
  { disk, directory, seed }: Pick<JournalOptions<never>, 'disk' | 'directory' | 'seed'>,
  fileNumber: number,
  nextSequence: number,
): Promise<DiskFile> {
  const path = `${directory}/${journalFileName(fileNumber)}`
  const file = await disk.open(path, 'create')
  await file.truncate(0)
  await file.write([encodeJournalHeader(fileNumber, nextSequence, seed)], 0)
  await file.sync()
  await disk.syncDirectory(directory)
  return file
}

function brokenJournal(cause: unknown): HeadwaterError {
  return new HeadwaterError(
    'disk-failed',
    'the journal could not be written: see the cause, and start again when it is removed',
    { cause },
  )
}
