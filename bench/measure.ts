/**
 * What every bench shares: a child process with its CPU time and peak memory, and numbers shown as a
 * median with their spread. CPU and memory come from /proc, so benches run on Linux.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Clock ticks a second in /proc/PID/stat: 100 on every Linux we run on (`getconf CLK_TCK`). */
const ticksPerSecond = 100

export interface Usage {
  /** User and system time of the process with all its threads, in seconds. */
  readonly cpuSeconds: number
  readonly peakRssMiB: number
  readonly rssMiB: number
}

export interface Finished {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number | null
  readonly wallSeconds: number
  readonly usage: Usage
}

/** The CPU time and memory a living process has used so far. */
export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    peakRssMiB: kibibytes(status, 'VmHWM') / 1024,
    rssMiB: kibibytes(status, 'VmRSS') / 1024,
  }
}

/** Runs a command to its end, watching what it uses. */
export async function runMeasured(command: string, args: readonly string[]): Promise<Finished> {
  const started = performance.now()
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  let usage: Usage = { cpuSeconds: 0, peakRssMiB: 0, rssMiB: 0 }
  const watch = setInterval(() => (usage = lastUsage(child, usage)), 20)
  const exitCode = await new Promise<number | null>((resolve) => child.on('close', resolve))
  clearInterval(watch)
  const wallSeconds = (performance.now() - started) / 1000
  return { stdout, stderr, exitCode, wallSeconds, usage }
}

function lastUsage(child: ChildProcess, before: Usage): Usage {
  try {
    const now = usageOf(child.pid!)
    return now.peakRssMiB > 0 ? now : before
  } catch {
    return before
  }
}

function kibibytes(status: string, field: string): number {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0)
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** `151,200 (min 140,011, max 160,500)`. */
export function spread(values: readonly number[], digits = 0): string {
  const show = (value: number) =>
    value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits })
  return `${show(median(values))} (${show(Math.min(...values))}–${show(Math.max(...values))})`
}
