/**
 * Everyone who is connected, and who else may come.
 *
 * There are so many places, and so many for one address. When they are taken, one makes room for the one
 * that comes: the one idle longest, of the same address or else of the address that has most. So whoever
 * takes all there are loses theirs, and others get in (after KIP-402, which does it for the listener of
 * brokers). Connections from inside the process count, and never make room.
 */
import { parseAddress } from '../../base/address.ts'
import type { Duplex } from '../../io/ports.ts'
import type { Ending } from './answer.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { Rounds } from './rounds.ts'

export interface ConnectionsOptions extends Omit<
  ConnectionOptions,
  'onClosed' | 'advertised' | 'connectionIdleMsMax' | 'rounds'
> {
  readonly connectionsMax: number
  readonly connectionsPerAddressMax: number
  readonly connectionIdleMsMax: number
  readonly roundRequests: number
  /** Why the system has no descriptors for more, while it has none. */
  readonly shortage: () => string | undefined
  /** The broker ended a connection, or did not take it. */
  readonly onEnded: (remote: string, ending: Ending) => void
}

export interface Origin {
  readonly advertised?: ConnectionOptions['advertised']
  /** It comes from this process, whose connections are trusted to go when they are not needed. */
  readonly isOurs?: boolean
}

/** A connection that just came has had no time to ask for anything. */
const idleMsMin = 1000

export class Connections {
  readonly #options: ConnectionsOptions
  readonly #rounds: Rounds
  readonly #all = new Set<Connection>()
  /** Those of the network, by the address they come from. */
  readonly #byAddress = new Map<string, Set<Connection>>()
  #isClosed = false
  #accepted = 0
  #refused = 0
  #idle = 0

  constructor(options: ConnectionsOptions) {
    this.#options = options
    this.#rounds = new Rounds(options.clock, options.roundRequests)
  }

  get size(): number {
    return this.#all.size
  }

  /** Connections taken since the start, and those ended by the broker; one not taken is refused. */
  get counts(): { readonly accepted: number; readonly refused: number; readonly idle: number } {
    return { accepted: this.#accepted, refused: this.#refused, idle: this.#idle }
  }

  /** Takes a connection, or closes it and says why. */
  accept(duplex: Duplex, { advertised, isOurs = false }: Origin = {}): void {
    const { connectionIdleMsMax, onEnded: _onEnded, shortage: _, ...options } = this.#options
    const address = isOurs ? undefined : (parseAddress(duplex.remote)?.host ?? duplex.remote)
    const reason = this.#refusal(address)
    if (reason !== undefined || this.#isClosed) {
      duplex.destroy()
      if (!this.#isClosed) this.#ended(duplex.remote, { type: 'refused', reason: reason! })
      return
    }
    const connection = new Connection(duplex, {
      ...options,
      rounds: this.#rounds,
      ...(advertised && { advertised }),
      ...(isOurs ? {} : { connectionIdleMsMax }),
      onClosed: (closed, ending) => {
        this.#remove(closed, address)
        if (ending !== undefined && !this.#isClosed) this.#ended(closed.remote, ending)
      },
    })
    this.#add(connection, address)
    this.#accepted++
  }

  #ended(remote: string, ending: Ending): void {
    if (ending.type === 'idle') this.#idle++
    else this.#refused++
    this.#options.onEnded(remote, ending)
  }

  /** Closes all, and takes no more. */
  close(): void {
    this.#isClosed = true
    for (const connection of this.#all) connection.close()
  }

  /** Why there is no place, if there is none and nobody makes room. */
  #refusal(address: string | undefined): string | undefined {
    const { connectionsMax, connectionsPerAddressMax, shortage } = this.#options
    if (address !== undefined && shortage() !== undefined) return shortage()
    const ofAddress = address === undefined ? undefined : this.#byAddress.get(address)
    if (ofAddress !== undefined && ofAddress.size >= connectionsPerAddressMax) {
      const { size } = ofAddress
      if (makeRoom(ofAddress, 'connectionsPerAddressMax')) return undefined
      return `there are ${size} connections from ${address}: raise connectionsPerAddressMax if that many are wanted`
    }
    if (this.#all.size < connectionsMax) return undefined
    const largestFirst = [...this.#byAddress.values()].sort((a, b) => b.size - a.size)
    if (largestFirst.some((each) => makeRoom(each, 'connectionsMax'))) return undefined
    return `there are ${this.#all.size} connections: raise connectionsMax, or the limit of open files (ulimit -n) where that is lower, if that many are wanted`
  }

  #add(connection: Connection, address: string | undefined): void {
    this.#all.add(connection)
    if (address === undefined) return
    const others = this.#byAddress.get(address)
    if (others === undefined) this.#byAddress.set(address, new Set([connection]))
    else others.add(connection)
  }

  #remove(connection: Connection, address: string | undefined): void {
    this.#all.delete(connection)
    if (address === undefined) return
    const others = this.#byAddress.get(address)
    others?.delete(connection)
    if (others?.size === 0) this.#byAddress.delete(address)
  }
}

/** Closes the connection that is idle longest, if any is. */
function makeRoom(connections: Iterable<Connection>, bound: string): boolean {
  const found = mostIdle(connections)
  const idleMs = Math.floor(found?.idleMs ?? 0)
  const reason = `it was idle for ${idleMs} ms and made room for another: raise ${bound} if so many are wanted`
  found?.close({ type: 'refused', reason })
  return found !== undefined
}

function mostIdle(connections: Iterable<Connection>): Connection | undefined {
  let found: Connection | undefined
  let longestMs = 0
  for (const connection of connections) {
    const { idleMs } = connection
    if (idleMs < idleMsMin || idleMs <= longestMs) continue
    found = connection
    longestMs = idleMs
  }
  return found
}
