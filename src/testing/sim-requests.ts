/**
 * Harm to single requests between a client's process and a broker, by the API they are for.
 *
 * It stands on the client's side of each connection, knows Kafka's frames, and passes them on until a rule
 * is for one. What it does a network can do: it never lets one request overtake another on a connection,
 * and never answers one and not those before it. A request that is lost takes all that follow on its
 * connection with it: to the client the broker has gone silent.
 *
 * | harm           | the broker gets the request           | the client                          |
 * |----------------|---------------------------------------|-------------------------------------|
 * | `drop`         | never                                 | waits until it gives up             |
 * | `delay`        | after `ms`, even if the client is gone| has its answer so much later        |
 * | `cut-before`   | never                                 | loses the connection at once        |
 * | `cut-after`    | at once                               | loses the connection at once        |
 * | `lose-answer`  | at once                               | waits until it gives up             |
 * | `delay-answer` | at once                               | has its answer `ms` later           |
 * | `ghost`        | after `ms`, on a connection of its own| loses the connection at once        |
 */
import { concatBytes } from '../base/bytes.ts'
import type { Dial, Duplex } from '../io/ports.ts'
import type { ApiName } from '../protocol/api.ts'
import { apiByKey } from '../protocol/api.ts'
import { FrameSplitter } from '../protocol/frame.ts'
import type { SimHost } from './sim-connection.ts'
import type { SimProcess, World } from './world.ts'

export type RequestHarm =
  | 'drop'
  | 'delay'
  | 'cut-before'
  | 'cut-after'
  | 'lose-answer'
  | 'delay-answer'
  | 'ghost'

export interface RequestRule {
  readonly api: ApiName
  readonly harm: RequestHarm
  /** For harms that last. */
  readonly ms?: number
  /** How many requests it is for; 1 when left out. */
  readonly count?: number
  /** Called when it is applied, before the harm is done. */
  readonly onHit?: () => void
}

/** Carries what arrives after its sender has gone. */
const wire: SimHost = {
  name: 'wire',
  isAlive: true,
  busyUntil: 0,
  whenFree: (callback) => callback(),
}
const apiKeyAt = 0
const correlationIdAt = 4

/** The requests of one process. */
export class RequestFaults {
  readonly world: World
  readonly process: SimProcess
  readonly #rules: { readonly rule: RequestRule; left: number }[] = []
  readonly #connections = new Set<HarmedConnection>()

  constructor(world: World, process: SimProcess) {
    this.world = world
    this.process = process
  }

  /** How the process reaches a broker. */
  readonly dial: Dial = async (host, port) => {
    const inner = await this.process.network.connect(host, port)
    const connection = new HarmedConnection(this, inner, { host, port })
    this.#connections.add(connection)
    return connection
  }

  /** Adds a rule behind those that are there; the returned function takes it away. */
  add(rule: RequestRule): () => void {
    const entry = { rule, left: rule.count ?? 1 }
    this.#rules.push(entry)
    return () => void (entry.left = 0)
  }

  /** Ends all harm: what is held up goes on its way, and connections that went silent break. */
  heal(): void {
    this.#rules.length = 0
    for (const connection of this.#connections) connection.heal()
  }

  /** The rule for a request; it counts as applied. */
  take(api: ApiName): RequestRule | undefined {
    const entry = this.#rules.find(({ rule, left }) => left > 0 && rule.api === api)
    if (entry === undefined) return undefined
    entry.left--
    const { harm, ms } = entry.rule
    this.world.trace(`${this.process.name}: ${api} ${harm}${ms === undefined ? '' : ` ${ms}`}`)
    entry.rule.onHit?.()
    return entry.rule
  }

  forget(connection: HarmedConnection): void {
    this.#connections.delete(connection)
  }

  /** Brings a request to the broker, whoever still wants it. */
  async deliver(frame: Uint8Array, to: { host: string; port: number }): Promise<void> {
    try {
      const duplex = await this.world.network.of(wire).connect(to.host, to.port)
      duplex.onBytes(() => duplex.destroy())
      duplex.write([frame])
    } catch {
      this.world.trace('a late request finds no broker')
    }
  }
}

/** Something that is held up, to be let go when its time has come or when all is healed. */
class Hold {
  #release: (() => void) | undefined

  constructor(world: World, ms: number, release: () => void) {
    this.#release = release
    world.clock.after(ms, () => this.end())
  }

  end(): void {
    const release = this.#release
    this.#release = undefined
    release?.()
  }
}

class HarmedConnection implements Duplex {
  readonly remote: string
  readonly local: { readonly host: string; readonly port: number }
  readonly #faults: RequestFaults
  readonly #inner: Duplex
  readonly #to: { host: string; port: number }
  readonly #requests = new FrameSplitter()
  readonly #answers = new FrameSplitter()
  /** Requests behind one that is held up; the first is the one. */
  readonly #waiting: Uint8Array[] = []
  readonly #holds = new Set<Hold>()
  /** Correlation ids whose answers are lost or late, by how late. */
  readonly #harmedAnswers = new Map<number, number>()
  readonly #lateAnswers: Uint8Array[] = []
  #isHeldUp = false
  #isAnswerHeldUp = false
  /** Nothing goes out, or nothing comes in, any more. */
  #isMute = false
  #isDeaf = false
  #isOver = false
  #reader: ((chunk: Uint8Array) => void) | undefined
  #onClose: ((error?: Error) => void) | undefined

  constructor(faults: RequestFaults, inner: Duplex, to: { host: string; port: number }) {
    this.#faults = faults
    this.#inner = inner
    this.#to = to
    this.remote = inner.remote
    this.local = inner.local
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#isOver) return true
    for (const frame of this.#requests.push(concatBytes(chunks).slice())) this.#waiting.push(frame)
    this.#pump()
    return true
  }

  #pump(): void {
    while (!this.#isHeldUp && !this.#isMute && !this.#isOver) {
      const frame = this.#waiting.shift()
      if (frame === undefined) return
      const api = apiByKey(int16(frame, apiKeyAt))
      const rule = api === undefined ? undefined : this.#faults.take(api)
      if (rule === undefined) this.#pass(frame)
      else this.#harm(frame, rule)
    }
  }

  #harm(frame: Uint8Array, { harm, ms = 0 }: RequestRule): void {
    if (harm === 'drop') {
      this.#isMute = true
    } else if (harm === 'delay') {
      this.#isHeldUp = true
      this.#hold(ms, () => {
        this.#isHeldUp = false
        this.#pass(frame)
        this.#pump()
      })
    } else if (harm === 'lose-answer' || harm === 'delay-answer') {
      this.#harmedAnswers.set(
        int32(frame, correlationIdAt),
        harm === 'delay-answer' ? ms : Infinity,
      )
      this.#pass(frame)
    } else {
      if (harm === 'cut-after') this.#pass(frame)
      if (harm === 'ghost') this.#hold(ms, () => void this.#faults.deliver(whole(frame), this.#to))
      this.#breakOff()
    }
  }

  /** A request that was held up arrives although its sender has gone. */
  #pass(frame: Uint8Array): void {
    const isGone = this.#isOver || !this.#faults.process.isAlive
    if (isGone) void this.#faults.deliver(whole(frame), this.#to)
    else this.#inner.write([whole(frame)])
  }

  #hold(ms: number, release: () => void): void {
    const hold: Hold = new Hold(this.#faults.world, ms, () => {
      this.#holds.delete(hold)
      release()
      this.#forgetIfDone()
    })
    this.#holds.add(hold)
  }

  #receive(chunk: Uint8Array): void {
    for (const frame of this.#answers.push(chunk)) {
      if (this.#isDeaf) return
      const lateMs = this.#harmedAnswers.get(int32(frame, 0))
      if (lateMs === Infinity) {
        this.#isDeaf = true
      } else if (lateMs !== undefined) {
        this.#isAnswerHeldUp = true
        this.#lateAnswers.push(frame)
        this.#hold(lateMs, () => this.#answerLate())
      } else if (this.#isAnswerHeldUp) {
        this.#lateAnswers.push(frame)
      } else {
        this.#reader?.(whole(frame))
      }
    }
  }

  #answerLate(): void {
    this.#isAnswerHeldUp = false
    this.#faults.process.clock.soon(() => {
      for (const frame of this.#lateAnswers.splice(0)) {
        if (!this.#isOver) this.#reader?.(whole(frame))
      }
    })
  }

  /** The client loses the connection; what went out before arrives. */
  #breakOff(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#inner.close()
    this.#forgetIfDone()
    const error = new Error('the simulated network cut the connection')
    this.#faults.process.clock.soon(() => this.#onClose?.(error))
  }

  heal(): void {
    for (const hold of this.#holds) hold.end()
    if (this.#isMute || this.#isDeaf) this.#breakOff()
  }

  #end(): void {
    this.#isOver = true
    this.#forgetIfDone()
  }

  #forgetIfDone(): void {
    if (this.#isOver && this.#holds.size === 0) this.#faults.forget(this)
  }

  drained(): Promise<void> {
    return this.#inner.drained()
  }

  onBytes(reader: (chunk: Uint8Array) => void): void {
    this.#reader = reader
    this.#inner.onBytes((chunk) => this.#receive(chunk))
  }

  onClose(callback: (error?: Error) => void): void {
    this.#onClose = callback
    this.#inner.onClose((error) => {
      const isKnown = this.#isOver
      this.#end()
      if (!isKnown) callback(error)
    })
  }

  pause(): void {
    this.#inner.pause()
  }

  resume(): void {
    this.#inner.resume()
  }

  close(): void {
    this.#end()
    this.#inner.close()
  }

  destroy(): void {
    this.#end()
    this.#inner.destroy()
  }
}

function whole(frame: Uint8Array): Uint8Array {
  const length = new Uint8Array(4)
  new DataView(length.buffer).setInt32(0, frame.length)
  return concatBytes([length, frame])
}

function int16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

function int32(bytes: Uint8Array, at: number): number {
  return (int16(bytes, at) << 16) | int16(bytes, at + 2)
}
