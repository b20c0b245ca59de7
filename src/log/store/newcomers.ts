/**
 * Batches that came since the last group, and the requests they came in.
 *
 * A batch is a view of its request, and the whole request lives as long as it does. Where most of a request
 * was kept, that costs nothing; where little was (the rest was refused, or was something else), its batches
 * are copied out of it before they are kept for long.
 */
import type { Log } from '../log.ts'

/** The part of a request that must have been kept for its batches to stay where they are. */
const keptShareMin = 3 / 4

export class Newcomers {
  #batches: { readonly log: Log; readonly baseOffset: number; readonly bytes: Uint8Array }[] = []

  note(log: Log, bytes: Uint8Array, baseOffset: number): void {
    this.#batches.push({ log, baseOffset, bytes })
  }

  compact(): void {
    const batches = this.#batches
    if (batches.length === 0) return
    this.#batches = []
    const keptBytes = new Map<ArrayBufferLike, number>()
    for (const { bytes } of batches) {
      keptBytes.set(bytes.buffer, (keptBytes.get(bytes.buffer) ?? 0) + bytes.length)
    }
    for (const { log, baseOffset, bytes } of batches) {
      const { buffer } = bytes
      if (keptBytes.get(buffer)! < keptShareMin * buffer.byteLength) log.compact(baseOffset)
    }
  }
}
