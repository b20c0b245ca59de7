/** A family's writer and its ledger, and a reader of what another family writes; started again when it ends. */
import { setTimeout as sleep } from 'node:timers/promises'
import { valueOf, type Family, type FamilyName } from './families.ts'
import { Ledger } from './ledger.ts'
import { ClientProcess } from './process.ts'

const feedMs = 20
const againMs = 1_000
/** What a writer has been given is on its way: it has a moment to say so. */
const patienceMs = 2_000

export class Writer {
  readonly topic: string
  readonly partitions: number
  readonly ledger = new Ledger()
  /** What it could not write, by its own word; it may be there or not. */
  givenUp = 0
  readonly #process: ClientProcess
  readonly #feeding: NodeJS.Timeout | undefined
  readonly #tell: (line: string) => void
  #isOver = false

  /** @param tell told the first record that is given up */
  constructor(
    topic: FamilyName,
    family: Family,
    { address, rate, tell }: { address: string; rate: number; tell: (line: string) => void },
  ) {
    this.topic = topic
    this.#tell = tell
    this.partitions = family.partitions
    const command = family.writer(address, topic, rate)
    const understand = family.writerLines(topic)
    this.#process = new ClientProcess(command, (line) => {
      const said = understand(line)
      if (said?.kind === 'acknowledged') this.ledger.acknowledge(said.placed)
      if (said?.kind === 'given-up') this.#giveUp(said.text)
    })
    if (command.feeds === true) this.#feeding = this.#feed(rate)
  }

  /** Why it does not write any more, though nobody has ended it. */
  get fault(): string | undefined {
    const { ended, lastLines } = this.#process
    if (this.#isOver || ended === undefined) return undefined
    return `the writer of ${this.topic} ended with ${ended}:\n${lastLines.join('\n')}`
  }

  async end(): Promise<void> {
    this.#isOver = true
    clearInterval(this.#feeding)
    await this.#process.close(patienceMs)
  }

  kill(): Promise<void> {
    this.#isOver = true
    clearInterval(this.#feeding)
    return this.#process.kill()
  }

  #giveUp(text: string): void {
    if (this.givenUp++ === 0) this.#tell(`${this.topic}: ${text}`)
  }

  #feed(rate: number): NodeJS.Timeout {
    let number = 0
    const begun = performance.now()
    return setInterval(() => {
      const due = ((performance.now() - begun) / 1_000) * rate
      while (number < due) this.#process.feed(valueOf(this.topic, number++))
    }, feedMs)
  }
}

export class Reader {
  readonly name: string
  /** How often it was started. */
  starts = 0
  readonly #make: () => ClientProcess
  #process: ClientProcess
  #isOver = false

  constructor(name: FamilyName, family: Family, { topic, ledger }: Writer, address: string) {
    this.name = name
    const command = family.reader(address, topic, `${name}-reads-${topic}`)
    this.#make = () => {
      this.starts++
      return new ClientProcess(command, (line) => {
        const number = family.seen(line)
        if (number !== undefined) ledger.see(number)
      })
    }
    this.#process = this.#make()
    void this.#startAgain()
  }

  /** SIGKILL: another comes in its place. */
  replace(): Promise<void> {
    return this.#process.kill()
  }

  kill(): Promise<void> {
    this.#isOver = true
    return this.#process.kill()
  }

  async #startAgain(): Promise<void> {
    while (!this.#isOver) {
      await sleep(againMs)
      if (this.#process.ended !== undefined && !this.#isOver) this.#process = this.#make()
    }
  }
}
