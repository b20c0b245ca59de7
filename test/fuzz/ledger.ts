/** Records that one well-behaved client writes meanwhile: what was acknowledged is there once, in order. */
import { setTimeout as sleep } from 'node:timers/promises'
import { utf8String } from '../../src/base/bytes.ts'
import { splitBatches } from '../../src/records/batch.ts'
import { decodeRecords } from '../../src/records/record.ts'
import { batchOf, createTopic, produce, RawClient } from '../conformance/raw-client.ts'

const topic = 'ledger-of-the-fuzz'
const pauseMs = 10

export class Ledger {
  readonly acknowledged: string[] = []

  /** Writes until the signal says so. */
  async write(port: number, signal: AbortSignal): Promise<void> {
    const client = await RawClient.connect(port)
    await createTopic(client, topic)
    for (let at = 0; !signal.aborted; at++) {
      const { errorCode } = await produce(client, topic, batchOf([`${at}`]))
      if (errorCode !== 0) throw new Error(`produce of ${at} failed with code ${errorCode}`)
      this.acknowledged.push(`${at}`)
      await sleep(pauseMs)
    }
    client.close()
  }

  /** What is wrong with what can be read; undefined when nothing is. */
  async fault(port: number): Promise<string | undefined> {
    const read = await readAll(port)
    const differs = this.acknowledged.findIndex((value, at) => read[at] !== value)
    if (differs >= 0) return `record ${differs} is ${read[differs] ?? 'missing'}`
    const more = read.length - this.acknowledged.length
    return more > 0 ? `${more} records too many` : undefined
  }
}

async function readAll(port: number): Promise<string[]> {
  const client = await RawClient.connect(port)
  const values: string[] = []
  for (;;) {
    const partitions = [{ partition: 0, fetchOffset: values.length, partitionMaxBytes: 1_000_000 }]
    const { responses } = await client.ask('Fetch', 12, {
      maxWaitMs: 0,
      topics: [{ topic, partitions }],
    })
    const { errorCode, records } = responses[0]!.partitions[0]!
    if (errorCode !== 0) throw new Error(`fetch failed with code ${errorCode}`)
    if (records === null || records.length === 0) break
    for (const batch of splitBatches(records)) {
      for (const { value } of decodeRecords(batch)) values.push(utf8String(value!))
    }
  }
  client.close()
  return values
}
