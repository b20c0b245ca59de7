/** A line to a broker that sees each request before it leaves, and may lose it, break for good or freeze. */
import { HeadwaterError } from '../../src/base/errors.ts'
import type { Dial, Duplex } from '../../src/io/ports.ts'
import { apiByKey } from '../../src/protocol/api.ts'
import type { ApiName } from '../../src/protocol/api.ts'

/** `lose`: the connection stays and no answer comes; `break`: it and every other one break, for good. */
export type Fate = 'pass' | 'lose' | 'break'

export class Line {
  readonly dial: Dial
  /** What befalls a request; set it to harm. */
  fate: (api: ApiName) => Fate = () => 'pass'
  readonly #asked = new Map<string, number>()
  readonly #open = new Set<Duplex>()
  #isBroken = false
  /** What is written to a frozen line, to leave when it thaws. */
  #held: (() => void)[] | undefined

  constructor(dial: Dial) {
    this.dial = async (host, port) => {
      if (this.#isBroken) {
        throw new HeadwaterError('connection-failed', 'out of reach', { retriable: true })
      }
      const duplex = await dial(host, port)
      this.#open.add(duplex)
      if (this.#held !== undefined) duplex.pause()
      return this.#watch(duplex)
    }
  }

  /** Requests of an API so far, those that were lost included. */
  asked(api: ApiName): number {
    return this.#asked.get(api) ?? 0
  }

  break(): void {
    this.#isBroken = true
    for (const duplex of this.#open) duplex.destroy()
    this.#open.clear()
  }

  /** From now on nothing gets through, either way, and no connection breaks. */
  freeze(): void {
    this.#held = []
    for (const duplex of this.#open) duplex.pause()
  }

  /** All that was held up gets through at once. */
  thaw(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const send of held) send()
    for (const duplex of this.#open) duplex.resume()
  }

  heal(): void {
    this.#isBroken = false
    this.fate = () => 'pass'
  }

  #watch(duplex: Duplex): Duplex {
    return {
      remote: duplex.remote,
      local: duplex.local,
      write: (chunks) => {
        if (!this.#mayLeave(chunks)) return true
        if (this.#held === undefined) return duplex.write(chunks)
        this.#held.push(() => duplex.write(chunks))
        return true
      },
      drained: () => duplex.drained(),
      onBytes: (reader) => duplex.onBytes(reader),
      onClose: (callback) => duplex.onClose(callback),
      pause: () => duplex.pause(),
      resume: () => {
        if (this.#held === undefined) duplex.resume()
      },
      close: () => duplex.close(),
      destroy: () => duplex.destroy(),
    }
  }

  /** A client writes a request in one piece: its length, then its API key. */
  #mayLeave([first]: readonly Uint8Array[]): boolean {
    if (this.#isBroken || first === undefined) return false
    const api = nameOf((first[4]! << 8) | first[5]!)
    this.#asked.set(api, this.asked(api) + 1)
    const fate = this.fate(api)
    if (fate === 'break') this.break()
    return fate === 'pass'
  }
}

function nameOf(key: number): ApiName {
  const found = apiByKey(key)
  if (found === undefined) throw new Error(`no API has the key ${key}`)
  return found
}
