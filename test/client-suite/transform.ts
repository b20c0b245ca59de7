/** A small service: copies records in transactions, offsets and all, as a member of a group. */
import { isHeadwaterError } from '../../src/base/errors.ts'
import type { Cluster } from '../../src/client/cluster/cluster.ts'
import { Consumer } from '../../src/client/consumer/consumer.ts'
import { GroupMember } from '../../src/client/group/group-member.ts'
import type { Ownership } from '../../src/client/group/group-member.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import { forEachRecord } from '../../src/records/record.ts'
import type { Peer } from './peer.ts'
import { connect, freshName, quick } from './peer.ts'

export interface Worker {
  /** Finishes and leaves. */
  stop(): Promise<void>
  /** Vanishes, connections and all. */
  die(): Promise<void>
  /** What it is doing, for a test that fails. */
  describe(): string
}

/** Copies records in transactions, offsets and all: what the streams runtime does, in small. */
export async function startTransform(
  peer: Peer,
  { groupId, from, to }: { groupId: string; from: string; to: string },
): Promise<Worker> {
  const cluster = await connectAtLast(peer)
  const consumer = new Consumer(cluster, { fetchBytesMax: 2_000, partitionBytesMax: 600 })
  const producer = new Producer(cluster, {
    transactionalId: freshName('tx'),
    // What a worker that died left open holds readers up for so long.
    transactionTimeoutMs: 3_000,
    lingerMs: 0,
  })
  await producer.init()
  let isRunning = true
  let doing = 'start'
  let hook = 'none'
  let failed: unknown
  let turn: Promise<void> = Promise.resolve()
  let held: Ownership | undefined

  const member = new GroupMember(cluster, {
    groupId,
    topics: [from],
    ...quick(peer),
    onFailed: (error) => {
      failed = error
    },
    onAssigned: async (ownership) => {
      hook = 'assigned'
      held = ownership
      const offsets = await member.committed(ownership.partitions, { requireStable: true })
      consumer.assign(offsets.map((p) => ({ ...p, offset: Math.max(0, p.offset) })))
      hook = 'none'
    },
    onRevoked: async () => {
      hook = 'revoked'
      consumer.assign([])
      await turn
      hook = 'joining'
    },
    onLost: async () => {
      hook = 'lost'
      consumer.assign([])
      await turn
      hook = 'joining'
    },
  })

  const transformOnce = async (): Promise<void> => {
    doing = 'poll'
    const fetched = await consumer.poll(50)
    if (fetched.length === 0) return
    doing = 'transform'
    producer.begin()
    try {
      for (const { partition, batches, fromOffset } of fetched) {
        for (const batch of batches) {
          forEachRecord(batch, (offset, timestamp, all, _k, _e, valueStart, valueEnd) => {
            if (offset < fromOffset) return
            producer.append(to, partition, timestamp, null, all.subarray(valueStart, valueEnd))
          })
        }
      }
      const offsets = fetched.map((p) => ({
        topic: p.topic,
        partition: p.partition,
        offset: p.nextOffset,
      }))
      doing = 'send offsets'
      await producer.sendOffsets(held!, offsets)
      doing = 'commit'
      await producer.commit()
    } catch (error) {
      if (!isHeadwaterError(error, 'stale-member')) throw error
      doing = 'abort'
      await producer.abort()
    }
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
  const run = async (): Promise<void> => {
    while (isRunning) {
      turn = transformOnce()
      await turn
    }
  }
  await member.join()
  const running = run().catch((error: unknown) => {
    // The dead do not report.
    if (isRunning) throw error
  })
  return {
    describe: () => {
      const positions = consumer
        .positions()
        .map(({ partition, offset }) => `${partition}:${offset}`)
      const generation = held?.generation
      const faults = `${failed instanceof Error ? failed.message : 'none'}, ${producer.failure?.message ?? 'none'}`
      return `doing ${doing}, in hook ${hook}, generation ${generation}, at ${positions.join()}, failures ${faults}`
    },
    stop: async () => {
      await member.leave()
      isRunning = false
      await running
      await producer.close()
      await consumer.close()
      await cluster.close()
    },
    die: async () => {
      isRunning = false
      await cluster.close()
      await running
    },
  }
}

/**
 * A network that breaks often enough breaks the first question to a cluster, too, and connecting fails.
 * Whoever looks after a worker starts it again then.
 */
async function connectAtLast(peer: Peer): Promise<Cluster> {
  for (;;) {
    try {
      return await connect(peer)
    } catch (error) {
      if (!isHeadwaterError(error) || !error.retriable) throw error
    }
  }
}
