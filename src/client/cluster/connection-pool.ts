/**
 * The connections of one client: one for each broker and lane, opened when first needed and again when
 * it has broken.
 *
 * A lane is a connection of its own to the same broker. Brokers answer one connection in order, so what
 * may block (a long poll, joining a group) must not share one with what may not.
 */
import type { Address } from '../../base/address.ts'
import { addressText } from '../../base/address.ts'
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Clock, Dial, Random } from '../../io/ports.ts'
import type { Sasl } from '../security/sasl.ts'
import { closed } from './connection-errors.ts'
import { Connection } from './connection.ts'

export interface PoolOptions {
  readonly dial: Dial
  readonly clock: Clock
  readonly random: Random
  readonly sasl: Sasl | undefined
  readonly clientId: string
  readonly requestTimeoutMs: number
  /** Where a broker is; undefined when no broker of this id is known. */
  readonly addressOf: (nodeId: number) => Address | undefined
  /** Whether an address was given to this client; the cluster named it otherwise. */
  readonly isGiven: (address: Address) => boolean
  /** A broker could not be reached: what is known of the cluster may be out of date. */
  readonly onUnreachable: () => void
  /** No broker is connected any more and none could be reached; undefined: one is connected again. */
  readonly onContact: (outage: HeadwaterError | undefined) => void
}

interface Lane {
  readonly address: Address
  /** Ends its connection, open or still opening. */
  readonly ending: AbortController
  readonly opening: Promise<Connection>
  open: Connection | undefined
}

export class ConnectionPool {
  readonly #o: PoolOptions
  readonly #lanes = new Map<string, Lane>()
  #isClosed = false
  #isCutOff = false

  constructor(options: PoolOptions) {
    this.#o = options
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** The connection of a lane to a broker, opened when it is not. */
  connection(nodeId: number, lane: string): Promise<Connection> {
    if (this.#isClosed) return Promise.reject(closedError())
    const address = this.#o.addressOf(nodeId)
    if (address === undefined) return Promise.reject(unknownBroker(nodeId))
    const name = `${addressText(address)}/${lane}`
    const known = this.#lanes.get(name)
    if (known !== undefined && known.open?.isClosed !== true) return known.opening
    return this.#open(address, name)
  }

  /** Closes a lane to every broker, as when its owner ends; connections that are still opening, too. */
  closeLane(lane: string): void {
    for (const [name, ended] of this.#lanes) {
      if (!name.endsWith(`/${lane}`)) continue
      this.#lanes.delete(name)
      end(ended)
    }
  }

  /** Closes all; whoever waits, also for a connection that is still opening, is rejected at once. */
  close(): void {
    this.#isClosed = true
    const lanes = [...this.#lanes.values()]
    this.#lanes.clear()
    for (const lane of lanes) end(lane)
  }

  #open(address: Address, name: string): Promise<Connection> {
    const ending = new AbortController()
    const lane: Lane = {
      address,
      ending,
      opening: this.#dial(address, ending.signal),
      open: undefined,
    }
    this.#lanes.set(name, lane)
    lane.opening.then(
      (connection) => {
        lane.open = connection
        this.#contact(undefined)
      },
      (error: unknown) => {
        if (this.#lanes.get(name) === lane) this.#lanes.delete(name)
        if (ending.signal.aborted) return
        this.#o.onUnreachable()
        if (isHeadwaterError(error) && !this.#isConnected()) this.#contact(error)
      },
    )
    return lane.opening
  }

  #isConnected(): boolean {
    for (const { open } of this.#lanes.values()) if (open?.isClosed === false) return true
    return false
  }

  /** Tells that contact is lost, and that it is there again, each once. */
  #contact(outage: HeadwaterError | undefined): void {
    const isCutOff = outage !== undefined
    if (this.#isClosed || this.#isCutOff === isCutOff) return
    this.#isCutOff = isCutOff
    this.#o.onContact(outage)
  }

  #dial(address: Address, signal: AbortSignal): Promise<Connection> {
    const { dial, clock, random, sasl, clientId, requestTimeoutMs, isGiven } = this.#o
    return Connection.open({
      dial,
      clock,
      random,
      sasl,
      host: address.host,
      port: address.port,
      clientId,
      requestTimeoutMs,
      isLearnt: !isGiven(address),
      signal,
    })
  }
}

/** Whoever waits for its connection, or for answers on it, is rejected now. */
function end({ address, ending }: Lane): void {
  ending.abort(closed(addressText(address)))
}

function closedError(): HeadwaterError {
  return new HeadwaterError('connection-lost', 'this client is closed: connect anew')
}

function unknownBroker(nodeId: number): HeadwaterError {
  return new HeadwaterError(
    'connection-failed',
    `broker ${nodeId} is not among the cluster's brokers: it may be restarting`,
    { retriable: true },
  )
}
