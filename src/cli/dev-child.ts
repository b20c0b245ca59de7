/**
 * The process of the services of `headwater dev`, from both sides: the parent starts and stops it, and what runs
 * inside it loads the module. A module that exports services has them hosted; one that exports none is a program
 * that runs them itself, on the broker that `HEADWATER_BROKER` names.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { inspect } from 'node:util'
import { isHeadwaterError } from '../base/errors.ts'
import { nodeClock } from '../io/node-clock.ts'
import { develop } from '../io/node-process.ts'
import { moduleUrl, toRun } from './modules.ts'
import { exitCodes, printError, printNote } from './output.ts'
import { hostAll } from './run.ts'

/** How long services may take to commit and say goodbye before a new start; then they are killed. */
const stopMsMax = 5_000

export interface ServicesProcess {
  /** Resolves with how it ended by itself. */
  readonly ended: Promise<string>
  /** Asks it to stop, waits for its end, and tells when it had to be killed. */
  stop(): Promise<string | undefined>
}

export interface ServicesOptions {
  readonly queryPort: number
  readonly database?: string
  readonly json?: boolean
}

/** Starts the module's process, with the command that runs this one. */
export function startServices(
  file: string,
  broker: string,
  { queryPort, json }: ServicesOptions,
): ServicesProcess {
  const flags = ['--query-port', String(queryPort), ...(json ? ['--json'] : [])]
  const args = [process.argv[1]!, 'dev-services', ...flags, '--', file]
  const child = spawn(process.execPath, args, {
    // A group of its own: Ctrl-C in a terminal reaches the parent alone, which asks once.
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, HEADWATER_BROKER: broker },
  })
  const exited = once(child, 'exit') as Promise<[code: number | null, signal: string | null]>
  return {
    ended: exited.then(
      ([code, signal]) => `the services ended with ${signal ?? `exit code ${code}`}`,
    ),
    stop: async () => {
      child.kill('SIGTERM')
      let killed: string | undefined
      const timer = nodeClock.after(stopMsMax, () => {
        killed = `the services did not stop within ${stopMsMax} ms, and were killed`
        child.kill('SIGKILL')
      })
      await exited
      timer.cancel()
      return killed
    },
  }
}

/** What runs inside the process. */
export async function runServices(file: string, options: ServicesOptions): Promise<void> {
  endWithParent()
  const broker = process.env['HEADWATER_BROKER']!
  develop({ broker, tell: printNote })
  const all = toRun(await exportsToShow(file))
  if (all.services.length + all.sinks.length === 0) return
  // Whoever develops reads along, also where the output is not a terminal's.
  const logFormat = options.json ? 'json' : 'pretty'
  const own = { dir: '', port: 0, durability: 'disk', logFormat, createTables: true } as const
  await hostAll(all, { ...options, ...own, broker })
}

/** Services without their broker would wait for it for ever, and nobody would know of them. */
function endWithParent(): void {
  process.on('disconnect', () => process.exit(exitCodes.failed))
  // A program that has done all it had to do may end.
  process.channel?.unref()
}

/** An error in the user's code is shown as Node shows it: where it is, and the way there. */
async function exportsToShow(file: string): Promise<unknown[]> {
  try {
    return Object.values((await import(moduleUrl(file))) as Record<string, unknown>)
  } catch (error) {
    if (isHeadwaterError(error)) process.exit(printError(error, false))
    process.stderr.write(`${inspect(error)}\n`)
    process.exit(exitCodes.failed)
  }
}
