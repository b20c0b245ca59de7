/** Counts the committed records of a topic by reading it: markers of transactions are not records. */
import type { Cluster } from '../client/cluster/cluster.ts'
import { Consumer } from '../client/consumer/consumer.ts'
import { readBatchHeader } from '../records/batch.ts'

const pollMs = 1_000

/** How many committed records the topic holds from its beginning to its present end. */
export async function countRecords(cluster: Cluster, topic: string): Promise<number> {
  const consumer = new Consumer(cluster, { isolation: 'read_committed' })
  try {
    const count = await cluster.partitionCount(topic)
    const partitions = Array.from({ length: count }, (_, partition) => ({ topic, partition }))
    const ends = await consumer.endOffsets(partitions)
    const begins = await consumer.beginningOffsets(partitions)
    const unread = new Map(
      ends
        .filter(({ offset }, i) => offset > begins[i]!.offset)
        .map(({ partition, offset }) => [partition, offset]),
    )
    consumer.assign(begins.filter(({ partition }) => unread.has(partition)))
    let records = 0
    while (unread.size > 0) {
      for (const { partition, batches, nextOffset } of await consumer.poll(pollMs)) {
        for (const batch of batches) records += readBatchHeader(batch).recordCount
        if (nextOffset >= (unread.get(partition) ?? Infinity)) unread.delete(partition)
      }
    }
    return records
  } finally {
    await consumer.close()
  }
}
