/**
 * Keeps the metadata of a client: asks for it, asks again when it turned out wrong or has grown old, and
 * tells those who watch topics what became of them.
 *
 * One question serves everyone who waits, and names all topics in use. Whoever finds something wrong
 * while a question is on its way gets the next one: the answer may be older than the finding.
 */
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import type { Clock, Random, Timer } from '../../io/ports.ts'
import type { ResponseOf } from '../../protocol/api.ts'
import { backoffMs, sleep } from './backoff.ts'
import type { TopicPlace } from './metadata.ts'
import { Metadata } from './metadata.ts'

/** What a group has to know of a topic: another id is another topic (KIP-516). */
export interface TopicShape {
  readonly topicId: string
  readonly partitions: number
}

/** A topic that is new, gone, made anew, or has other partitions; undefined while there is none. */
export interface TopicChange {
  readonly topic: string
  readonly before: TopicShape | undefined
  readonly now: TopicShape | undefined
}

export interface DirectoryOptions {
  readonly clock: Clock
  readonly random: Random
  /** Metadata older than this is asked for again before it is used. */
  readonly maxAgeMs: number
  /** How long a topic that no broker knows is waited for: it may have been made a moment ago. */
  readonly topicWaitMs: number
  /** How long brokers that are away are waited for. */
  readonly retryTimeoutMs: number
  /** Attempt `attempt` of a question about topics; each tries another broker. */
  readonly ask: (attempt: number, topics: readonly string[]) => Promise<ResponseOf<'Metadata'>>
  /** The attempts of one question, at most. */
  readonly attemptsMax: () => number
}

interface Watch {
  readonly topics: readonly string[]
  /** What was told of a topic last; a topic nothing is known of is missing here. */
  readonly seen: Map<string, TopicShape | undefined>
  readonly onChange: (changes: readonly TopicChange[]) => void
}

export class Directory {
  readonly metadata = new Metadata()
  readonly #o: DirectoryOptions
  readonly #inUse = new Set<string>()
  readonly #watches = new Set<Watch>()
  /** Those that the last answer was about. */
  #answered: ReadonlySet<string> = new Set()
  #running: Promise<void> | undefined
  #queued: Promise<void> | undefined
  /** The question that runs has left: what is found out from now on is not in it. */
  #isAsked = false
  #isStale = true
  #refreshedAt = -Infinity
  #timer: Timer | undefined
  #isClosed = false

  constructor(options: DirectoryOptions) {
    this.#o = options
  }

  get isStale(): boolean {
    return this.#isStale
  }

  /** Says that what is known was wrong, so that the next lookup asks again. */
  markStale(): void {
    this.#isStale = true
  }

  /** Asks any broker for metadata of all topics in use. */
  refresh(): Promise<void> {
    if (this.#running === undefined) return this.#start()
    if (!this.#isAsked || !this.#isStale) return this.#running
    this.#queued ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#queued = undefined
        return this.#start()
      })
    return this.#queued
  }

  /** Where a topic's partitions are; `not-found` when it does not exist. */
  async topic(name: string): Promise<TopicPlace> {
    const { clock, random, topicWaitMs } = this.#o
    let deadline: number | undefined
    for (let attempt = 1; ; attempt++) {
      if (this.#inUse.has(name) && this.#isCurrent()) {
        const topic = this.metadata.topic(name)
        if (topic !== undefined) return topic
      }
      this.#inUse.add(name)
      await this.refresh()
      const topic = this.metadata.topic(name)
      if (topic !== undefined) return topic
      // An answer to an older question, which did not name the topic, says nothing about it.
      if (!this.#answered.has(name)) continue
      deadline ??= clock.monotonic() + topicWaitMs
      if (clock.monotonic() >= deadline) break
      await sleep(clock, backoffMs(attempt, random))
    }
    this.#inUse.delete(name)
    throw unknownTopic(name)
  }

  /** As `topic`, waiting for brokers that are away. */
  async topicInTime(name: string): Promise<TopicPlace> {
    const { clock, random, retryTimeoutMs } = this.#o
    const deadline = clock.monotonic() + retryTimeoutMs
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.topic(name)
      } catch (error) {
        const isAway = isHeadwaterError(error) && error.retriable && error.code !== 'not-found'
        const pauseMs = backoffMs(attempt, random)
        const isLate = clock.monotonic() + pauseMs >= deadline
        if (!isAway || isLate || this.#isClosed) throw error
        await sleep(clock, pauseMs)
      }
    }
  }

  /** Calls back when a topic is seen to have changed; returns how to stop it. */
  watch(topics: readonly string[], onChange: Watch['onChange']): () => void {
    const watch: Watch = { topics, seen: new Map(), onChange }
    for (const topic of topics) {
      const shape = this.#shapeOf(topic)
      if (shape !== undefined) watch.seen.set(topic, shape)
    }
    this.#watches.add(watch)
    if (watch.seen.size < topics.length) this.#lookAgain()
    else this.#lookLater()
    return () => {
      this.#watches.delete(watch)
      if (this.#watches.size === 0) this.#timer?.cancel()
    }
  }

  close(): void {
    this.#isClosed = true
    this.#watches.clear()
    this.#timer?.cancel()
  }

  #isCurrent(): boolean {
    const ageMs = this.#o.clock.monotonic() - this.#refreshedAt
    return !this.#isStale && this.#running === undefined && ageMs < this.#o.maxAgeMs
  }

  #start(): Promise<void> {
    this.#isAsked = false
    this.#running = this.#ask()
      .catch((error: unknown) => {
        this.#isStale = true
        throw error
      })
      .finally(() => {
        this.#running = undefined
      })
    return this.#running
  }

  async #ask(): Promise<void> {
    // Topics that come into use in the same turn are in the same question.
    await Promise.resolve()
    this.#isAsked = true
    this.#isStale = false
    const watched = [...this.#watches].flatMap(({ topics }) => topics)
    const topics = new Set([...this.#inUse, ...watched])
    const attempts = this.#o.attemptsMax()
    for (let attempt = 1; ; attempt++) {
      try {
        this.metadata.update(await this.#o.ask(attempt, [...topics]))
        break
      } catch (error) {
        const isLast = attempt >= attempts || this.#isClosed
        if (isLast || !isHeadwaterError(error) || !error.retriable) throw error
      }
    }
    this.#answered = topics
    this.#refreshedAt = this.#o.clock.monotonic()
    for (const name of this.#inUse) if (!topics.has(name)) this.#isStale = true
    for (const watch of this.#watches) this.#tell(watch)
  }

  /** Tells a watcher what is not as it was; the first answer about a topic is news to nobody. */
  #tell({ topics, seen, onChange }: Watch): void {
    const changes: TopicChange[] = []
    for (const topic of topics) {
      if (!this.#answered.has(topic)) continue
      const now = this.#shapeOf(topic)
      const before = seen.get(topic)
      const isKnown = seen.has(topic)
      seen.set(topic, now)
      const isSame = before?.topicId === now?.topicId && before?.partitions === now?.partitions
      if (isKnown && !isSame) changes.push({ topic, before, now })
    }
    if (changes.length > 0) onChange(changes)
  }

  #shapeOf(topic: string): TopicShape | undefined {
    const place = this.metadata.topic(topic)
    return place && { topicId: place.topicId, partitions: place.partitions.length }
  }

  #lookLater(): void {
    this.#timer?.cancel()
    if (this.#watches.size === 0 || this.#isClosed) return
    this.#timer = this.#o.clock.after(this.#o.maxAgeMs, () => this.#lookAgain())
  }

  /** Brokers that are away are asked next time. */
  #lookAgain(): void {
    this.markStale()
    this.refresh()
      .catch((error: unknown) => {
        if (!isHeadwaterError(error)) throw error
      })
      .finally(() => this.#lookLater())
  }
}

function unknownTopic(name: string): HeadwaterError {
  return new HeadwaterError(
    'not-found',
    `topic '${name}' does not exist: create it first, or check its name`,
  )
}
