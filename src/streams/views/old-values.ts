/** The rows that a feed has read, as bytes, so that it can say what a changed one was. */

/** Bytes of rows that one feed remembers; beyond, it forgets those that have not changed for longest. */
const oldBytesMax = 8 * 1024 * 1024
/** What an entry costs beside its bytes, about. */
const entryBytes = 100

/** A row before a change; without bytes there was none. */
export interface OldValue {
  readonly bytes: Uint8Array | undefined
  readonly isKnown: boolean
}

export class OldValues {
  readonly #rows = new Map<string, Uint8Array>()
  #bytes = 0
  #hasForgotten = false

  /** Sets a row, and says what it was. @param value undefined when the row is gone */
  replace(row: string, value: Uint8Array | undefined): OldValue {
    const bytes = this.#rows.get(row)
    this.#delete(row)
    if (value !== undefined) {
      this.#rows.set(row, value)
      this.#bytes += sizeOf(row, value)
      while (this.#bytes > oldBytesMax) this.#forget()
    }
    return { bytes, isKnown: bytes !== undefined || !this.#hasForgotten }
  }

  #forget(): void {
    const [oldest] = this.#rows.keys()
    this.#delete(oldest!)
    this.#hasForgotten = true
  }

  #delete(row: string): void {
    const bytes = this.#rows.get(row)
    if (bytes === undefined) return
    this.#rows.delete(row)
    this.#bytes -= sizeOf(row, bytes)
  }
}

function sizeOf(row: string, { length }: Uint8Array): number {
  return row.length * 2 + length + entryBytes
}
