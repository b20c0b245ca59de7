/**
 * The one door to the world: clock, randomness, disk, network and HTTP as interfaces.
 *
 * Everything above this room reaches the world only through these, so a whole system of broker, clients
 * and services runs in one process, in simulated time, from one seed. `node-*.ts` beside this file are
 * the real ones; the simulated ones live in `testing`.
 *
 * Ownership: a byte array handed to `write` belongs to the port until the promise settles (disk) or for
 * good (network), so its owner does not change it afterwards.
 */

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall clock: milliseconds since 1970. It may jump. */
  now(): number
  /** Milliseconds since some start, with fractions; it never goes back. */
  monotonic(): number
  /** Calls `callback` once after `delayMs`. A timer never keeps a process alive by itself. */
  after(delayMs: number, callback: () => void): Timer
  /** Calls `callback` once, after what is queued now and before the clock moves on. */
  soon(callback: () => void): void
}

export interface Random {
  /** `count` random bytes. */
  bytes(count: number): Uint8Array
}

/** A file opened by `Disk.open`. Calls on one file may overlap; the caller orders what must be ordered. */
export interface DiskFile {
  /** Reads up to `count` bytes at `position`; fewer only at the end of the file. */
  read(position: number, count: number): Promise<Uint8Array>
  /** Writes all of `chunks`, one after the other, from `position` on. */
  write(chunks: readonly Uint8Array[], position: number): Promise<void>
  /** Returns when everything written before is on the device (fdatasync). */
  sync(): Promise<void>
  truncate(size: number): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

/** Paths are absolute or relative to the process, with `/` between names. Failures are `HeadwaterError`s:
 * `disk-full`, `not-found`, `too-many-files` (of the system's descriptors) or `disk-failed`. */
export interface Disk {
  /** `create` makes the file when it is missing and opens it as it is when it is there. */
  open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile>
  /** Names in a directory, sorted; empty when the directory is missing. */
  list(directory: string): Promise<string[]>
  exists(path: string): Promise<boolean>
  /** Bytes of a file, without opening it; undefined when it is missing. */
  fileSize(path: string): Promise<number | undefined>
  /** Makes the directory and its parents; the names it made are durable when it returns. */
  makeDirectory(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** Removes a file, or a directory with everything in it; nothing when it is missing. */
  remove(path: string): Promise<void>
  /** Makes names created, renamed or removed in `path` durable (fsync of the directory). */
  syncDirectory(path: string): Promise<void>
  /** What the file is, whatever it is called: the same after a rename and another for a copy. */
  identify(path: string): Promise<string>
  /** Takes the lock file at `path` for this process; `data-dir-locked` when another process has it.
   * It is given back by `release` and by the end of the process, however it ends. */
  lock(path: string): Promise<Lock>
}

export interface Lock {
  /** Makes sure of it; `data-dir-locked` when another process has, or had, it meanwhile. */
  check(): Promise<void>
  release(): Promise<void>
}

/** One end of a byte stream: a TCP connection, or a pipe inside the process. */
export interface Duplex {
  /** A name for people: the other end's address. */
  readonly remote: string
  /** The address the other end dialled, as far as this end knows it. */
  readonly local: { readonly host: string; readonly port: number }
  /** What is written is encrypted on its way. */
  readonly isEncrypted?: boolean
  /** Sends chunks in order. Returns false when the other end is slow: wait for `drained` before more. */
  write(chunks: readonly Uint8Array[]): boolean
  /** Resolves when a `write` that returned false has gone out, and at once otherwise or when closed. */
  drained(): Promise<void>
  /** Sets the one reader of bytes. Chunks belong to the reader. Bytes that came before are kept for it. */
  onBytes(reader: (chunk: Uint8Array) => void): void
  /** Called once when either end closes; `error` when it was not in good order. */
  onClose(callback: (error?: Error) => void): void
  /** Stops or resumes reading, for back-pressure. */
  pause(): void
  resume(): void
  /** Ends the stream after what was written, given that the other end reads; `destroy` at once. */
  close(): void
  destroy(): void
}

export interface Listener {
  readonly host: string
  readonly port: number
  /** Stops accepting; open connections live on. */
  close(): Promise<void>
}

export interface Network {
  /** Listens; `port` 0 takes a free one. `port-in-use` names the port and the fix. */
  listen(host: string, port: number, accept: (connection: Duplex) => void): Promise<Listener>
  /** Connects; `connection-failed` names the address. */
  connect(host: string, port: number): Promise<Duplex>
}

export interface HttpListener {
  readonly host: string
  readonly port: number
  /** Stops accepting and ends every connection, so that no silent client holds it up. */
  close(): Promise<void>
}

export interface Http {
  /**
   * Answers requests; `port` 0 takes a free one. `port-in-use` names the port and the fix.
   * @param stallMsMax how long a client may take nothing of its answer; a minute when left out
   */
  listen(
    host: string,
    port: number,
    answer: (request: Request) => Response | Promise<Response>,
    stallMsMax?: number,
  ): Promise<HttpListener>
  readonly ask: HttpAsk
}

/**
 * Asks by GET, or by POST where there is a body, and waits for the whole answer, whatever its status.
 * `connection-failed` when nobody answers, `timeout` when it takes longer than `timeoutMs`, `query-failed` when what
 * is answered is longer than `bytesMax`.
 */
export type HttpAsk = (
  url: string,
  o: {
    readonly headers: Readonly<Record<string, string>>
    readonly timeoutMs: number
    readonly body?: Uint8Array<ArrayBuffer>
    readonly bytesMax: number
  },
) => Promise<HttpAnswer>

export interface HttpAnswer {
  readonly status: number
  /** The media type with its parameters; empty when none was sent. */
  readonly type: string
  readonly headers: Headers
  readonly body: Uint8Array<ArrayBuffer>
}

/**
 * Asks by GET, and gives the answer's body as it comes, which may be for good. `connection-failed` when nobody
 * answers; `timeout` when nothing is answered within `timeoutMs`, and of the body when nothing comes for
 * `quietMsMax`; `connection-lost` when the body breaks off. Who stops taking the body ends the connection.
 * @param o.signal ends all of it at once; what is awaited then rejects
 */
export type HttpFollow = (
  url: string,
  o: {
    readonly headers: Readonly<Record<string, string>>
    readonly timeoutMs: number
    readonly quietMsMax: number
    readonly signal: AbortSignal
  },
) => Promise<HttpStream>

export interface HttpStream extends Omit<HttpAnswer, 'body'> {
  readonly body: AsyncIterable<Uint8Array<ArrayBuffer>>
}

/**
 * How a client reaches a broker address: `Network.connect`, the same over TLS, or a pipe into an embedded
 * broker.
 */
export type Dial = (host: string, port: number) => Promise<Duplex>

/** What a client of TLS trusts and shows. Certificates and keys are texts in PEM. */
export interface TlsOptions {
  /** Authorities that brokers' certificates are signed by; those that Node comes with when left out. */
  readonly ca?: string
  /** The certificate of this client, and those between it and its authority. */
  readonly cert?: string
  /** The key of `cert`. */
  readonly key?: string
  /** The password of `key`. */
  readonly passphrase?: string
  /** The name a broker's certificate must be for; the host that is dialled when left out. */
  readonly servername?: string
}
