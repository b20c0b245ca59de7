/**
 * One connection of the simulated network: two ends, and the bytes between them.
 *
 * What is written is copied and cut into segments, each with a time of arrival that is never before the
 * one ahead of it. An end that is closed or whose process is dead takes nothing more; an end that is
 * paused keeps what arrives. A cut drops all segments behind some point, drawn for each direction.
 */
import { addressText } from '../base/address.ts'
import { concatBytes } from '../base/bytes.ts'
import type { Duplex } from '../io/ports.ts'
import type { Draw } from './seed.ts'
import { drawInteger } from './seed.ts'
import type { SimClock } from './sim-clock.ts'

const latencyMsMax = 2
const slowLatencyMsMax = 60
const slowShare = 0.03
const segmentsMax = 3
/** Unread bytes at which the writer is told to wait. */
const bufferBytesMax = 64 * 1024
/** How much later than the other one end may notice a cut. */
const noticeMsMax = 30

/** Whoever uses the network: a process that may die. */
export interface SimHost {
  readonly name: string
  readonly isAlive: boolean
  /** Until this moment of the world's clock it neither reads nor writes: it is frozen, or at work. */
  readonly busyUntil: number
  /** Runs a callback as soon as it is not busy, after what has come before. */
  readonly whenFree: (callback: () => void) => void
}

export interface SimConnectionOptions {
  readonly clock: SimClock
  readonly draw: Draw
  readonly trace: (line: string) => void
  /** Who dialled, and who accepted. */
  readonly hosts: readonly [SimHost, SimHost]
  readonly dialled: { readonly host: string; readonly port: number }
  readonly origin: { readonly host: string; readonly port: number }
  readonly onClosed: () => void
}

/** What is on its way to an end: bytes, or the end of them. */
interface Segment {
  readonly bytes: Uint8Array | undefined
  readonly error: Error | undefined
  isLost: boolean
}

export class SimConnection {
  readonly ends: readonly [SimEnd, SimEnd]
  readonly #hosts: readonly [SimHost, SimHost]

  constructor(options: SimConnectionOptions) {
    const { hosts, dialled, origin } = options
    this.#hosts = hosts
    const name = `${hosts[0].name}:${origin.port}`
    const a = new SimEnd(options, hosts[0], { remote: addressText(dialled), local: origin, name })
    const b = new SimEnd(options, hosts[1], {
      remote: addressText(origin),
      local: dialled,
      name: `>${name}`,
    })
    a.join(b)
    b.join(a)
    this.ends = [a, b]
  }

  isOf(host: SimHost): boolean {
    return this.#hosts.includes(host)
  }

  /** Breaks the connection: each end gets some of what was under way, and then an error. */
  cut(): void {
    for (const end of this.ends) end.breakOff(new Error('the simulated connection was cut'))
  }

  /** Nothing arrives for `delayMs`, and then all of it. */
  stall(delayMs: number): void {
    for (const end of this.ends) end.holdUp(delayMs)
  }
}

class SimEnd implements Duplex {
  readonly remote: string
  readonly local: { readonly host: string; readonly port: number }
  readonly #name: string
  readonly #o: SimConnectionOptions
  readonly #host: SimHost
  #other: SimEnd = this
  /** On the way to this end, in order. */
  readonly #underWay: Segment[] = []
  #lastArrival = 0
  #heldUntil = 0
  /** Arrived and not read. */
  #inbox: Uint8Array[] = []
  #unreadBytes = 0
  #hasEnded = false
  #endError: Error | undefined
  #reader: ((chunk: Uint8Array) => void) | undefined
  #closeCallback: ((error?: Error) => void) | undefined
  #isPaused = false
  #isReadDue = false
  #isClosed = false
  #drainWaiters: (() => void)[] = []

  constructor(
    options: SimConnectionOptions,
    host: SimHost,
    names: { remote: string; local: { host: string; port: number }; name: string },
  ) {
    this.#o = options
    this.#host = host
    this.remote = names.remote
    this.local = names.local
    this.#name = names.name
  }

  join(other: SimEnd): void {
    this.#other = other
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#isClosed || !this.#host.isAlive) return true
    this.#other.#send(concatBytes(chunks).slice())
    return !this.#other.#isFull
  }

  drained(): Promise<void> {
    if (this.#isClosed || !this.#other.#isFull) return Promise.resolve()
    return new Promise((resolve) => this.#drainWaiters.push(resolve))
  }

  onBytes(reader: (chunk: Uint8Array) => void): void {
    this.#reader = reader
    this.#readSoon()
  }

  onClose(callback: (error?: Error) => void): void {
    this.#closeCallback = callback
    if (this.#isClosed) this.#tellClosed()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#readSoon()
  }

  close(): void {
    if (this.#isClosed) return
    this.#other.#put({ bytes: undefined, error: undefined, isLost: false })
    this.#shut(undefined)
  }

  destroy(): void {
    if (this.#isClosed) return
    this.#other.breakOff(new Error('the other end was destroyed'))
    this.#shut(undefined)
  }

  /** Drops the end of what is under way to here, and ends it with an error. */
  breakOff(error: Error): void {
    const kept = drawInteger(this.#o.draw, 0, this.#underWay.length)
    for (const segment of this.#underWay.splice(kept)) {
      segment.isLost = true
      this.#unreadBytes -= segment.bytes?.length ?? 0
    }
    this.#lastArrival = Math.max(this.#lastArrival, this.#o.clock.monotonic())
    this.#lastArrival += this.#o.draw() * noticeMsMax
    this.#put({ bytes: undefined, error, isLost: false })
  }

  holdUp(delayMs: number): void {
    this.#heldUntil = Math.max(this.#heldUntil, this.#o.clock.monotonic() + delayMs)
  }

  get #isFull(): boolean {
    return !this.#isClosed && this.#unreadBytes > bufferBytesMax
  }

  /** Cuts bytes into segments on their way to here. */
  #send(bytes: Uint8Array): void {
    this.#unreadBytes += bytes.length
    const { draw } = this.#o
    for (let at = 0, left = drawInteger(draw, 1, segmentsMax); at < bytes.length; left--) {
      const end = left <= 1 ? bytes.length : drawInteger(draw, at + 1, bytes.length)
      this.#put({ bytes: bytes.subarray(at, end), error: undefined, isLost: false })
      at = end
    }
  }

  #put(segment: Segment): void {
    const { clock, draw } = this.#o
    this.#underWay.push(segment)
    const max = draw() < slowShare ? slowLatencyMsMax : latencyMsMax
    const sentAt = Math.max(clock.monotonic(), this.#other.#host.busyUntil)
    const arrival = Math.max(this.#lastArrival, sentAt + draw() * max)
    this.#lastArrival = arrival
    clock.after(arrival - clock.monotonic(), () => this.#arrive(segment))
  }

  #arrive(segment: Segment): void {
    if (segment.isLost) return
    const waitMs = this.#heldUntil - this.#o.clock.monotonic()
    if (waitMs > 0) return void this.#o.clock.after(waitMs, () => this.#arrive(segment))
    this.#host.whenFree(() => this.#take(segment))
  }

  #take(segment: Segment): void {
    if (segment.isLost) return
    this.#underWay.shift()
    if (this.#isClosed) return
    const { bytes, error } = segment
    this.#o.trace(`${this.#name} ${bytes?.length ?? (error === undefined ? 'end' : 'reset')}`)
    if (bytes !== undefined) {
      this.#inbox.push(bytes)
    } else {
      this.#hasEnded = true
      this.#endError = error
    }
    this.#read()
  }

  #readSoon(): void {
    if (this.#isReadDue) return
    this.#isReadDue = true
    this.#o.clock.soon(() => {
      this.#isReadDue = false
      this.#read()
    })
  }

  #read(): void {
    if (!this.#host.isAlive) return this.#shut(undefined)
    while (this.#reader !== undefined && !this.#isPaused && !this.#isClosed) {
      const chunk = this.#inbox.shift()
      if (chunk === undefined) break
      this.#unreadBytes -= chunk.length
      this.#reader(chunk)
    }
    if (!this.#isFull) this.#other.#releaseWriters()
    const isError = this.#endError !== undefined
    if (this.#hasEnded && (isError || this.#inbox.length === 0)) this.#shut(this.#endError)
  }

  #releaseWriters(): void {
    for (const resolve of this.#drainWaiters.splice(0)) resolve()
  }

  #shut(error: Error | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#endError = error
    this.#inbox = []
    this.#unreadBytes = 0
    this.#releaseWriters()
    this.#other.#releaseWriters()
    this.#tellClosed()
    if (this.#other.#isClosed) this.#o.onClosed()
  }

  #tellClosed(): void {
    const callback = this.#closeCallback
    if (callback === undefined) return
    const host = this.#host
    this.#o.clock.soon(() => {
      host.whenFree(() => {
        if (host.isAlive) callback(this.#endError)
      })
    })
  }
}
