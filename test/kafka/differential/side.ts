/**
 * One of the two brokers, as a scenario sees it: it asks, and everything it is told is written down.
 *
 * A scenario is played on both sides at once, each with topics, groups and ids of its own under the same
 * names. Coordinators that are still loading, and markers still being written, are waited for, unless the
 * scenario is about them.
 */
import { setTimeout as delay } from 'node:timers/promises'
import assert from 'node:assert/strict'
import type { ApiName, RequestInput, ResponseOf } from '../../../src/protocol/api.ts'
import { ErrorCode, errorName } from '../../../src/protocol/errors.ts'
import { RawClient } from '../../conformance/raw-client.ts'
import type { Seen } from './comparable.ts'
import { deliberate, type DeliberateName } from './deliberate.ts'

const patienceMs = 15_000
const answerMs = 6_000

const loading = [
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.LEADER_NOT_AVAILABLE,
].map(errorName)

const ending = [...loading, errorName(ErrorCode.CONCURRENT_TRANSACTIONS)]

export interface AskOptions {
  /** The answer is not compared: the scenario only needs what is in it. */
  readonly aside?: boolean
  /** CONCURRENT_TRANSACTIONS is an answer, not a reason to ask again. */
  readonly impatient?: boolean
}

/** One connection to the broker. */
export class Peer {
  readonly #client: RawClient
  readonly #transcript: Seen[]

  constructor(client: RawClient, transcript: Seen[]) {
    this.#client = client
    this.#transcript = transcript
  }

  get raw(): RawClient {
    return this.#client
  }

  async ask<N extends ApiName>(
    api: N,
    version: number,
    body: RequestInput<N>,
    { aside = false, impatient = false }: AskOptions = {},
  ): Promise<ResponseOf<N>> {
    const place = aside ? -1 : this.#transcript.push({ label: `${api} v${version}`, value: null })
    const again = impatient ? loading : ending
    const deadline = performance.now() + patienceMs
    for (;;) {
      const value = await this.#answer(api, version, body)
      if (isAny(value, again) && performance.now() < deadline) {
        await delay(10)
        continue
      }
      if (!aside) this.#transcript[place - 1] = { label: `${api} v${version}`, value }
      return value
    }
  }

  async #answer<N extends ApiName>(
    api: N,
    version: number,
    body: RequestInput<N>,
  ): Promise<ResponseOf<N>> {
    const late = setTimeout(() => this.#client.close(), answerMs)
    try {
      return await this.#client.ask(api, version, body)
    } finally {
      clearTimeout(late)
    }
  }

  /** Sends a request and says whether it was answered or the connection closed. */
  async fate(bytes: Uint8Array): Promise<'answered' | 'closed'> {
    this.#client.duplex.write([bytes])
    return (await this.#client.receive()) === undefined ? 'closed' : 'answered'
  }
}

export class Side extends Peer {
  readonly name: 'kafka' | 'ours'
  readonly transcript: readonly Seen[]
  readonly #port: number
  readonly #prefix: string
  readonly #seen: Seen[]
  readonly #clients: RawClient[]
  #topicCount = 0

  private constructor(
    name: 'kafka' | 'ours',
    port: number,
    prefix: string,
    client: RawClient,
    seen: Seen[],
  ) {
    super(client, seen)
    this.name = name
    this.transcript = seen
    this.#port = port
    this.#prefix = prefix
    this.#seen = seen
    this.#clients = [client]
  }

  /** @param prefix begins the name of everything the scenario makes */
  static async connect(name: 'kafka' | 'ours', port: number, prefix: string): Promise<Side> {
    return new Side(name, port, prefix, await RawClient.connect(port), [])
  }

  /** Another connection, whose answers go into the same transcript. */
  async peer(): Promise<Peer> {
    const client = await RawClient.connect(this.#port)
    this.#clients.push(client)
    return new Peer(client, this.#seen)
  }

  /** A name nobody else uses. */
  called(what: string): string {
    return `${this.#prefix}-${what}`
  }

  /** Makes a topic and waits until its partitions have a leader. */
  async topic(
    o: { partitions?: number; configs?: Readonly<Record<string, string>>; name?: string } = {},
  ): Promise<string> {
    const { partitions = 1, configs = {}, name = this.called(`topic${this.#topicCount++}`) } = o
    const entries = Object.entries(configs).map(([key, value]) => ({ name: key, value }))
    const topic = { name, numPartitions: partitions, replicationFactor: 1, configs: entries }
    const made = await this.ask('CreateTopics', 7, { topics: [topic] }, { aside: true })
    assert.equal(made.topics[0]?.errorCode, 0, `${this.name}: ${made.topics[0]?.errorMessage}`)
    await this.led(name, partitions)
    return name
  }

  async led(name: string, partitions: number): Promise<string> {
    for (const deadline = performance.now() + patienceMs; performance.now() < deadline;) {
      const { topics } = await this.ask('Metadata', 12, { topics: [{ name }] }, { aside: true })
      const led = topics[0]?.partitions.filter(({ leaderId }) => leaderId >= 0) ?? []
      if (led.length === partitions && (await this.#serves(name, partitions))) {
        return topics[0]!.topicId
      }
      await delay(10)
    }
    throw new Error(`${this.name} has no leaders for ${name}`)
  }

  /** Waits until the broker has heard of all that was changed before: Kafka's controller tells it later. */
  async settled(): Promise<void> {
    await this.topic()
  }

  /** Kafka's metadata know a leader before the leader knows itself. */
  async #serves(name: string, count: number): Promise<boolean> {
    const partitions = Array.from({ length: count }, (_, partitionIndex) => ({
      partitionIndex,
      timestamp: -1,
    }))
    const request = { replicaId: -1, topics: [{ name, partitions }] }
    const { topics } = await this.ask('ListOffsets', 7, request, { aside: true })
    return topics[0]!.partitions.every(({ errorCode }) => errorCode === 0)
  }

  /** Writes down something else the scenario found out. */
  note(label: string, value: unknown): void {
    this.#seen.push({ label, value })
  }

  /** Holds the side to its own column of the table of deliberate differences. */
  differs(what: DeliberateName, value: unknown): void {
    assert.deepEqual(value, deliberate[what][this.name], `${what}, ${this.name}`)
  }

  close(): void {
    for (const client of this.#clients) client.close()
  }
}

function isAny(answer: unknown, codes: readonly string[]): boolean {
  if (Array.isArray(answer)) return answer.some((item) => isAny(item, codes))
  if (typeof answer !== 'object' || answer === null || answer instanceof Uint8Array) return false
  return Object.entries(answer).some(([name, value]) =>
    /errorCode$/i.test(name)
      ? value !== 0 && codes.includes(errorName(value as number))
      : isAny(value, codes),
  )
}
