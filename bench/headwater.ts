/** Starts our own broker and the airline example as a user would: as children. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { runMeasured, type Finished } from './measure.ts'

const here = join(import.meta.dirname, '..')

export interface BrokerProcess {
  readonly port: number
  readonly pid: number
  /** Milliseconds from the start of the process until it said where it listens. */
  readonly readyMs: number
  stop(): Promise<void>
  /** Ends it by SIGKILL; its directory stays. */
  kill(): Promise<void>
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

/**
 * @param home the checkout whose broker it is
 * @param command the file that Node starts, if it is not the one of the sources
 */
export async function startBroker(
  args: readonly string[] = [],
  home: string = here,
  command: string = commandOf(home),
): Promise<BrokerProcess> {
  const directory = freshDirectory()
  const started = performance.now()
  const child = spawn(
    process.execPath,
    [command, 'broker', '--json', '--port', '0', '--dir', directory, ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  const readyMs = performance.now() - started
  const { port } = JSON.parse(line) as { port: number }
  // A bench that fails leaves nobody behind who holds its output open.
  const end = () => child.kill('SIGKILL')
  process.once('exit', end)
  const stop = async () => {
    process.off('exit', end)
    child.kill('SIGINT')
    await once(child, 'close')
    rmSync(directory, { recursive: true, force: true })
  }
  const kill = async () => {
    end()
    await once(child, 'close')
  }
  return { port, pid: child.pid!, readyMs, stop, kill }
}

/** Runs the example to its end in `directory`, as it is in the checkout `home`. */
export async function runAirline(
  directory: string,
  flights: number,
  home: string = here,
): Promise<Finished & { readonly result: AirlineResult }> {
  const finished = await runMeasured(process.execPath, airlineArguments(directory, flights, home))
  if (finished.exitCode !== 0) throw new Error(`the example failed:\n${finished.stderr}`)
  return { ...finished, result: JSON.parse(finished.stdout) as AirlineResult }
}

/** The command line of one run that ends by itself, on free ports. */
export function airlineArguments(
  directory: string,
  flights: number,
  home: string = here,
): string[] {
  const exit = ['--exit', '--json', '--dir', directory, '--flights', `${flights}`]
  return [...exampleOf(home), ...exit, '--port', '0', '--query-port', '0']
}

/** The command as `npm run headwater` starts it; older checkouts start their sources. */
function commandOf(home: string): string {
  const command = join(home, 'bin/headwater.mjs')
  return existsSync(command) ? command : join(home, 'src/cli/main.ts')
}

/** The command as the package has it, once `npm run build` has made it. */
export function packagedCommand(home: string = here): string {
  return join(home, 'dist/cli/main.js')
}

/** The example of a checkout: a program of its own, or in older ones the command's `start`. */
function exampleOf(home: string): string[] {
  const program = join(home, 'examples/airline/main.ts')
  return existsSync(program) ? [program] : [commandOf(home), 'start']
}
