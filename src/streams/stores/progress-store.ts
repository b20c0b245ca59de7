/**
 * How far in event time the parts of a task have come: of a windowed aggregation, what decides which of
 * its records are late and which windows are gone; of a rekey, what its records say about that further on.
 *
 * It is state like any other, in a changelog of the service's own: one row for each part, in the partition
 * of the task, written in the transaction that moved it.
 */
import { Writer, utf8Bytes, utf8String } from '../../base/bytes.ts'
import type { Emit } from './emit.ts'
import { plainCodec } from './plain.ts'
import type { RestorableStore, StoredRow } from './store.ts'

/** The event time of one part of a task, in milliseconds since 1970; -Infinity before any. */
export interface Progress {
  /** The greatest time among the records that came from streams outside the service. */
  time: number
  /** Everything up to here has been seen from everywhere: older windows have been dropped. */
  seen: number
}

interface Part extends Progress {
  readonly key: Uint8Array
  writtenTime: number
  writtenSeen: number
}

export class ProgressStore implements RestorableStore {
  readonly #topic: string
  readonly #parts = new Map<string, Part>()
  readonly #writer = new Writer(64)

  constructor(topic: string) {
    this.#topic = topic
  }

  /** The progress of a part, which whoever moves it changes in place. */
  of(name: string): Progress {
    return this.#part(name)
  }

  #part(name: string): Part {
    let part = this.#parts.get(name)
    if (part === undefined) {
      const none = -Infinity
      const key = utf8Bytes(name)
      part = { key, time: none, seen: none, writtenTime: none, writtenSeen: none }
      this.#parts.set(name, part)
    }
    return part
  }

  /** Writes what has moved since it was last written. */
  write(emit: Emit, partition: number): void {
    for (const part of this.#parts.values()) {
      const { key, time, seen } = part
      if (time === part.writtenTime && seen === part.writtenSeen) continue
      this.#writer.at = 0
      plainCodec.encode({ time, seen }, this.#writer)
      const value = this.#writer.bytes.subarray(0, this.#writer.at)
      emit.append(this.#topic, partition, Math.max(0, time, seen), key, value)
      part.writtenTime = time
      part.writtenSeen = seen
    }
  }

  restore({ bytes, keyStart, keyEnd, valueStart, valueEnd }: StoredRow): void {
    const part = this.#part(utf8String(bytes.subarray(keyStart, keyEnd)))
    const { time, seen } = plainCodec.decode(bytes, valueStart, valueEnd) as Progress
    part.time = part.writtenTime = time
    part.seen = part.writtenSeen = seen
  }

  committed(): void {}
}
