/**
 * What the clients of a simulation were told, and what anyone has seen: it survives every crash.
 *
 * Whatever is noted here must stay true. `see` fails at once when a reader finds another record at an
 * offset than somebody found before, or a high watermark that went back.
 */
import assert from 'node:assert/strict'
import { utf8String } from '../../../src/base/bytes.ts'
import type { FetchedBatches } from '../../../src/client/consumer/consumer.ts'
import { partitionName } from '../../../src/client/cluster/topic-partition.ts'
import { decodeRecords } from '../../../src/records/record.ts'

export const partitionCount = 2

export interface TransactionEntry {
  readonly commit: boolean
  /** `unknown`: asked for, without an answer; either outcome is right. */
  outcome: 'open' | 'unknown' | 'ended'
}

export interface SeenRecord {
  readonly offset: number
  readonly value: string
}

export class Ledger {
  readonly topics = new Map<string, 'asked' | 'there' | 'going' | 'gone'>()
  /** Orders are numbered; these many were written, and acknowledged. */
  ordersWritten = 0
  ordersAcknowledged = 0
  readonly transactions: TransactionEntry[] = []
  /** By group and partition: the highest offset whose commit was acknowledged. */
  readonly committed = new Map<string, number>()
  readonly #values = new Map<string, string>()
  readonly #highWatermarks = new Map<string, number>()

  /** Takes down the high watermark a reader got. @param reader whose they are, one after the other */
  watch(reader: string, { topic, partition, highWatermark }: FetchedBatches): void {
    const known = `${reader} ${partitionName(topic, partition)}`
    const before = this.#highWatermarks.get(known) ?? 0
    assert(
      highWatermark >= before,
      `${known}: high watermark ${before} went back to ${highWatermark}`,
    )
    this.#highWatermarks.set(known, highWatermark)
  }

  /** Takes down what a reader got, and gives it decoded. */
  see(reader: string, fetched: FetchedBatches): SeenRecord[] {
    this.watch(reader, fetched)
    const { topic, partition, batches } = fetched
    const place = partitionName(topic, partition)
    const records: SeenRecord[] = []
    for (const batch of batches) {
      for (const { offset, value } of decodeRecords(batch)) {
        const text = utf8String(value!)
        const seen = this.#values.get(`${place}@${offset}`)
        assert(seen === undefined || seen === text, `${place}@${offset}: was ${seen}, now ${text}`)
        this.#values.set(`${place}@${offset}`, text)
        records.push({ offset, value: text })
      }
    }
    return records
  }

  /** A commit was acknowledged. */
  commit(group: string, partition: number, offset: number): void {
    const key = `${group}/${partition}`
    this.committed.set(key, Math.max(offset, this.committed.get(key) ?? -1))
  }

  /**
   * A committed offset was looked up after every commit that is noted here.
   * @param mayGoBack a commit whose connection broke may arrive after later ones: nothing in Kafka's
   * protocol, outside transactions, keeps it from counting then
   */
  checkCommitted(group: string, partition: number, offset: number, mayGoBack = false): void {
    const told = this.committed.get(`${group}/${partition}`) ?? -1
    if (mayGoBack)
      assert(told < 0 || offset >= 0, `${group}/${partition}: committed ${told} is lost`)
    else assert(offset >= told, `${group}/${partition}: committed ${told} went back to ${offset}`)
  }

  /** The highest high watermark anyone saw of a partition. */
  highWatermark(topic: string, partition: number): number {
    const place = ` ${partitionName(topic, partition)}`
    let highest = 0
    for (const [known, highWatermark] of this.#highWatermarks) {
      if (known.endsWith(place)) highest = Math.max(highest, highWatermark)
    }
    return highest
  }
}
