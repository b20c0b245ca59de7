/**
 * A disk in memory that keeps only the promises a real one makes.
 *
 * Contents are durable after `sync` of the file, names after `syncDirectory`; what is not yet durable is
 * kept apart, and a crash keeps of it what the seed decides: writes and truncations whole, dropped, or
 * torn in sectors, in any subset; names created, renamed or removed, or not, in any subset, a rename
 * being one change. Faults are planned by call number (`crashAt`, `failAt`) or by room (`freeBytes`).
 *
 * After the crash every call fails and changes nothing; `afterCrash` is the disk the next start finds.
 */
import { concatBytes } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'
import type { Disk, DiskFile } from '../io/ports.ts'

const sectorBytes = 512
const quickTurns = 4
const slowTurns = 200

/** The error of a planned failure. A write is done in part; after a failed sync the bytes are lost. */
export type SimFault = 'disk-failed' | 'disk-full'

export interface SimDiskOptions {
  readonly seed: number
  /** The call, counted from 1, in the middle of which the machine stops. */
  readonly crashAt?: number
  /** Calls that fail, by number. */
  readonly failAt?: ReadonlyMap<number, SimFault>
  /** Room for file contents. */
  readonly freeBytes?: number
}

type Change =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly size: number }

interface Content {
  /** What reads see. */
  seen: Uint8Array
  size: number
  /** What the device has for sure. */
  durable: Uint8Array
  /** Changes since, in order. */
  pending: Change[]
}

/** A change of names in one directory: `undefined` takes the name away. */
type NameChange = ReadonlyMap<string, Content | undefined>

export class SimDisk implements Disk {
  readonly #options: SimDiskOptions
  readonly #draw: () => number
  #names: Map<string, Content>
  readonly #durableNames: Map<string, Content>
  #nameChanges: { directory: string; change: NameChange }[] = []
  readonly #directories: Set<string>
  readonly #locks = new Set<string>()
  #freeBytes: number
  #calls = 0
  #crashed = false

  constructor(
    options: SimDiskOptions,
    names: ReadonlyMap<string, Content> = new Map(),
    directories: Iterable<string> = [''],
  ) {
    this.#options = options
    this.#draw = seededDraw(options.seed)
    this.#names = new Map(names)
    this.#durableNames = new Map(names)
    this.#directories = new Set(directories)
    this.#freeBytes = options.freeBytes ?? Infinity
  }

  /** Calls so far. */
  get calls(): number {
    return this.#calls
  }

  get crashed(): boolean {
    return this.#crashed
  }

  /** Gives or takes room. */
  set freeBytes(bytes: number) {
    this.#freeBytes = bytes
  }

  /** Stops the machine now. */
  crash(): void {
    this.#crashed = true
  }

  /** The disk that the next start finds, with faults of its own. */
  afterCrash(options: SimDiskOptions): SimDisk {
    this.#crashed = true
    for (const { change } of this.#nameChanges) {
      if (this.#draw() < 0.5) applyNames(this.#durableNames, change)
    }
    const names = new Map<string, Content>()
    const survivors = new Map<Content, Content>()
    for (const [path, content] of this.#durableNames) {
      let survivor = survivors.get(content)
      if (survivor === undefined) {
        survivor = this.#survivor(content)
        survivors.set(content, survivor)
      }
      names.set(path, survivor)
    }
    const directories = new Set(this.#directories)
    for (const path of names.keys()) {
      for (let at = parentOf(path); at !== ''; at = parentOf(at)) directories.add(at)
    }
    return new SimDisk(options, names, directories)
  }

  /** Flips one bit of a file, as bad hardware does. */
  flipBit(path: string, position: number): void {
    const content = this.#content(path)
    content.seen[position]! ^= 1
    content.durable = content.seen.slice(0, content.size)
  }

  /** Cuts a file, as a careless hand does. */
  cut(path: string, size: number): void {
    truncate(this.#content(path), size)
    this.#content(path).durable = this.#content(path).seen.slice(0, size)
  }

  /** A file's size, without a call. */
  sizeOf(path: string): number {
    return this.#content(path).size
  }

  /** All paths, sorted, without a call. */
  paths(): string[] {
    return [...this.#names.keys()].sort()
  }

  open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    return this.#call(() => {
      let content = this.#names.get(path)
      if (content === undefined) {
        if (mode !== 'create') throw missing(path)
        this.#assertDirectory(parentOf(path))
        content = { seen: new Uint8Array(0), size: 0, durable: new Uint8Array(0), pending: [] }
        this.#changeNames(parentOf(path), new Map([[path, content]]))
      }
      return this.#file(content)
    })
  }

  list(directory: string): Promise<string[]> {
    return this.#call(() => {
      const names = new Set<string>()
      for (const path of [...this.#names.keys(), ...this.#directories]) {
        if (!path.startsWith(`${directory}/`)) continue
        names.add(path.slice(directory.length + 1).split('/')[0]!)
      }
      return [...names].sort()
    })
  }

  exists(path: string): Promise<boolean> {
    return this.#call(() => this.#names.has(path) || this.#directories.has(path))
  }

  makeDirectory(path: string): Promise<void> {
    return this.#call(() => {
      for (let at = path; at !== ''; at = parentOf(at)) this.#directories.add(at)
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call(() => {
      const content = this.#content(from)
      const change = new Map([
        [from, undefined],
        [to, content],
      ])
      this.#changeNames(parentOf(to), change)
    })
  }

  remove(path: string): Promise<void> {
    return this.#call(() => {
      this.#directories.delete(path)
      for (const name of this.#names.keys()) {
        if (name !== path && !name.startsWith(`${path}/`)) continue
        this.#changeNames(parentOf(name), new Map([[name, undefined]]))
      }
      for (const directory of this.#directories) {
        if (directory.startsWith(`${path}/`)) this.#directories.delete(directory)
      }
    })
  }

  syncDirectory(path: string): Promise<void> {
    return this.#call(() => {
      this.#assertDirectory(path)
      const waiting = this.#nameChanges
      this.#nameChanges = waiting.filter(({ directory }) => directory !== path)
      for (const { directory, change } of waiting) {
        if (directory === path) applyNames(this.#durableNames, change)
      }
    })
  }

  lock(path: string): Promise<{ release(): Promise<void> }> {
    return this.#call(() => {
      if (this.#locks.has(path)) {
        throw new HeadwaterError(
          'data-dir-locked',
          `${parentOf(path)} is in use: close the other store`,
        )
      }
      this.#locks.add(path)
      return { release: async () => void this.#locks.delete(path) }
    })
  }

  #file(content: Content): DiskFile {
    return {
      read: (position, count) =>
        this.#call(() => content.seen.slice(position, Math.min(position + count, content.size))),
      write: (chunks, position) =>
        this.#call(() => this.#write(content, joined(chunks), position), {
          halfway: () => this.#write(content, this.#beginningOf(joined(chunks)), position),
        }),
      sync: () =>
        this.#call(
          () => {
            content.durable = content.seen.slice(0, content.size)
            content.pending = []
          },
          // After a failed sync the system takes the bytes for written: they read well and are gone.
          { failing: () => (content.pending = []) },
        ),
      truncate: (size) =>
        this.#call(() => {
          truncate(content, size)
          content.pending.push({ kind: 'truncate', size })
        }),
      size: () => this.#call(() => content.size),
      close: () => this.#call(() => undefined),
    }
  }

  /**
   * Every call of the world comes through here: counted, delayed, and cut short when planned.
   * `halfway` is what a stop or a failure leaves of it; `failing` what a failure does besides.
   */
  async #call<T>(
    work: () => T,
    otherwise: { halfway?: () => unknown; failing?: () => unknown } = {},
  ): Promise<T> {
    this.#refuseWhenCrashed()
    const call = ++this.#calls
    for (let turns = this.#turns(); turns > 0; turns--) await Promise.resolve()
    this.#refuseWhenCrashed()
    if (call === this.#options.crashAt) {
      if (this.#draw() < 0.5) work()
      else otherwise.halfway?.()
      this.#crashed = true
      this.#refuseWhenCrashed()
    }
    const fault = this.#options.failAt?.get(call)
    if (fault !== undefined) {
      otherwise.halfway?.()
      otherwise.failing?.()
      throw simulated(fault)
    }
    return work()
  }

  /** How long a call takes, in turns of the microtask queue: mostly short, now and then very long. */
  #turns(): number {
    return this.#draw() * (this.#draw() < 0.05 ? slowTurns : quickTurns)
  }

  #refuseWhenCrashed(): void {
    if (this.#crashed) throw new HeadwaterError('disk-failed', 'the simulated machine has stopped')
  }

  #write(content: Content, bytes: Uint8Array, position: number): void {
    const growth = Math.max(0, position + bytes.length - content.size)
    const fits = growth <= this.#freeBytes
    const written = fits ? bytes : bytes.subarray(0, bytes.length - (growth - this.#freeBytes))
    this.#freeBytes -= Math.min(growth, this.#freeBytes)
    overwrite(content, written, position)
    content.pending.push({ kind: 'write', position, bytes: written })
    if (!fits) throw simulated('disk-full')
  }

  #beginningOf(bytes: Uint8Array): Uint8Array {
    return bytes.subarray(0, Math.floor(this.#draw() * bytes.length))
  }

  #changeNames(directory: string, change: NameChange): void {
    applyNames(this.#names, change)
    this.#nameChanges.push({ directory, change })
  }

  #content(path: string): Content {
    const content = this.#names.get(path)
    if (content === undefined) throw missing(path)
    return content
  }

  #assertDirectory(path: string): void {
    if (!this.#directories.has(path)) throw missing(path)
  }

  /** What is left of a file: its durable bytes, with some of what came later. */
  #survivor(content: Content): Content {
    const seen = content.durable.slice()
    const left: Content = { seen, size: seen.length, durable: seen, pending: [] }
    const keepAll = this.#draw() < 0.2
    const keepNone = !keepAll && this.#draw() < 0.2
    for (const change of keepNone ? [] : content.pending) {
      const luck = keepAll ? 0 : this.#draw()
      if (change.kind === 'truncate') {
        if (luck < 0.5) truncate(left, change.size)
      } else if (luck < 0.4) {
        overwrite(left, change.bytes, change.position)
      } else if (luck < 0.8) {
        this.#tear(left, change.bytes, change.position)
      }
    }
    left.durable = left.seen.slice(0, left.size)
    return left
  }

  /** Writes some sectors of a write; the file may have grown over those that are missing. */
  #tear(content: Content, bytes: Uint8Array, position: number): void {
    const end = position + bytes.length
    for (let start = position; start < end;) {
      const next = Math.min(end, (Math.floor(start / sectorBytes) + 1) * sectorBytes)
      if (this.#draw() < 0.5) {
        overwrite(content, bytes.subarray(start - position, next - position), start)
      }
      start = next
    }
  }
}

function applyNames(names: Map<string, Content>, change: NameChange): void {
  for (const [path, content] of change) {
    if (content === undefined) names.delete(path)
    else names.set(path, content)
  }
}

function overwrite(content: Content, bytes: Uint8Array, position: number): void {
  const end = position + bytes.length
  if (end > content.seen.length) {
    const larger = new Uint8Array(Math.max(end, content.seen.length * 2))
    larger.set(content.seen.subarray(0, content.size))
    content.seen = larger
  }
  content.seen.set(bytes, position)
  content.size = Math.max(content.size, end)
}

function truncate(content: Content, size: number): void {
  const seen = new Uint8Array(size)
  seen.set(content.seen.subarray(0, Math.min(size, content.size)))
  content.seen = seen
  content.size = size
}

/** A copy: the caller's arrays are its own again when the call returns. */
function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return concatBytes(chunks).slice()
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

/** Mulberry32: small, and the same numbers for a seed on every machine. */
function seededDraw(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function missing(path: string): HeadwaterError {
  return new HeadwaterError('not-found', `there is no ${path} on the simulated disk`)
}

function simulated(code: SimFault): HeadwaterError {
  const text = code === 'disk-full' ? 'the simulated disk is full' : 'the simulated disk failed'
  return new HeadwaterError(code, `${text}: this failure was planned`)
}
