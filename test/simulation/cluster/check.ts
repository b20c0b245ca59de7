/** Compares what a broker has at the end with what its clients were told. */
import assert from 'node:assert/strict'
import { listTopics } from '../../../src/client/admin.ts'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { Consumer } from '../../../src/client/consumer/consumer.ts'
import { fetchOffsets } from '../../../src/client/group/group-offsets.ts'
import { partitionCount } from './ledger.ts'
import type { Ledger } from './ledger.ts'
import type { Stage } from './stage.ts'
import { connect } from './stage.ts'

export async function checkAll(stage: Stage, reader: string): Promise<void> {
  const { ledger } = stage
  const process = stage.world.start(reader)
  const cluster = await connect(process)
  await checkTopics(cluster, ledger)
  for (let partition = 0; partition < partitionCount; partition++) {
    const orders = await readAll(cluster, ledger, reader, 'orders', partition)
    const numbers = Array.from({ length: ledger.ordersWritten }, (_, number) => number)
    const expected = numbers.filter((number) => number % partitionCount === partition)
    assert.deepEqual(orders, expected, `orders-${partition}: not every record once and in order`)
    const copies = await readAll(cluster, ledger, reader, 'copies', partition)
    assert.deepEqual(copies, expected, `copies-${partition}: not every order copied once`)
  }
  await checkTransactions(cluster, ledger, reader)
  await checkOffsets(cluster, stage)
  await cluster.close()
  process.kill()
}

async function checkTopics(cluster: Cluster, ledger: Ledger): Promise<void> {
  const found = await listTopics(cluster)
  const expected = [...ledger.topics].filter(([, state]) => state === 'there')
  assert.deepEqual([...found], expected.map(([name]) => name).toSorted())
}

async function checkTransactions(cluster: Cluster, ledger: Ledger, reader: string): Promise<void> {
  const sums = await readAll(cluster, ledger, reader, 'sums', 0)
  const notes = await readAll(cluster, ledger, reader, 'notes', 0)
  assert.deepEqual(notes, sums, 'a transaction is in one topic and not in the other')
  const allowed: number[] = []
  for (const [number, { commit, outcome }] of ledger.transactions.entries()) {
    const isThere = sums.includes(number)
    if (!commit || outcome === 'open') assert(!isThere, `transaction ${number} shows unasked`)
    if (commit && outcome === 'ended') assert(isThere, `transaction ${number} is lost`)
    if (isThere) allowed.push(number)
  }
  assert.deepEqual(sums, allowed, 'transactions are out of order or there twice')
}

async function checkOffsets(cluster: Cluster, { ledger, isDisturbed }: Stage): Promise<void> {
  for (const groupId of ['copiers', 'readers']) {
    for (const { partition, offset } of await fetchOffsets(cluster, groupId, undefined, true)) {
      const mayGoBack = groupId === 'readers' && isDisturbed
      ledger.checkCommitted(groupId, partition, offset, mayGoBack)
    }
  }
}

/** The numbers a read_committed consumer gets, up to the end, which nothing may hold back. */
async function readAll(
  cluster: Cluster,
  ledger: Ledger,
  reader: string,
  topic: string,
  partition: number,
): Promise<number[]> {
  const consumer = new Consumer(cluster, { maxWaitMs: 20 })
  const numbers: number[] = []
  const endConsumer = new Consumer(cluster, { isolation: 'read_uncommitted' })
  const [end] = await endConsumer.endOffsets([{ topic, partition }])
  await endConsumer.close()
  const seen = ledger.highWatermark(topic, partition)
  assert(
    end!.offset >= seen,
    `${topic}-${partition}: ends at ${end!.offset}, was seen up to ${seen}`,
  )
  consumer.assign([{ topic, partition, offset: 0 }])
  while (consumer.positions()[0]!.offset < end!.offset) {
    for (const fetched of await consumer.poll(100)) {
      for (const { value } of ledger.see(reader, fetched)) numbers.push(Number(value))
    }
  }
  await consumer.close()
  return numbers
}
