/** A process that is spoken with in lines: what it says on its output, what it is told on its input. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export class LineProcess {
  readonly pid: number
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  #errors = ''

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { stdio: 'pipe' })
    this.#child.stderr!.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()))
    this.pid = this.#child.pid!
    this.#lines = createInterface(this.#child.stdout!)[Symbol.asyncIterator]()
  }

  /** What it says next. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error(`process ${this.pid} ended too early:\n${this.#errors}`)
    return value
  }

  /** The next line must be this one. */
  async says(expected: string): Promise<void> {
    const line = await this.line()
    if (line !== expected) throw new Error(`process ${this.pid} said '${line}', not '${expected}'`)
  }

  tell(line: string): void {
    this.#child.stdin!.write(`${line}\n`)
  }

  /** Ends its input and waits until it has gone. */
  async end(): Promise<void> {
    this.#child.stdin!.end()
    if (this.#child.exitCode === null) await once(this.#child, 'close')
  }

  /** Ends it at once, if it has not ended. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }
}
