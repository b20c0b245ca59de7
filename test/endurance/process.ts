/** A client as a process: its lines one by one, and its end. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Command } from './families.ts'

const lastLinesKept = 10

export class ClientProcess {
  readonly #child: ChildProcess
  readonly #gone: Promise<unknown>
  readonly lastLines: string[] = []

  /** @param onLine told each line of its standard output and of its standard error */
  constructor({ file, args, feeds = false }: Command, onLine: (line: string) => void) {
    const child = spawn(file, args, { stdio: [feeds ? 'pipe' : 'ignore', 'pipe', 'pipe'] })
    this.#child = child
    this.#gone = once(child, 'close')
    // It may end while something is on the way to it.
    child.stdin?.on('error', () => {})
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface(stream).on('line', (line) => {
        this.lastLines.push(line)
        if (this.lastLines.length > lastLinesKept) this.lastLines.shift()
        onLine(line)
      })
    }
  }

  /** How it ended; undefined while it runs. */
  get ended(): string | undefined {
    const { exitCode, signalCode } = this.#child
    return signalCode ?? (exitCode === null ? undefined : `exit code ${exitCode}`)
  }

  feed(line: string): void {
    this.#child.stdin!.write(`${line}\n`)
  }

  /** It is told that nothing more comes; one that does not end by that is signalled. */
  async close(patienceMs: number): Promise<void> {
    this.#child.stdin?.end()
    const timer = setTimeout(() => this.#child.kill('SIGTERM'), patienceMs)
    await this.#gone
    clearTimeout(timer)
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#gone
  }
}
