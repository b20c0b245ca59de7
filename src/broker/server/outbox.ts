/**
 * Answers on their way to one client, in order, a piece at a time: so it is seen whether the client reads,
 * and what it has read is given back. While it does not read, nothing more is written, and after
 * `stallMsMax` it is given up; sooner when others wait for the memory.
 */
import type { Clock, Duplex, Timer } from '../../io/ports.ts'
import type { MemoryPool } from '../memory.ts'
import type { Traffic } from './traffic.ts'

/** Bytes handed to the connection at a time. */
const pieceBytesMax = 256 * 1024

export interface OutboxOptions {
  readonly duplex: Duplex
  readonly memory: MemoryPool
  readonly clock: Clock
  readonly stallMsMax: number
  readonly traffic: Traffic
  /** Everything has gone out that had to wait. */
  readonly onDrained: () => void
  readonly onStalled: (reason: string) => void
}

export class Outbox {
  readonly #o: OutboxOptions
  /** Chunks not handed over yet. */
  #chunks: Uint8Array[] = []
  /** Of these and of the piece under way. */
  #bytes = 0
  #draining = false
  #closed = false

  constructor(options: OutboxOptions) {
    this.#o = options
  }

  /** The client has not read what it was sent. */
  get isDraining(): boolean {
    return this.#draining
  }

  /** Sends chunks of `bytes` in all that are counted in the memory already; they are given back as they go. */
  send(chunks: readonly Uint8Array[], bytes: number): void {
    this.#bytes += bytes
    this.#o.traffic.sent(bytes)
    for (const chunk of chunks) this.#chunks.push(chunk)
    if (!this.#draining) this.#write()
  }

  /** Hands everything over, for a close in good order. */
  flush(): void {
    if (this.#chunks.length > 0) this.#o.duplex.write(this.#chunks)
    this.close()
  }

  close(): void {
    this.#closed = true
    this.#chunks = []
    this.#o.memory.release(this)
    this.#o.memory.free(this.#bytes)
    this.#bytes = 0
  }

  giveUp(): void {
    this.#o.onStalled(
      'it left its answers unread while others waited for memory: let it read what it asks for, or raise memoryBytesMax',
    )
  }

  #write(): void {
    const { duplex, memory } = this.#o
    while (this.#chunks.length > 0) {
      const piece = this.#nextPiece()
      const bytes = sizeOf(piece)
      if (!duplex.write(piece)) return this.#drain(bytes)
      this.#bytes -= bytes
      memory.free(bytes)
    }
  }

  #drain(bytes: number): void {
    const { duplex, memory, clock, stallMsMax } = this.#o
    this.#draining = true
    memory.keep(this)
    const stalled: Timer = clock.after(stallMsMax, () => {
      this.#o.onStalled(
        `the client left its answers unread for ${stallMsMax} ms: let it read what it asks for`,
      )
    })
    void duplex.drained().then(() => {
      stalled.cancel()
      if (this.#closed) return
      this.#draining = false
      memory.release(this)
      this.#bytes -= bytes
      memory.free(bytes)
      this.#write()
      if (!this.#draining) this.#o.onDrained()
    })
  }

  #nextPiece(): Uint8Array[] {
    const chunks = this.#chunks
    const total = this.#bytes
    if (total <= pieceBytesMax) {
      this.#chunks = []
      return chunks
    }
    const piece: Uint8Array[] = []
    let left = pieceBytesMax
    let at = 0
    while (at < chunks.length && left > 0) {
      const chunk = chunks[at]!
      piece.push(chunk.subarray(0, left))
      if (chunk.length > left) chunks[at] = chunk.subarray(left)
      else at++
      left -= Math.min(left, chunk.length)
    }
    chunks.splice(0, at)
    return piece
  }
}

function sizeOf(chunks: readonly Uint8Array[]): number {
  let bytes = 0
  for (const { length } of chunks) bytes += length
  return bytes
}
