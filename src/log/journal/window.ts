/** A journal file read through a moving window, and where a group stands in it. */
import type { Disk, DiskFile } from '../../io/ports.ts'
import { groupHeaderBytes, groupTableBytes } from './format.ts'

/** Bytes read at a time, unless a group is larger. */
const windowBytes = 1024 * 1024

export class FileWindow {
  readonly path: string
  readonly sizeBytes: number
  readonly #file: DiskFile
  #bytes: Uint8Array = new Uint8Array(0)
  #start = 0

  private constructor(path: string, file: DiskFile, sizeBytes: number) {
    this.path = path
    this.#file = file
    this.sizeBytes = sizeBytes
  }

  static async open(disk: Disk, path: string): Promise<FileWindow> {
    const file = await disk.open(path, 'read')
    return new FileWindow(path, file, await file.size())
  }

  /** At least `count` bytes from `position` on; undefined when the file ends before. */
  async have(position: number, count: number): Promise<Uint8Array | undefined> {
    if (position + count > this.sizeBytes) return undefined
    if (position < this.#start || position + count > this.#start + this.#bytes.length) {
      this.#bytes = await this.#file.read(position, Math.max(count, windowBytes))
      this.#start = position
    }
    return this.#bytes.subarray(position - this.#start)
  }

  /** A group's header and entries, by the count in its header; undefined when the file ends before. */
  async table(position: number): Promise<Uint8Array | undefined> {
    const header = await this.have(position, groupHeaderBytes)
    const tableBytes = header && groupTableBytes(header, 0)
    return tableBytes === undefined ? undefined : await this.have(position, tableBytes)
  }

  async rest(position: number): Promise<Uint8Array> {
    return await this.#file.read(position, this.sizeBytes - position)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}
