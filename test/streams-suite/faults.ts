/** Connections that break: how a test lets a service die at one exact moment. */
import { HeadwaterError } from '../../src/base/errors.ts'
import type { Dial, Duplex } from '../../src/io/ports.ts'

/** A dial whose connections all break at one write, for good: to the service it is the end of the world. */
export class BreakingDial {
  readonly dial: Dial
  /** Resolves when it broke. */
  readonly broken: Promise<void>
  /** Writes so far. */
  writes = 0
  readonly #open = new Set<Duplex>()
  readonly #breakAt: number
  readonly #resolve: () => void
  #isBroken = false

  /** @param breakAt the write that does not go out any more, counted from 1 */
  constructor(dial: Dial, breakAt: number) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.broken = promise
    this.#resolve = resolve
    this.#breakAt = breakAt
    this.dial = async (host, port) => {
      if (this.#isBroken) throw refused()
      const duplex = await dial(host, port)
      this.#open.add(duplex)
      return this.#watch(duplex)
    }
  }

  #watch(duplex: Duplex): Duplex {
    return {
      remote: duplex.remote,
      local: duplex.local,
      write: (chunks) => {
        if (this.#isBroken) return true
        if (++this.writes < this.#breakAt) return duplex.write(chunks)
        this.break()
        return true
      },
      drained: () => duplex.drained(),
      onBytes: (reader) => duplex.onBytes(reader),
      onClose: (callback) => duplex.onClose(callback),
      pause: () => duplex.pause(),
      resume: () => duplex.resume(),
      close: () => duplex.close(),
      destroy: () => duplex.destroy(),
    }
  }

  break(): void {
    this.#isBroken = true
    for (const duplex of this.#open) duplex.destroy()
    this.#resolve()
  }
}

function refused(): HeadwaterError {
  return new HeadwaterError('connection-failed', 'this broker is out of reach for good')
}
