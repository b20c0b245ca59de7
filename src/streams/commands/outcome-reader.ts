/**
 * Reads what came of the commands of one service: one partition of its outcomes, committed ones only, from where it
 * ended before the first command was sent.
 *
 * The partition is shared with other callers, so what is read is looked through for what is waited for. Nothing is
 * committed and no group is joined: whoever comes back asks again.
 */
import { utf8String } from '../../base/bytes.ts'
import { HeadwaterError, isHeadwaterError } from '../../base/errors.ts'
import { backoffMs, sleep } from '../../client/cluster/backoff.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import { Consumer } from '../../client/consumer/consumer.ts'
import { latestTimestamp, listOffsets } from '../../client/consumer/list-offsets.ts'
import { outcomeCodec, outcomePartitions, outcomesTopic } from '../../events/commands.ts'
import type { CommandOutcome } from '../../events/commands.ts'
import { forEachRecord } from '../../records/record.ts'

const pollWaitMs = 500

export interface OutcomeReaderOptions {
  readonly cluster: Cluster
  readonly service: string
  /** Whether anybody waits for a command of this id. */
  readonly isAwaited: (id: string) => boolean
  readonly onOutcome: (outcome: CommandOutcome) => void
}

export class OutcomeReader {
  readonly partition: number
  readonly #o: OutcomeReaderOptions
  readonly #topic: string
  readonly #consumer: Consumer
  #opening: Promise<void> | undefined
  #isRunning = false
  /** The topic was not there when it was to be read: what is in it by then has not been. */
  #wasGone = false
  #isOpen = false
  #isClosed = false

  constructor(options: OutcomeReaderOptions) {
    const { cluster, service } = options
    this.#o = options
    this.#topic = outcomesTopic(service)
    this.partition = cluster.random.bytes(1)[0]! % outcomePartitions
    // Who deletes the outcomes, or makes them anew, takes away what is waited for and no more than that.
    this.#consumer = new Consumer(cluster, { offsetReset: 'earliest', onTopicReplaced: 'earliest' })
  }

  /** Whether everything that is decided from now on is read. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Resolves when it is open. `not-found` when no service decides anything under this name. */
  open(): Promise<void> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  async #open(): Promise<void> {
    const { cluster, service } = this.#o
    const place = { topic: this.#topic, partition: this.partition }
    try {
      await cluster.partitionCount(this.#topic)
    } catch (error) {
      throw isHeadwaterError(error, 'not-found')
        ? nobodyDecides(service, this.#topic, error)
        : error
    }
    const [end] = await listOffsets(cluster, [place], latestTimestamp, 'read_committed')
    if (this.#isClosed) return
    this.#consumer.assign([{ ...place, offset: this.#wasGone ? 0 : end!.offset }])
    this.#isOpen = true
    this.#wasGone = false
    if (this.#isRunning) return
    this.#isRunning = true
    void this.#run()
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#o.cluster
    for (let failures = 0; !this.#isClosed;) {
      try {
        if (!this.#isOpen) await this.open()
        if (this.#isClosed) return
        for (const { batches } of await this.#consumer.poll(pollWaitMs)) {
          for (const batch of batches) this.#visit(batch)
        }
        failures = 0
      } catch (error) {
        if (!isHeadwaterError(error)) throw error
        // A partition that has failed is read by nobody until it is opened again, and meanwhile nothing is to
        // leave. Those who wait are told by their timeouts.
        this.#isOpen = false
        this.#opening = undefined
        this.#wasGone ||= error.code === 'not-found'
        await sleep(clock, backoffMs(++failures, random))
      }
    }
  }

  #visit(batch: Uint8Array): void {
    const { isAwaited, onOutcome } = this.#o
    forEachRecord(batch, (_offset, _timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd) => {
      if (keyEnd < 0 || valueEnd < 0) return
      if (!isAwaited(utf8String(bytes.subarray(keyStart, keyEnd)))) return
      const outcome = outcomeOf(bytes, valueStart, valueEnd)
      if (outcome !== undefined) onOutcome(outcome)
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#consumer.close()
  }
}

/** Undefined for what another program has written there. */
function outcomeOf(bytes: Uint8Array, start: number, end: number): CommandOutcome | undefined {
  try {
    return outcomeCodec.decode(bytes, start, end)
  } catch (error) {
    if (isHeadwaterError(error, 'record-invalid')) return undefined
    throw error
  }
}

function nobodyDecides(service: string, topic: string, cause: unknown): HeadwaterError {
  return new HeadwaterError(
    'not-found',
    `service '${service}' decides no commands here: there is no topic '${topic}', which it makes when it starts. ` +
      `Start '${service}' on this broker, or let the owner in the contract be the service that decides`,
    { cause, outcome: 'not-written' },
  )
}
