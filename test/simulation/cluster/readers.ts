/** Clients that read: copiers, exactly once; a group that commits by itself; and one that just watches. */
import { utf8Bytes } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { Consumer } from '../../../src/client/consumer/consumer.ts'
import type { FetchedBatches } from '../../../src/client/consumer/consumer.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import type { CommitOffset } from '../../../src/client/cluster/topic-partition.ts'
import type { SimProcess } from '../../../src/testing/world.ts'
import { runGroupLoop } from './group-loop.ts'
import { partitionCount } from './ledger.ts'
import type { Stage } from './stage.ts'
import { attempt, connect } from './stage.ts'

/** Longer than a session, so that who comes next may find a transaction of who was there before. */
const transactionTimeoutMs = 20_000
const watchMs = 40

/** Copies orders in transactions together with the offsets they were read up to (KIP-447). */
export async function copyOrders(stage: Stage, process: SimProcess): Promise<void> {
  const { ledger } = stage
  const cluster = await connect(process)
  let producer = await newProducer(cluster, process.name)
  await runGroupLoop({
    cluster,
    groupId: 'copiers',
    topic: 'orders',
    isOver: () => stage.isOver,
    onPosition: ({ partition, offset }) => {
      ledger.checkCommitted('copiers', partition, offset)
      ledger.commit('copiers', partition, offset)
    },
    handle: async (fetched, ownership) => {
      producer.begin()
      for (const each of fetched) {
        for (const { value } of ledger.see(process.name, each)) {
          const now = process.clock.now()
          producer.append('copies', each.partition, now, null, utf8Bytes(value))
        }
      }
      await producer.sendOffsets(ownership, offsetsAfter(fetched))
      await producer.commit()
      for (const { partition, nextOffset } of fetched) {
        ledger.commit('copiers', partition, nextOffset)
      }
    },
    onFailure: async () => {
      if (producer.failure === undefined) await attempt(producer.abort())
      if (producer.failure === undefined) return
      await attempt(producer.close())
      producer = await newProducer(cluster, process.name)
    },
  })
  await producer.close()
  await cluster.close()
}

/** Reads orders and commits offsets outside transactions. */
export async function readOrders(stage: Stage, process: SimProcess): Promise<void> {
  const { ledger } = stage
  const cluster = await connect(process)
  await runGroupLoop({
    cluster,
    groupId: 'readers',
    topic: 'orders',
    isOver: () => stage.isOver,
    onPosition: ({ partition, offset }) => {
      ledger.checkCommitted('readers', partition, offset, stage.isDisturbed)
      ledger.commit('readers', partition, offset)
    },
    handle: async (fetched, ownership, member) => {
      for (const each of fetched) ledger.see(process.name, each)
      await member.commit(ownership, offsetsAfter(fetched))
      for (const { partition, nextOffset } of fetched) {
        ledger.commit('readers', partition, nextOffset)
      }
    },
    onFailure: async () => undefined,
  })
  await cluster.close()
}

/** Looks at everything as it comes, committed or not. */
export async function watch(stage: Stage): Promise<void> {
  const process = stage.world.start('watcher')
  const cluster = await connect(process)
  const consumer = new Consumer(cluster, { isolation: 'read_uncommitted', maxWaitMs: watchMs })
  consumer.assign(
    ['orders', 'copies', 'sums', 'notes'].flatMap((topic) =>
      Array.from(
        { length: topic === 'orders' || topic === 'copies' ? partitionCount : 1 },
        (_, partition) => ({ topic, partition, offset: 0 }),
      ),
    ),
  )
  while (!stage.isOver) {
    for (const fetched of await consumer.poll(watchMs)) stage.ledger.see('watcher', fetched)
    await sleep(process.clock, 1)
  }
  await consumer.close()
  await cluster.close()
}

function offsetsAfter(fetched: readonly FetchedBatches[]): CommitOffset[] {
  return fetched.map(({ topic, partition, nextOffset }) => ({
    topic,
    partition,
    offset: nextOffset,
  }))
}

async function newProducer(cluster: Cluster, transactionalId: string): Promise<Producer> {
  for (;;) {
    const producer = new Producer(cluster, { transactionalId, lingerMs: 0, transactionTimeoutMs })
    try {
      await producer.init()
      return producer
    } catch (error) {
      if (!isHeadwaterError(error)) throw error
    }
  }
}
