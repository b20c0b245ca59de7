/** This process: how much it may have open, what keeps it from ending while no socket shows its work, and how
 * it loads its code. */
import { readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'

/** Longer than any process lives between two of its ticks; nothing happens when it fires. */
const holdMs = 0x7fff_ffff

/**
 * Holds the process open until the returned function is called. Sockets do so by themselves and timers of
 * `nodeClock` never do, so without it a process that waits to reconnect would end in the pause.
 */
export function holdProcess(): () => void {
  const timer = setInterval(() => {}, holdMs)
  return () => clearInterval(timer)
}

/**
 * What is imported from here on is compiled once, not at each start: Node keeps it in the system's directory
 * for temporary files (`NODE_DISABLE_COMPILE_CACHE=1` forbids it).
 */
export function compileOnce(): void {
  enableCompileCache()
}

/**
 * How many files and connections this process may have open (`ulimit -n`). Asked of Linux only, where that is
 * one small file; elsewhere nobody has counted.
 */
export function descriptorsMax(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity)
  } catch {
    return Infinity
  }
}

/** A variable of the environment; undefined when it is not set, or empty. */
export function environment(name: string): string | undefined {
  return process.env[name] || undefined
}

/** The variables of the environment whose names begin so, in order. */
export function environmentNames(prefix: string): string[] {
  return Object.keys(process.env)
    .filter((name) => name.startsWith(prefix))
    .sort()
}

/** The broker of `headwater dev`, for programs that run in its process, and where to say what is done for them. */
export interface Development {
  /** `host:port`, as the program is told it. */
  readonly broker: string
  readonly tell: (line: string) => void
}

/** Known to every copy of this package in the process: the program may have loaded another one. */
const developmentKey = Symbol.for('headwater.development')

/** Says that this process is one of `headwater dev`. */
export function develop(development: Development): void {
  Object.assign(globalThis, { [developmentKey]: development })
}

/** Undefined in every process but those of `headwater dev`. */
export function development(): Development | undefined {
  return (globalThis as { [developmentKey]?: Development })[developmentKey]
}
