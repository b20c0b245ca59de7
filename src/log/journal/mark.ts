/**
 * How far the journal is synced, beside the journal: what was acknowledged is proven by it when the end
 * of the journal is not there any more. It also says whose directory this is, a second time.
 *
 *   two slots of 512 bytes, one a sector:   at  size  field
 *                                            0     4  'HWS1'
 *                                            4     4  CRC-32C of bytes 8 to 512
 *                                            8     8  generation: the slot with the larger one counts
 *                                           16     8  journal file that is written to
 *                                           24     8  highest sequence known to be synced
 *                                           32     4  1 when every group is synced before it counts, or 0
 *                                           36     4  start of the journal's checksums
 *                                           40     4  size of the cluster id
 *                                           44        cluster id, then zeros
 *
 * A mark is written in place, soon after a sync and seldom, and not synced by itself: it survives the end
 * of the process at once, and a power cut when the system has brought it to the device. Either way it is
 * true, because it only ever says what had happened. Slots take turns, so one that was torn leaves the
 * one before.
 */
import { Reader, Writer } from '../../base/bytes.ts'
import { crc32c } from '../../base/checksum.ts'
import { assert } from '../../base/errors.ts'
import type { Clock, Disk, DiskFile, Timer } from '../../io/ports.ts'

/** How long a mark may lag behind the sync that it tells of. */
const markDelayMs = 10

const magic = 0x48575331
const checkedFrom = 8
const slotBytes = 512
const clusterIdBytesMax = 256

export interface SyncMark {
  readonly fileNumber: number
  readonly sequence: number
  /** False in durability `os` and `memory`: then groups count that a power cut may take. */
  readonly everyGroup: boolean
  readonly seed: number
  readonly clusterId: string
}

export interface FoundMark {
  /** Undefined when neither slot is whole. */
  readonly mark: SyncMark | undefined
  readonly generation: number
  /** Slots that are not as they were written: one was torn by a crash, or something damaged them. */
  readonly badSlots: number
}

/** What the file says; undefined when it is missing. */
export async function readMark(disk: Disk, path: string): Promise<FoundMark | undefined> {
  if (!(await disk.exists(path))) return undefined
  const file = await disk.open(path, 'read')
  try {
    const bytes = await file.read(0, 2 * slotBytes)
    const slots = [0, slotBytes].map((at) => decodeSlot(bytes.subarray(at, at + slotBytes)))
    const whole = slots.filter((slot) => slot !== undefined)
    const newest = whole.toSorted((a, b) => b.generation - a.generation)[0]
    const badSlots = slots.length - whole.length
    return { mark: newest?.mark, generation: newest?.generation ?? 0, badSlots }
  } finally {
    await file.close()
  }
}

/** Makes the file anew, both slots alike; its name is durable when the caller has synced the directory. */
export async function writeMark(disk: Disk, path: string, mark: SyncMark): Promise<void> {
  const file = await disk.open(path, 'create')
  try {
    await file.write([encodeSlot(0, mark), encodeSlot(1, mark)], 0)
    await file.sync()
  } finally {
    await file.close()
  }
}

export class JournalMark {
  readonly #file: DiskFile
  readonly #clock: Clock
  readonly #onFailure: (error: unknown) => void
  #mark: SyncMark
  #generation: number
  #timer: Timer | undefined
  #writing: Promise<void> = Promise.resolve()
  #closed = false

  private constructor(
    file: DiskFile,
    generation: number,
    mark: SyncMark,
    { clock, onFailure }: { clock: Clock; onFailure: (error: unknown) => void },
  ) {
    this.#file = file
    this.#clock = clock
    this.#onFailure = onFailure
    this.#generation = generation
    this.#mark = mark
  }

  /** Writes both slots anew, durably but for the file's name. @param generation what was found there */
  static async open(
    disk: Disk,
    path: string,
    mark: SyncMark,
    o: { generation: number; clock: Clock; onFailure: (error: unknown) => void },
  ): Promise<JournalMark> {
    const opened = new JournalMark(await disk.open(path, 'create'), o.generation, mark, o)
    // One after the other: a crash must find one that is whole.
    await opened.flush()
    await opened.flush()
    return opened
  }

  /** Every group up to `sequence` is on the device. */
  synced(fileNumber: number, sequence: number): void {
    this.#mark = { ...this.#mark, fileNumber, sequence }
    if (this.#timer !== undefined || this.#closed) return
    this.#timer = this.#clock.after(markDelayMs, () => {
      this.#timer = undefined
      if (!this.#closed) this.#inTurn(() => this.#write()).catch(this.#onFailure)
    })
  }

  /** Returns when the device has the newest mark. */
  flush(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#write()
      await this.#file.sync()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#writing
    await this.#file.close()
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(work)
    this.#writing = done.catch(() => undefined)
    return done
  }

  async #write(): Promise<void> {
    const generation = ++this.#generation
    await this.#file.write([encodeSlot(generation, this.#mark)], (generation % 2) * slotBytes)
  }
}

function encodeSlot(generation: number, mark: SyncMark): Uint8Array {
  const writer = new Writer(slotBytes)
  writer.int32(magic)
  writer.int32(0)
  writer.int64(generation)
  writer.int64(mark.fileNumber)
  writer.int64(mark.sequence)
  writer.int32(mark.everyGroup ? 1 : 0)
  writer.int32(mark.seed | 0)
  const size = writer.at
  writer.int32(0)
  writer.string(mark.clusterId)
  const clusterIdBytes = writer.at - size - 4
  assert(clusterIdBytes <= clusterIdBytesMax, 'a cluster id is longer than a mark can hold')
  writer.append(new Uint8Array(slotBytes - writer.at))
  writer.setInt32(size, clusterIdBytes)
  const bytes = writer.finish()
  writer.setInt32(4, crc32c(bytes, checkedFrom) | 0)
  return bytes
}

function decodeSlot(bytes: Uint8Array): { generation: number; mark: SyncMark } | undefined {
  if (bytes.length < slotBytes) return undefined
  const reader = new Reader(bytes)
  if (reader.int32() !== magic) return undefined
  if (reader.uint32() !== crc32c(bytes, checkedFrom)) return undefined
  const generation = reader.int64()
  const fileNumber = reader.int64()
  const sequence = reader.int64()
  const everyGroup = reader.int32() === 1
  const seed = reader.uint32()
  const clusterId = reader.string(reader.int32())
  return { generation, mark: { fileNumber, sequence, everyGroup, seed, clusterId } }
}
