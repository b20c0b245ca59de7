/**
 * A TCP proxy between one instance and the broker. It reads the frames that pass, so that single requests
 * can be harmed by the API they are of, and it can hold back everything, as a network that hangs does.
 */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { ApiName } from '../../src/protocol/api.ts'
import { apiByKey } from '../../src/protocol/api.ts'
import { FrameSplitter } from '../../src/protocol/frame.ts'
import type { Address } from './addresses.ts'
import { readdress } from './addresses.ts'
import { Lane } from './lane.ts'

/**
 * What becomes of a request:
 *
 * - `drop`: the connection breaks in its place
 * - `drop-answer`: the broker does what it says, and the connection breaks in place of the answer
 * - `delay`: it comes `ms` later, and so does what is behind it on its connection
 * - `straggle`: the connection breaks at once, and it comes to the broker `ms` later all the same
 * - `swallow`: it is lost with all that follows, and the connection breaks only after `ms`
 * - `swallow-answer`: the same, but the broker does what it says
 */
export const harms = [
  'drop',
  'drop-answer',
  'delay',
  'straggle',
  'swallow',
  'swallow-answer',
] as const
type Harm = (typeof harms)[number]

/** The next request of an API is harmed; then the trap is gone. */
export interface Trap {
  readonly api: ApiName
  readonly harm: Harm
  readonly ms: number
  /** Called when it has caught one. */
  readonly onCaught?: () => void
}

export class Proxy {
  readonly #server: Server
  readonly #upstream: () => Address
  readonly #links = new Set<Link>()
  readonly #traps = new Set<Trap>()
  #isFrozen = false
  /** Requests that passed, to see that the traffic really goes this way. */
  requests = 0

  private constructor(upstream: () => Address) {
    this.#upstream = upstream
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket))
  }

  /** A proxy on a port that the system chose. */
  static async open(upstream: () => Address): Promise<Proxy> {
    const proxy = new Proxy(upstream)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get address(): Address {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port }
  }

  get isFrozen(): boolean {
    return this.#isFrozen
  }

  set(trap: Trap): void {
    this.#traps.add(trap)
  }

  /** Takes a trap away that has caught nothing. */
  unset(trap: Trap): void {
    this.#traps.delete(trap)
  }

  /** Nothing passes until `thaw`, in no direction; nothing is lost. */
  freeze(): void {
    this.#isFrozen = true
  }

  thaw(): void {
    this.#isFrozen = false
    for (const link of this.#links) link.pump()
  }

  /** Ends all harm: connections on which something was lost break. */
  heal(): void {
    this.#traps.clear()
    this.thaw()
    for (const link of this.#links) if (link.isHarmed) link.break()
  }

  close(): void {
    this.#server.close()
    for (const link of this.#links) link.break()
  }

  /** The trap that a request has stepped into. */
  caught(api: ApiName | undefined): Trap | undefined {
    this.requests++
    const trap = [...this.#traps].find((each) => each.api === api)
    if (trap === undefined) return undefined
    this.#traps.delete(trap)
    trap.onCaught?.()
    return trap
  }

  #accept(client: Socket): void {
    const broker = connect({ ...this.#upstream(), noDelay: true })
    const link = new Link(this, client, broker, () => this.#links.delete(link))
    this.#links.add(link)
  }
}

interface Asked {
  readonly api: ApiName | undefined
  readonly version: number
  readonly answer: 'pass' | 'break' | 'swallow'
}

const afterlifeMs = 1_000

/** One connection through the proxy. */
class Link {
  /** Something on it was lost or came late. */
  isHarmed = false
  readonly #proxy: Proxy
  readonly #client: Socket
  readonly #broker: Socket
  readonly #toBroker: Lane
  readonly #toClient: Lane
  readonly #asked = new Map<number, Asked>()
  readonly #onEnd: () => void
  #isDeaf = false
  #isMute = false
  #hasEnded = false

  constructor(proxy: Proxy, client: Socket, broker: Socket, onEnd: () => void) {
    this.#proxy = proxy
    this.#client = client
    this.#broker = broker
    this.#onEnd = onEnd
    const isHeld = (): boolean => proxy.isFrozen
    this.#toBroker = new Lane(broker, isHeld)
    this.#toClient = new Lane(client, isHeld)
    const requests = new FrameSplitter()
    const answers = new FrameSplitter()
    client.on('data', (chunk: Buffer) => {
      for (const frame of requests.push(chunk)) this.#request(frame)
    })
    broker.on('data', (chunk: Buffer) => {
      for (const frame of answers.push(chunk)) this.#answer(frame)
    })
    // An error is followed by `close`.
    client.on('error', () => {})
    broker.on('error', () => {})
    client.on('close', () => this.#clientIsGone())
    broker.on('close', () => this.break())
  }

  pump(): void {
    this.#toBroker.pump()
    this.#toClient.pump()
    if (this.#client.destroyed) this.#clientIsGone()
  }

  break(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#toBroker.clear()
    this.#toClient.clear()
    this.#client.destroy()
    this.#broker.destroy()
    this.#onEnd()
  }

  /** What a process has sent before it died still arrives, when the network lets it. */
  #clientIsGone(): void {
    this.#isDeaf = true
    this.#isMute = true
    if (!this.#proxy.isFrozen) this.#breakIn(this.#toBroker.waitsMs + afterlifeMs)
  }

  #breakIn(ms: number): void {
    setTimeout(() => this.break(), ms).unref()
  }

  #request(frame: Uint8Array): void {
    if (this.#isDeaf) return
    const view = new DataView(frame.buffer, frame.byteOffset)
    const api = apiByKey(view.getInt16(0))
    const trap = this.#proxy.caught(api)
    const ask = (answer: Asked['answer'], delayMs = 0): void => {
      this.#asked.set(view.getInt32(4), { api, version: view.getInt16(2), answer })
      this.#toBroker.push([lengthOf(frame), frame], delayMs)
    }
    if (trap === undefined) return ask('pass')
    this.isHarmed = true
    switch (trap.harm) {
      case 'drop':
        return this.break()
      case 'drop-answer':
        return ask('break')
      case 'delay':
        return ask('pass', trap.ms)
      case 'straggle':
        ask('break', trap.ms)
        return void this.#client.destroy()
      case 'swallow':
        this.#isDeaf = true
        return this.#breakIn(trap.ms)
      case 'swallow-answer':
        ask('swallow')
        this.#isDeaf = true
        return this.#breakIn(trap.ms)
    }
  }

  #answer(frame: Uint8Array): void {
    const id = new DataView(frame.buffer, frame.byteOffset).getInt32(0)
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    if (asked?.answer === 'break') return this.break()
    if (asked?.answer === 'swallow') this.#isMute = true
    if (this.#isMute) return
    const { api, version } = asked ?? {}
    const changed =
      api === undefined ? undefined : readdress(api, version!, frame, this.#proxy.address)
    this.#toClient.push(changed ?? [lengthOf(frame), frame], 0)
  }
}

function lengthOf(frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setInt32(0, frame.length)
  return bytes
}
