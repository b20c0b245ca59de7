/** Our broker as a process of its own, by the command that users have, to be killed and started again. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { join } from 'node:path'
import type { Address } from './addresses.ts'
import { pause } from './waiting.ts'

const main = join(import.meta.dirname, '../../src/cli/main.ts')
const attemptsMax = 20

export class BrokerProcess {
  readonly #directory: string
  readonly #onDeath: (how: string) => void
  #child: ChildProcess | undefined
  #port = 0
  #isOver = false
  isUp = false

  /**
   * @param directory for its data and its log
   * @param onDeath told when it ended and nobody had ended it
   */
  constructor(directory: string, onDeath: (how: string) => void) {
    this.#directory = directory
    this.#onDeath = onDeath
  }

  get address(): Address {
    return { host: '127.0.0.1', port: this.#port }
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Resolves when it listens: on a port that the system chose, and later on the same one. */
  async start(): Promise<void> {
    for (let attempt = 1; attempt <= attemptsMax && !this.#isOver; attempt++) {
      const port = await this.#listening()
      if (port !== undefined && !this.#isOver) {
        this.#port = port
        this.isUp = true
        return
      }
      // The port may be that of somebody's outgoing connection for a moment.
      await pause(250)
    }
    throw new Error(`the broker does not start: see ${this.#directory}/broker.log`)
  }

  /** Signals it and resolves when it is gone. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.isUp = false
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }

  /** SIGKILL for good, without waiting. */
  kill(): void {
    this.#isOver = true
    this.isUp = false
    this.#child?.kill('SIGKILL')
  }

  /** The port of a broker that was started; undefined when it ended instead. */
  async #listening(): Promise<number | undefined> {
    const log = openSync(join(this.#directory, 'broker.log'), 'a')
    const data = join(this.#directory, 'broker')
    const args = ['broker', '--json', '--durability', 'disk', '--dir', data]
    const child = spawn(process.execPath, [main, ...args, '--port', String(this.#port)], {
      stdio: ['ignore', 'pipe', log],
    })
    this.#child = child
    child.on('exit', (code, signal) => {
      if (!this.isUp || this.#child !== child) return
      this.isUp = false
      this.#onDeath(signal ?? `code ${code}`)
    })
    const line = once(child.stdout!, 'data').then(([chunk]: Buffer[]) => String(chunk))
    const said = await Promise.race([line, once(child, 'exit').then(() => undefined)])
    return said === undefined ? undefined : (JSON.parse(said) as Address).port
  }
}
