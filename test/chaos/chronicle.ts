/** What happened in a run, in order, by the run's own clock. */
import { createWriteStream } from 'node:fs'
import type { WriteStream } from 'node:fs'

export class Chronicle {
  readonly #startedAt = performance.now()
  readonly #lines: string[] = []
  readonly #file: WriteStream
  readonly #show: (line: string) => void

  /** @param show told of what a person who waits should see; the rest is only kept */
  constructor(path: string, show: (line: string) => void) {
    this.#file = createWriteStream(path)
    this.#show = show
  }

  get ms(): number {
    return performance.now() - this.#startedAt
  }

  /** Keeps a line. */
  keep(text: string): void {
    const line = `${(this.ms / 1_000).toFixed(2).padStart(7)} s  ${text}`
    this.#lines.push(line)
    this.#file.write(`${line}\n`)
  }

  /** Keeps a line and shows it. */
  say(text: string): void {
    this.keep(text)
    this.#show(this.#lines.at(-1)!)
  }

  last(count: number): readonly string[] {
    return this.#lines.slice(-count)
  }

  close(): void {
    this.#file.end()
  }
}
