/**
 * A disk in memory that keeps only the promises a real one makes.
 *
 * Contents are durable after `sync` of the file, names after `syncDirectory`; what is not yet durable is
 * kept apart, and a crash keeps of it what the seed decides: writes and truncations whole, dropped, or
 * torn in sectors, in any subset; names created, renamed or removed, or not, in any subset, a rename
 * being one change. A sync covers what was done before it began, not what is done meanwhile.
 *
 * Faults are planned by call number (`crashAt`, `failAt`) or by room (`freeBytes`). After the crash
 * nothing changes any more; `afterCrash` is the disk the next start finds, and `afterKill` the one a new
 * process finds on a machine that went on.
 */
import { concatBytes } from '../base/bytes.ts'
import { HeadwaterError } from '../base/errors.ts'
import type { Clock, Disk, DiskFile, Lock } from '../io/ports.ts'
import { seededDraw } from './seed.ts'
import type { Draw } from './seed.ts'
import { makeDurable, newContent, overwrite, survivorOf, truncate } from './sim-file.ts'
import type { Content } from './sim-file.ts'
import { SimLocks } from './sim-locks.ts'

const quickTurns = 4
const slowTurns = 200
const quickMs = 1
const slowMs = 40

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
  /** Makes calls take simulated time; without a clock they take turns of the microtask queue. */
  readonly clock?: Clock
  /** Told of every call as it begins. */
  readonly onCall?: (call: number, kind: SimDiskCall) => void
  /**
   * Told once that the machine has stopped. What ran on it is gone then: its calls never settle.
   * Without it they fail, which is for tests that have no processes.
   */
  readonly onCrash?: () => void
}

export type SimDiskCall = Exclude<keyof Disk | keyof DiskFile, symbol>

/** A change of names in one directory: `undefined` takes the name away. */
type NameChange = ReadonlyMap<string, Content | undefined>

export class SimDisk implements Disk {
  readonly #options: SimDiskOptions
  readonly #draw: Draw
  #names: Map<string, Content>
  readonly #durableNames: Map<string, Content>
  #nameChanges: { directory: string; change: NameChange }[] = []
  readonly #directories: Set<string>
  readonly locks = new SimLocks()
  #freeBytes: number
  #lastId = 0
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

  get freeBytes(): number {
    return this.#freeBytes
  }

  /** Gives or takes room; what is removed or cut off gives back its own. */
  set freeBytes(bytes: number) {
    this.#freeBytes = bytes
  }

  /** Stops the machine now. */
  crash(): void {
    if (this.#crashed) return
    this.#crashed = true
    this.#options.onCrash?.()
  }

  /** The disk that the next process finds when only the last one stopped: all that was written. */
  afterKill(options: SimDiskOptions): SimDisk {
    this.#crashed = true
    const disk = new SimDisk(options, this.#durableNames, this.#directories)
    disk.#names = new Map(this.#names)
    disk.#lastId = this.#lastId
    disk.#nameChanges = [...this.#nameChanges]
    return disk
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
        survivor = survivorOf(content, this.#draw)
        survivors.set(content, survivor)
      }
      names.set(path, survivor)
    }
    const directories = new Set(this.#directories)
    for (const path of names.keys()) {
      for (let at = parentOf(path); at !== ''; at = parentOf(at)) directories.add(at)
    }
    const disk = new SimDisk(options, names, directories)
    disk.#lastId = this.#lastId
    return disk
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
    return this.#call('open', () => {
      let content = this.#names.get(path)
      if (content === undefined) {
        if (mode !== 'create') throw missing(path)
        this.#assertDirectory(parentOf(path))
        content = this.#make(path)
      }
      return this.#file(content)
    })
  }

  list(directory: string): Promise<string[]> {
    return this.#call('list', () => {
      const names = new Set<string>()
      for (const path of [...this.#names.keys(), ...this.#directories]) {
        if (!path.startsWith(`${directory}/`)) continue
        names.add(path.slice(directory.length + 1).split('/')[0]!)
      }
      return [...names].sort()
    })
  }

  exists(path: string): Promise<boolean> {
    return this.#call('exists', () => this.#names.has(path) || this.#directories.has(path))
  }

  fileSize(path: string): Promise<number | undefined> {
    return this.#call('fileSize', () => this.#names.get(path)?.size)
  }

  makeDirectory(path: string): Promise<void> {
    return this.#call('makeDirectory', () => {
      for (let at = path; at !== ''; at = parentOf(at)) this.#directories.add(at)
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call('rename', () => {
      if (!this.#directories.has(from)) this.#content(from)
      const change = new Map<string, Content | undefined>()
      for (const [name, content] of this.#names) {
        if (name !== from && !name.startsWith(`${from}/`)) continue
        change.set(name, undefined)
        change.set(to + name.slice(from.length), content)
      }
      if (this.#directories.delete(from)) this.#directories.add(to)
      this.#changeNames(parentOf(to), change)
    })
  }

  remove(path: string): Promise<void> {
    return this.#call('remove', () => {
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
    const asked = new Set(this.#nameChanges.filter((it) => this.#homeOf(it.directory) === path))
    return this.#call('syncDirectory', () => {
      this.#assertDirectory(path)
      this.#nameChanges = this.#nameChanges.filter((waiting) => {
        if (asked.has(waiting)) applyNames(this.#durableNames, waiting.change)
        return !asked.has(waiting)
      })
    })
  }

  identify(path: string): Promise<string> {
    return this.#call('identify', () => String(this.#content(path).id))
  }

  lock(path: string): Promise<Lock> {
    return this.#call('lock', () => {
      const holder = this.locks.take(path)
      if (!this.#names.has(path)) this.#make(path)
      return {
        check: () => this.#call('lock', () => this.locks.check(path, holder)),
        release: async () => this.locks.release(path, holder),
      }
    })
  }

  #file(content: Content): DiskFile {
    return {
      read: (position, count) =>
        this.#call('read', () =>
          content.seen.slice(position, Math.min(position + count, content.size)),
        ),
      write: (chunks, position) =>
        this.#call('write', () => this.#write(content, joined(chunks), position), {
          halfway: () => this.#write(content, this.#beginningOf(joined(chunks)), position),
        }),
      sync: () => {
        const last = content.pending.at(-1)
        // After a failed sync the system takes the bytes for written: they read well and are gone.
        const failing = (): unknown => (content.pending = [])
        return this.#call('sync', () => makeDurable(content, last), { failing })
      },
      truncate: (size) =>
        this.#call('truncate', () => {
          this.#freeBytes += Math.max(0, content.size - size)
          truncate(content, size)
          content.pending.push({ kind: 'truncate', size })
        }),
      size: () => this.#call('size', () => content.size),
      close: () => this.#call('close', () => undefined),
    }
  }

  /**
   * Every call of the world comes through here: counted, delayed, and cut short when planned.
   * `halfway` is what a stop or a failure leaves of it; `failing` what a failure does besides.
   */
  async #call<T>(
    kind: SimDiskCall,
    work: () => T,
    otherwise: { halfway?: () => unknown; failing?: () => unknown } = {},
  ): Promise<T> {
    if (this.#crashed) await this.#stopped()
    const call = ++this.#calls
    this.#options.onCall?.(call, kind)
    await this.#delay()
    if (this.#crashed) await this.#stopped()
    if (call === this.#options.crashAt) {
      if (this.#draw() < 0.5) work()
      else otherwise.halfway?.()
      this.crash()
      await this.#stopped()
    }
    const fault = this.#options.failAt?.get(call)
    if (fault !== undefined) {
      otherwise.halfway?.()
      otherwise.failing?.()
      throw simulated(fault)
    }
    return work()
  }

  /** A call is mostly short and now and then very long. */
  async #delay(): Promise<void> {
    const isSlow = this.#draw() < 0.05
    const share = this.#draw()
    const { clock } = this.#options
    if (clock !== undefined) {
      const delayMs = share * (isSlow ? slowMs : quickMs)
      return new Promise((resolve) => void clock.after(delayMs, resolve))
    }
    for (let turns = share * (isSlow ? slowTurns : quickTurns); turns > 0; turns--) {
      await Promise.resolve()
    }
  }

  #stopped(): Promise<never> {
    if (this.#options.onCrash !== undefined) return new Promise(() => {})
    const text = 'the simulated machine has stopped'
    return Promise.reject(new HeadwaterError('disk-failed', text))
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

  #make(path: string): Content {
    const content = newContent(++this.#lastId)
    this.#changeNames(parentOf(path), new Map([[path, content]]))
    return content
  }

  #changeNames(directory: string, change: NameChange): void {
    const before = [...change.keys()].map((path) => this.#names.get(path))
    applyNames(this.#names, change)
    const there = new Set(this.#names.values())
    for (const content of before) {
      if (content !== undefined && !there.has(content)) this.#freeBytes += content.size
    }
    this.#nameChanges.push({ directory, change })
  }

  #content(path: string): Content {
    const content = this.#names.get(path)
    if (content === undefined) throw missing(path)
    return content
  }

  /** The directory that says whether names in another are there: what was in one that is gone goes with it. */
  #homeOf(directory: string): string {
    let at = directory
    while (!this.#directories.has(at) && at !== '') at = parentOf(at)
    return at
  }

  #assertDirectory(path: string): void {
    if (!this.#directories.has(path)) throw missing(path)
  }
}

function applyNames(names: Map<string, Content>, change: NameChange): void {
  for (const [path, content] of change) {
    if (content === undefined) names.delete(path)
    else names.set(path, content)
  }
}

/** A copy: the caller's arrays are its own again when the call returns. */
function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return concatBytes(chunks).slice()
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

function missing(path: string): HeadwaterError {
  return new HeadwaterError('not-found', `there is no ${path} on the simulated disk`)
}

function simulated(code: SimFault): HeadwaterError {
  const text = code === 'disk-full' ? 'the simulated disk is full' : 'the simulated disk failed'
  return new HeadwaterError(code, `${text}: this failure was planned`)
}
