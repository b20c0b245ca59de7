/** What a test may need of the machine it runs on, and a TCP forwarder that plays a mapped port or a tunnel. */
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Address } from '../../src/base/address.ts'

const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? [])

/** For `skip`: why a test of IPv6 cannot run here, or false. */
export const noIPv6: string | false = addresses.some(({ address }) => address === '::1')
  ? false
  : 'this machine has no IPv6'

/** An address by which other machines reach this one; undefined when there is none. */
export const outsideAddress: string | undefined = addresses.find(
  ({ family, internal }) => family === 'IPv4' && !internal,
)?.address

export class Forwarder {
  readonly #server = createServer((socket) => this.#accept(socket))
  readonly #sockets = new Set<Socket>()
  /** Where connections go on to. */
  upstream: Address | undefined
  connections = 0

  /** A forwarder on a port that the system chose. */
  static async open(): Promise<Forwarder> {
    const forwarder = new Forwarder()
    await once(forwarder.#server.listen(0, '127.0.0.1'), 'listening')
    return forwarder
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #accept(client: Socket): void {
    this.connections++
    const broker = connect(this.upstream!)
    for (const [from, to] of [
      [client, broker],
      [broker, client],
    ] as const) {
      this.#sockets.add(from)
      from.pipe(to)
      // An error is followed by `close`.
      from.on('error', () => {})
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
  }
}
