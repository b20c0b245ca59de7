/** What one writer was told is on disk, and what readers of it saw: by number, in whatever order it came. */
import { utf8String } from '../../src/base/bytes.ts'
import { splitBatches } from '../../src/records/batch.ts'
import { decodeRecords } from '../../src/records/record.ts'
import { RawClient } from '../conformance/raw-client.ts'
import { numberOf, type Placed } from './families.ts'

const shown = 5

export class Ledger {
  readonly #acknowledged = new Map<number, Placed>()
  readonly #seen = new Set<number>()
  readonly faults: string[] = []

  get acknowledged(): number {
    return this.#acknowledged.size
  }

  acknowledge(placed: Placed): void {
    const { number } = placed
    if (this.#acknowledged.has(number)) this.faults.push(`${number} was acknowledged twice`)
    this.#acknowledged.set(number, placed)
  }

  see(number: number): void {
    this.#seen.add(number)
  }

  /** Acknowledged records that no reader has seen. */
  unseen(): number[] {
    return [...this.#acknowledged.keys()].filter((number) => !this.#seen.has(number))
  }

  /** Reads the topic with a client of our own, and says what is not as it was acknowledged. */
  async judge(port: number, topic: string, partitions: number): Promise<readonly string[]> {
    const found = new Map<number, Placed>()
    const doubled: number[] = []
    for (let partition = 0; partition < partitions; partition++) {
      for await (const { value, offset } of recordsOf(port, topic, partition)) {
        const number = numberOf(utf8String(value!))
        if (found.has(number)) doubled.push(number)
        found.set(number, { number, partition, offset })
      }
    }
    const lost = [...this.#acknowledged.values()].filter(({ number, partition, offset }) => {
      const there = found.get(number)
      return there?.partition !== partition || there.offset !== offset
    })
    return [
      ...this.faults,
      ...told(
        'lost, or elsewhere than was said',
        lost.map(({ number }) => number),
      ),
      ...told('there twice', doubled),
      ...told('not seen by any reader', this.unseen()),
    ].map((fault) => `${topic}: ${fault}`)
  }
}

function told(what: string, numbers: readonly number[]): string[] {
  if (numbers.length === 0) return []
  return [`${numbers.length} ${what}: ${numbers.slice(0, shown).join(', ')}, …`]
}

async function* recordsOf(port: number, topic: string, partition: number) {
  const client = await RawClient.connect(port)
  for (let fetchOffset = 0; ;) {
    const partitions = [{ partition, fetchOffset, partitionMaxBytes: 1_000_000 }]
    const topics = [{ topic, partitions }]
    const { responses } = await client.ask('Fetch', 11, { maxWaitMs: 0, minBytes: 1, topics })
    const { records, errorCode } = responses[0]!.partitions[0]!
    if (errorCode !== 0) throw new Error(`${topic}-${partition} cannot be read: ${errorCode}`)
    const batches = splitBatches(records ?? new Uint8Array(0))
    if (batches.length === 0) break
    for (const record of batches.flatMap(decodeRecords)) {
      yield record
      fetchOffset = record.offset + 1
    }
  }
  client.close()
}
