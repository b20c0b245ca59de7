/**
 * A network in memory that is as unkind as TCP may be.
 *
 * Within a connection bytes arrive in order and once; their boundaries are lost. Connections do not wait
 * for each other, so what was sent first on one may come after what was sent later on another. A
 * connection that is cut, or whose process dies, has delivered some beginning of the bytes under way, and
 * its ends notice at different moments. A stalled one is silent for a while and then delivers all of it,
 * perhaps long after the sender has given up and sent the same over another.
 *
 * Dialling takes time, and is refused while nobody listens. All of it is drawn from one seed.
 */
import { addressText } from '../base/address.ts'
import { HeadwaterError } from '../base/errors.ts'
import type { Duplex, Listener, Network } from '../io/ports.ts'
import type { Draw } from './seed.ts'
import { drawInteger } from './seed.ts'
import type { SimClock } from './sim-clock.ts'
import { SimConnection } from './sim-connection.ts'
import type { SimHost } from './sim-connection.ts'

const firstFreePort = 40_000
const dialMs = 1

interface Listening {
  readonly host: SimHost
  readonly accept: (connection: Duplex) => void
}

export class SimNetwork {
  readonly #clock: SimClock
  readonly #draw: Draw
  readonly #trace: (line: string) => void
  readonly #listeners = new Map<string, Listening>()
  readonly #connections = new Set<SimConnection>()
  #nextPort = firstFreePort

  constructor(clock: SimClock, draw: Draw, trace: (line: string) => void) {
    this.#clock = clock
    this.#draw = draw
    this.#trace = trace
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** The network as a process sees it. */
  of(host: SimHost): Network {
    return {
      listen: (name, port, accept) => this.#listen(host, name, port, accept),
      connect: (name, port) => this.#connect(host, name, port),
    }
  }

  /** Cuts one connection; false when there is none. */
  cutOne(): boolean {
    const connection = this.#any()
    connection?.cut()
    return connection !== undefined
  }

  /** Holds one connection up for `delayMs`; false when there is none. */
  stallOne(delayMs: number): boolean {
    const connection = this.#any()
    connection?.stall(delayMs)
    return connection !== undefined
  }

  /** Takes a dead process off the network. */
  forget(host: SimHost): void {
    for (const [address, listening] of this.#listeners) {
      if (listening.host === host) this.#listeners.delete(address)
    }
    for (const connection of this.#connections) if (connection.isOf(host)) connection.cut()
  }

  #any(): SimConnection | undefined {
    const all = [...this.#connections]
    return all[drawInteger(this.#draw, 0, all.length - 1)]
  }

  async #listen(
    host: SimHost,
    name: string,
    wanted: number,
    accept: (connection: Duplex) => void,
  ): Promise<Listener> {
    const port = wanted === 0 ? this.#nextPort++ : wanted
    const address = addressText({ host: name, port })
    if (this.#listeners.has(address)) {
      throw new HeadwaterError('port-in-use', `simulated port ${address} is in use: choose another`)
    }
    const listening = { host, accept }
    this.#listeners.set(address, listening)
    const close = async (): Promise<void> => {
      if (this.#listeners.get(address) === listening) this.#listeners.delete(address)
    }
    return { host: name, port, close }
  }

  #connect(from: SimHost, name: string, port: number): Promise<Duplex> {
    const address = addressText({ host: name, port })
    const later = (callback: () => void): void => {
      const waitMs = Math.max(0, from.busyUntil - this.#clock.monotonic())
      this.#clock.after(waitMs + this.#draw() * dialMs, callback)
    }
    return new Promise((resolve, reject) => {
      later(() => {
        const listening = this.#listeners.get(address)
        if (!from.isAlive) return
        if (listening === undefined) {
          this.#trace(`${from.name} finds nobody at ${address}`)
          later(() => reject(refused(address)))
          return
        }
        const connection = this.#open(from, listening.host, name, port)
        listening.accept(connection.ends[1])
        later(() => resolve(connection.ends[0]))
      })
    })
  }

  #open(from: SimHost, to: SimHost, host: string, port: number): SimConnection {
    const connection = new SimConnection({
      clock: this.#clock,
      draw: this.#draw,
      trace: this.#trace,
      hosts: [from, to],
      dialled: { host, port },
      origin: { host: from.name, port: this.#nextPort++ },
      onClosed: () => this.#connections.delete(connection),
    })
    this.#connections.add(connection)
    return connection
  }
}

function refused(address: string): HeadwaterError {
  return new HeadwaterError(
    'connection-failed',
    `nobody listens at simulated ${address}: start a broker there`,
    { retriable: true },
  )
}
