/** Starts our own broker and the airline example as a user would: as children. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { runMeasured, type Finished } from './measure.ts'

const main = join(import.meta.dirname, '../src/cli/main.ts')
const example = join(import.meta.dirname, '../examples/airline/main.ts')

export interface BrokerProcess {
  readonly port: number
  readonly pid: number
  /** Milliseconds from the start of the process until it said where it listens. */
  readonly readyMs: number
  stop(): Promise<void>
}

/** What `npm start -- --exit --json` prints. */
export interface AirlineResult {
  readonly flights: number
  readonly disruptions: number
  readonly airportDays: number
  readonly seconds: number
  readonly flightsPerSecond: number
}

/** A directory of its own for each run; the caller removes it. */
export function freshDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'headwater-bench-'))
}

export async function startBroker(args: readonly string[] = []): Promise<BrokerProcess> {
  const directory = freshDirectory()
  const started = performance.now()
  const child = spawn(
    process.execPath,
    [main, 'broker', '--json', '--port', '0', '--dir', directory, ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  const readyMs = performance.now() - started
  const { port } = JSON.parse(line) as { port: number }
  const stop = async () => {
    child.kill('SIGINT')
    await once(child, 'close')
    rmSync(directory, { recursive: true, force: true })
  }
  return { port, pid: child.pid!, readyMs, stop }
}

/** Runs the example to its end in `directory`. */
export async function runAirline(
  directory: string,
  flights: number,
): Promise<Finished & { readonly result: AirlineResult }> {
  const finished = await runMeasured(process.execPath, airlineArguments(directory, flights))
  if (finished.exitCode !== 0) throw new Error(`the example failed:\n${finished.stderr}`)
  return { ...finished, result: JSON.parse(finished.stdout) as AirlineResult }
}

/** The command line of one run that ends by itself, on free ports. */
export function airlineArguments(directory: string, flights: number): string[] {
  const ports = ['--port', '0', '--query-port', '0']
  return [example, '--exit', '--json', '--dir', directory, '--flights', `${flights}`, ...ports]
}
