/**
 * The connections of one client: one for each broker and lane, opened when first needed and again when
 * it has broken.
 *
 * A lane is a connection of its own to the same broker. Brokers answer one connection in order, so what
 * may block (a long poll, joining a group) must not share one with what may not.
 */
import type { Address } from '../../base/address.ts'
import { addressText } from '../../base/address.ts'
import { HeadwaterError } from '../../base/errors.ts'
import type { Clock, Dial, Random } from '../../io/ports.ts'
import type { Sasl } from '../security/sasl.ts'
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
}

interface Lane {
  readonly opening: Promise<Connection>
  open: Connection | undefined
}

export class ConnectionPool {
  readonly #o: PoolOptions
  readonly #lanes = new Map<string, Lane>()
  #isClosed = false

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
    const opened: Lane = { opening: this.#open(address, name), open: undefined }
    this.#lanes.set(name, opened)
    return opened.opening
  }

  /** Closes a lane to every broker, as when its owner ends. */
  closeLane(lane: string): void {
    for (const [name, { open }] of this.#lanes) {
      if (!name.endsWith(`/${lane}`)) continue
      this.#lanes.delete(name)
      open?.close()
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const lanes = [...this.#lanes.values()]
    this.#lanes.clear()
    for (const { open } of lanes) open?.close()
    // A connection still being opened closes itself when it comes up; wait for that.
    await Promise.allSettled(lanes.map(({ opening }) => opening))
  }

  async #open(address: Address, name: string): Promise<Connection> {
    const { dial, clock, random, sasl, clientId, requestTimeoutMs, isGiven } = this.#o
    try {
      const connection = await Connection.open({
        dial,
        clock,
        random,
        sasl,
        host: address.host,
        port: address.port,
        clientId,
        requestTimeoutMs,
        isLearnt: !isGiven(address),
      })
      const lane = this.#lanes.get(name)
      if (lane !== undefined) lane.open = connection
      else connection.close()
      return connection
    } catch (error) {
      this.#lanes.delete(name)
      this.#o.onUnreachable()
      throw error
    }
  }
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
