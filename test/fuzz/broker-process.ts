/** `headwater broker` as a child process, with what it uses and what it says. Linux only: /proc tells. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const main = join(import.meta.dirname, '../../src/cli/main.ts')
/** Clock ticks a second in /proc/PID/stat: 100 on every Linux we run on. */
const ticksPerSecond = 100
const linesKept = 30

export class BrokerProcess {
  readonly port: number
  /** Lines the broker printed: how many, and the last of them. */
  lineCount = 0
  readonly lastLines: string[] = []
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
    createInterface(child.stderr!).on('line', (line) => this.#note(line))
  }

  static async start(directory: string): Promise<BrokerProcess> {
    const args = [main, 'broker', '--json', '--port', '0', '--dir', directory]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const lines = createInterface(child.stdout)
    const first = once(lines, 'line') as Promise<[string]>
    const died = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`the broker did not start: exit code ${code ?? signal}`)
    })
    const [line] = await Promise.race([first, died])
    died.catch(() => {})
    return new BrokerProcess(child, (JSON.parse(line) as { port: number }).port)
  }

  /** How it ended, when it has. */
  get ended(): string | undefined {
    const { exitCode, signalCode } = this.#child
    if (exitCode === null && signalCode === null) return undefined
    return `exit code ${exitCode ?? signalCode}`
  }

  /** Milliseconds of CPU it has used so far. */
  get cpuMs(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return ((Number(fields[11]) + Number(fields[12])) * 1_000) / ticksPerSecond
  }

  get rssMiB(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024
  }

  async stop(): Promise<void> {
    if (this.ended !== undefined) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await exited
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  #note(line: string): void {
    this.lineCount++
    this.lastLines.push(line)
    if (this.lastLines.length > linesKept) this.lastLines.shift()
  }
}
