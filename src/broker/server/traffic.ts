/** What has come and gone, counted a request and an answer at a time: records are not looked at. */
import { apiByKey } from '../../protocol/api.ts'

/** Larger than the key of any API; what has none of them is counted together. */
const keysMax = 128
/** Each frame is preceded by its length. */
const lengthBytes = 4

export class Traffic {
  readonly #requests = Array.from({ length: keysMax + 1 }, () => 0)
  #receivedBytes = 0
  #sentBytes = 0

  get receivedBytes(): number {
    return this.#receivedBytes
  }

  get sentBytes(): number {
    return this.#sentBytes
  }

  /** Notes one whole request. */
  received(frame: Uint8Array): void {
    this.#receivedBytes += frame.length + lengthBytes
    const key = ((frame[0] ?? 0xff) << 8) | (frame[1] ?? 0xff)
    this.#requests[Math.min(key, keysMax)]!++
  }

  /** Notes answers handed to a connection. */
  sent(bytes: number): void {
    this.#sentBytes += bytes
  }

  /** How many requests came of each API that was asked for; `unknown` of those that are none. */
  requests(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const [key, count] of this.#requests.entries()) {
      const api = apiByKey(key) ?? 'unknown'
      if (count > 0) counts.set(api, (counts.get(api) ?? 0) + count)
    }
    return counts
  }
}
