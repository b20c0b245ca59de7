/**
 * TCP as a `Network`, on `node:net`.
 *
 * Nagle's delay is off: requests are written whole, and a commit must not wait for a full packet.
 * Bytes leave in one `writev` per `write` call. A connection that errors is closed; its reader is told
 * once, by `onClose`. This file knows nothing of frames.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { addressText, hostText } from '../base/address.ts'
import { HeadwaterError } from '../base/errors.ts'
import type { Duplex, Network } from './ports.ts'

/** How long a connection attempt may take. */
const connectTimeoutMs = 10_000
/** How long after a close the other end may take to read what was written and to hang up. */
const closeTimeoutMs = 2_000
/** Connections the kernel may hold that were not accepted yet. */
const backlog = 511

export const nodeNetwork: Network = {
  listen: async (host, port, accept) => {
    const server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
      accept(new SocketDuplex(socket))
    })
    await startListening(server, host, port)
    const address = server.address()
    const bound = typeof address === 'object' && address !== null ? address.port : port
    return { host, port: bound, close: async () => void server.close() }
  },
  connect: (host, port) => {
    const socket = connect({ host, port, noDelay: true, keepAlive: true })
    return connected(socket, 'connect', (reason, cause) => refused(host, port, reason, cause))
  },
}

/** The first address by which others reach this machine, of IPv4 if it has one; undefined when it has none. */
export function outerHost(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  const outer = all.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'))
  return (outer.find(({ family }) => family === 'IPv4') ?? outer[0])?.address
}

/** The error of an address that cannot be reached. */
export function refused(host: string, port: number, why: string, cause?: unknown): HeadwaterError {
  return new HeadwaterError(
    'connection-failed',
    `cannot connect to ${addressText({ host, port })} (${why}): check the address and that a broker runs there`,
    { retriable: true, cause },
  )
}

/**
 * A socket once it is `ready`, in bounded time.
 * @param refuse makes an error of why it never was
 * @param describe makes one of what ended it later
 */
export function connected(
  socket: Socket,
  ready: 'connect' | 'secureConnect',
  refuse: (reason: string, cause?: NodeJS.ErrnoException) => Error,
  describe?: (error: Error) => Error,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string, cause?: NodeJS.ErrnoException): void => {
      socket.destroy()
      reject(refuse(reason, cause))
    }
    const failBy = (error: NodeJS.ErrnoException): void => fail(error.code ?? error.message, error)
    socket.once('error', failBy)
    socket.setTimeout(connectTimeoutMs, () => fail(`no answer in ${connectTimeoutMs} ms`))
    socket.once(ready, () => {
      socket.off('error', failBy)
      socket.setTimeout(0)
      resolve(new SocketDuplex(socket, { isEncrypted: ready === 'secureConnect', describe }))
    })
  })
}

interface SocketDuplexOptions {
  readonly isEncrypted?: boolean
  readonly describe?: ((error: Error) => Error) | undefined
}

class SocketDuplex implements Duplex {
  readonly remote: string
  readonly local: { readonly host: string; readonly port: number }
  readonly isEncrypted: boolean
  readonly #socket: Socket
  #closed = false
  #error: Error | undefined
  #closeCallback: ((error?: Error) => void) | undefined

  constructor(socket: Socket, o: SocketDuplexOptions = {}) {
    this.#socket = socket
    this.isEncrypted = o.isEncrypted ?? false
    this.remote = addressText({
      host: unmapped(socket.remoteAddress ?? 'unknown'),
      port: socket.remotePort ?? 0,
    })
    this.local = { host: unmapped(socket.localAddress ?? ''), port: socket.localPort ?? 0 }
    socket.on('error', (error) => {
      this.#error = o.describe?.(error) ?? error
    })
    socket.on('close', () => {
      this.#closed = true
      this.#closeCallback?.(this.#error)
    })
  }

  write(chunks: readonly Uint8Array[]): boolean {
    const socket = this.#socket
    if (this.#closed || !socket.writable) return true
    if (chunks.length === 1) return socket.write(chunks[0]!)
    socket.cork()
    for (const chunk of chunks) socket.write(chunk)
    socket.uncork()
    return !socket.writableNeedDrain
  }

  drained(): Promise<void> {
    const socket = this.#socket
    if (this.#closed || !socket.writableNeedDrain) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        socket.off('drain', done)
        socket.off('close', done)
        resolve()
      }
      socket.on('drain', done)
      socket.on('close', done)
    })
  }

  onBytes(reader: (chunk: Uint8Array) => void): void {
    // Plain views: the `slice` of a Buffer does not copy, and readers count on one that does.
    this.#socket.on('data', (chunk: Uint8Array) => {
      reader(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    })
  }

  onClose(callback: (error?: Error) => void): void {
    this.#closeCallback = callback
    if (this.#closed) queueMicrotask(() => callback(this.#error))
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  close(): void {
    const socket = this.#socket
    socket.end()
    // The other end may neither read nor hang up, and an open socket would keep the process.
    const timer = setTimeout(() => socket.destroy(), closeTimeoutMs).unref()
    socket.once('close', () => clearTimeout(timer))
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

/** IPv4 addresses arrive as `::ffff:127.0.0.1` on a dual-stack listener. */
function unmapped(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address
}

function startListening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)))
    server.listen({ host, port, backlog }, () => resolve())
  })
}

/** Why an address cannot be listened on, in words that help. */
export function listenError(
  error: NodeJS.ErrnoException,
  host: string,
  port: number,
): HeadwaterError {
  if (error.code === 'EADDRINUSE') {
    return new HeadwaterError(
      'port-in-use',
      `port ${port} on ${hostText(host)} is in use by another process: stop it, or choose another port (0 takes a free one)`,
      { cause: error },
    )
  }
  const why = listenReasons[error.code ?? '']?.(host, port)
  return new HeadwaterError(
    'connection-failed',
    `cannot listen on ${addressText({ host, port })}: ${why ?? `${error.code ?? error.message}; choose an address of this machine and a port you may use`}`,
    { cause: error },
  )
}

const unknownName = (host: string): string =>
  `nobody knows the name ${host}; correct it, or write an address of this machine`
const notOurs = (host: string): string =>
  `${host} is not an address of this machine; choose one that is, or 0.0.0.0 for all of them`

const listenReasons: Readonly<Record<string, (host: string, port: number) => string>> = {
  EACCES: (_, port) => `this user may not take port ${port}; choose one from 1024 on`,
  EADDRNOTAVAIL: notOurs,
  EINVAL: notOurs,
  EAFNOSUPPORT: (host) => `this machine has no IPv6, and ${host} is of it; choose one of IPv4`,
  ENOTFOUND: unknownName,
  EAI_AGAIN: unknownName,
}
