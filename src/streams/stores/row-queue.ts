/**
 * Rows in the order they came, as bytes outside the heap: what is written once, looked up by number, and leaves
 * from the front.
 *
 * Rows lie one after the other in chunks, which go as a whole when their last row has gone.
 */

/** A row that is larger has a chunk of its own. */
const chunkBytes = 64 * 1024

/** A row where it lies, as ranges of `bytes`; good until the row is taken from the queue. */
export interface QueuedRow {
  readonly time: number
  readonly bytes: Uint8Array
  readonly keyStart: number
  /** Where the value begins. */
  readonly keyEnd: number
  readonly valueEnd: number
}

/** Columns have a number for each row. */
interface Chunk {
  /** The number of its first row. */
  readonly first: number
  readonly bytes: Uint8Array
  readonly times: number[]
  readonly keyStarts: number[]
  readonly keyEnds: number[]
  /** Where its last row ends. */
  end: number
}

export class RowQueue {
  readonly #chunks: Chunk[] = []
  #first = 0
  #end = 0

  /** The number of the oldest row; that of the next one when there is none. */
  get first(): number {
    return this.#first
  }

  /** The number that the next row will have. */
  get end(): number {
    return this.#end
  }

  /** Adds a copy. */
  push(time: number, key: Uint8Array, value: Uint8Array): void {
    const size = key.length + value.length
    let chunk = this.#chunks.at(-1)
    if (chunk === undefined || chunk.bytes.length - chunk.end < size) {
      const bytes = new Uint8Array(Math.max(chunkBytes, size))
      chunk = { first: this.#end, bytes, times: [], keyStarts: [], keyEnds: [], end: 0 }
      this.#chunks.push(chunk)
    }
    const { bytes, end } = chunk
    bytes.set(key, end)
    bytes.set(value, end + key.length)
    chunk.times.push(time)
    chunk.keyStarts.push(end)
    chunk.keyEnds.push(end + key.length)
    chunk.end = end + size
    this.#end++
  }

  /** The row of a number from `first` to before `end`. */
  at(number: number): QueuedRow {
    const { first, bytes, times, keyStarts, keyEnds, end } = this.#chunkOf(number)
    const i = number - first
    const valueEnd = keyStarts[i + 1] ?? end
    return { time: times[i]!, bytes, keyStart: keyStarts[i]!, keyEnd: keyEnds[i]!, valueEnd }
  }

  #chunkOf(number: number): Chunk {
    const chunks = this.#chunks
    let low = 0
    for (let high = chunks.length - 1; low < high;) {
      const middle = (low + high + 1) >> 1
      if (chunks[middle]!.first <= number) low = middle
      else high = middle - 1
    }
    return chunks[low]!
  }

  /** Takes away the oldest row, which must be there. */
  shift(): void {
    const { first, times } = this.#chunks[0]!
    this.#first++
    if (this.#first - first === times.length) this.#chunks.shift()
  }
}
