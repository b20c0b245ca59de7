/**
 * Follows a guide as its reader does: the commands in its fences in order, from the folder that `cd` led to, and
 * the files it shows written where it says. What stays up runs on until something else stays up; what comes `soon`
 * is tried again until it works; and a fence of JSON is what the command before it prints in the end.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Snippet } from '../unit/docs/markdown.ts'

export interface Surroundings {
  readonly env: NodeJS.ProcessEnv
  /** A command of the guide as it is to be run here. */
  readonly asRun: (command: string) => string
  /** Answers, with whatever, once what stays up is up. */
  readonly url: string
}

/** How long a command may take: an install is the longest. */
const commandMsMax = 60_000
/** How often what is not there yet is looked at again, and how long between. */
const looks = 100
const lookEveryMs = 100

export class Reader implements AsyncDisposable {
  readonly #around: Surroundings
  #here: string
  #last = ''
  #up: ChildProcess | undefined

  /** @param directory where the guide begins */
  constructor(directory: string, around: Surroundings) {
    this.#here = directory
    this.#around = around
  }

  /** The folder that the guide has led to. */
  get here(): string {
    return this.#here
  }

  async follow({ language, note, code }: Snippet): Promise<void> {
    if (note.startsWith('file: ')) return this.#write(note.replace('file: ', ''), code)
    if (note === 'stays up') return this.start(code)
    if (language === 'json') return this.#shows(code)
    if (language !== 'sh') return
    for (const command of code.split('\n')) {
      if (note === 'soon') await this.#runSoon(command)
      else await this.run(command)
    }
  }

  /** Runs a command to its end, and gives what it prints. */
  async run(command: string): Promise<string> {
    this.#last = command
    if (command.startsWith('cd ')) {
      this.#here = join(this.#here, command.slice(3))
      return ''
    }
    const child = this.#spawn(command)
    const timer = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), commandMsMax)
    const printed: Buffer[] = []
    const errors: Buffer[] = []
    child.stdout!.on('data', (chunk: Buffer) => printed.push(chunk))
    child.stderr!.on('data', (chunk: Buffer) => errors.push(chunk))
    const [code] = (await once(child, 'close')) as [number | null]
    clearTimeout(timer)
    const text = Buffer.concat(printed).toString()
    assert.equal(code, 0, `${command}\n${text}${Buffer.concat(errors).toString()}`)
    return text.trim()
  }

  /** Starts what stays up, in place of what did before, and waits until it answers. */
  async start(command: string): Promise<void> {
    await this.stop()
    const child = this.#spawn(command)
    this.#up = child
    let said = ''
    child.stdout!.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child.stderr!.on('data', (chunk: Buffer) => (said += chunk.toString()))
    for (let look = 0; look < looks; look++) {
      if (await fetch(this.#around.url).catch(() => undefined)) return
      assert.equal(child.exitCode, null, `${command}\n${said}`)
      await sleep(lookEveryMs)
    }
    assert.fail(`${command} does not answer at ${this.#around.url}\n${said}`)
  }

  /** Ctrl-C, as a terminal sends it: to the whole group. */
  async stop(): Promise<void> {
    const child = this.#up
    this.#up = undefined
    if (child === undefined || child.exitCode !== null) return
    const ended = once(child, 'close')
    process.kill(-child.pid!, 'SIGINT')
    await ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #write(file: string, text: string): void {
    const path = join(this.#here, file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, `${text}\n`)
  }

  /** Something has to end or to start first, which a person would see. */
  async #runSoon(command: string): Promise<void> {
    for (let look = 1; ; look++) {
      try {
        return void (await this.run(command))
      } catch (error) {
        if (look === looks) throw error
        await sleep(lookEveryMs)
      }
    }
  }

  #shows(wanted: string): Promise<void> {
    return this.prints(this.#last, wanted)
  }

  /** A table is a commit behind what was sent, and `dev` starts again what has been saved. */
  async prints(command: string, wanted: string): Promise<void> {
    let printed = ''
    for (let look = 0; look < looks && printed !== wanted; look++) {
      printed = await this.run(command).catch(String)
      if (printed !== wanted) await sleep(lookEveryMs)
    }
    assert.equal(printed, wanted, command)
  }

  #spawn(command: string): ChildProcess {
    const { asRun, env } = this.#around
    const stdio = ['ignore', 'pipe', 'pipe'] as const
    return spawn(asRun(command), {
      cwd: this.#here,
      env,
      shell: true,
      detached: true,
      stdio: [...stdio],
    })
  }
}
