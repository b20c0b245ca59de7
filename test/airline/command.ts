/** Runs `headwater` and the example as a process of its own, as a user does. */
import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { AirlineResult } from '../../examples/airline/result.ts'

const main = join(import.meta.dirname, '../../src/cli/main.ts')
const example = join(import.meta.dirname, '../../examples/airline/main.ts')

export interface CommandRun {
  /** The exit code; null when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A program that is running: `headwater`, or the file given. */
export class Command {
  readonly process: ChildProcessWithoutNullStreams
  readonly ended: Promise<CommandRun>
  stdout = ''
  stderr = ''

  constructor(
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    program = main,
    cwd = process.cwd(),
  ) {
    this.process = spawn(process.execPath, [program, ...args], {
      cwd,
      env: { ...process.env, NO_COLOR: '1', ...env },
    })
    this.process.stdin.end()
    this.process.stdout.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()))
    this.process.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()))
    this.ended = once(this.process, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }))
  }

  /** Resolves when standard output holds `text`; rejects when the process ends before. */
  async printed(text: string): Promise<void> {
    while (!this.stdout.includes(text)) {
      const ended = await Promise.race([
        once(this.process.stdout, 'data').then(() => undefined),
        this.ended,
      ])
      if (ended && !this.stdout.includes(text)) {
        throw new Error(`it ended with ${ended.code} and never printed '${text}': ${ended.stderr}`)
      }
    }
  }
}

/** Runs a command to its end. */
export function runCommand(args: readonly string[]): Promise<CommandRun> {
  return new Command(args).ended
}

/** `npm start` on free ports, until the end of its input. */
export function startAirline(args: readonly string[]): Command {
  const ports = args.includes('--broker') ? [] : ['--port', '0']
  return new Command(['--exit', '--json', '--query-port', '0', ...ports, ...args], {}, example)
}

/** What `npm start` printed at the end of its input. */
export async function runAirline(args: readonly string[]): Promise<AirlineResult> {
  const { code, stdout, stderr } = await startAirline(args).ended
  if (code !== 0) throw new Error(`npm start ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as AirlineResult
}
