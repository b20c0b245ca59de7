/** Connections that send mutated requests as fast as a broker takes them, and read whatever comes back. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { drawInteger, fork, seededDraw, type Draw } from '../../src/testing/seed.ts'
import type { Frame } from './frames.ts'
import { mutated, oneOf } from './mutations.ts'

/** Requests of one connection before it makes room for another. */
const requestsEach = 50
/** Sent lately and kept, to say what stood before a failure. */
const keptMax = 40

export interface StormOptions {
  readonly port: number
  readonly seed: number
  readonly connections: number
  readonly frames: readonly Frame[]
  readonly signal: AbortSignal
}

export class Storm {
  /** Requests sent, connections made, and those the broker closed. */
  sent = 0
  connections = 0
  closedByBroker = 0
  /** The names of the requests sent last. */
  readonly recent: string[] = []
  readonly #options: StormOptions

  constructor(options: StormOptions) {
    this.#options = options
  }

  /** Goes on until the signal says so; rejects when nobody listens any more. */
  async rage(): Promise<void> {
    const draw = seededDraw(this.#options.seed)
    const each = Array.from({ length: this.#options.connections }, () => fork(draw))
    await Promise.all(each.map((own) => this.#keepSending(own)))
  }

  async #keepSending(draw: Draw): Promise<void> {
    while (!this.#options.signal.aborted) {
      const socket = connect({ port: this.#options.port, host: '127.0.0.1', noDelay: true })
      await once(socket, 'connect')
      this.connections++
      await this.#send(socket, draw)
      socket.destroy()
    }
  }

  async #send(socket: Socket, draw: Draw): Promise<void> {
    const { frames, signal } = this.#options
    const abort = new AbortController()
    socket.on('error', () => {})
    socket.on('close', () => abort.abort())
    socket.resume()
    for (let left = requestsEach; left > 0 && !signal.aborted; left--) {
      const frame = oneOf(frames, draw)
      this.#note(frame.name)
      const bytes = mutated(frame, draw, frames)
      const cut = drawInteger(draw, 0, bytes.length)
      socket.write(bytes.subarray(0, cut))
      await turn()
      if (!socket.write(bytes.subarray(cut)) && !abort.signal.aborted) {
        await once(socket, 'drain', { signal: abort.signal }).catch(() => {})
      }
      if (abort.signal.aborted) {
        this.closedByBroker++
        return
      }
    }
  }

  #note(name: string): void {
    this.sent++
    this.recent.push(name)
    if (this.recent.length > keptMax) this.recent.shift()
  }
}
