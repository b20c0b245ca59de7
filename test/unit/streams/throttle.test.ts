/** What waits in memory to be processed is bounded by records and by bytes. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { Writer, utf8Bytes } from '../../../src/base/bytes.ts'
import { embedded } from '../../../src/broker/embedded.ts'
import { GroupMember } from '../../../src/client/group/group-member.ts'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import { stampBatch } from '../../../src/records/batch.ts'
import { BatchBuilder } from '../../../src/records/record.ts'
import { service } from '../../../src/service/service.ts'
import { operatorCounts } from '../../../src/streams/operators/counts.ts'
import { planTopology } from '../../../src/streams/plan/plan.ts'
import { offerOf, taskAssignor } from '../../../src/streams/plan/task-assignor.ts'
import { Opener } from '../../../src/streams/runtime/open.ts'
import { StopPlaces } from '../../../src/streams/runtime/stop-places.ts'
import { Stalls } from '../../../src/streams/runtime/stalls.ts'
import { TaskSet } from '../../../src/streams/runtime/task-set.ts'
import { keyCodecs } from '../../../src/streams/stores/serde.ts'
import type { Turn } from '../../../src/streams/task/queue.ts'
import { connect, createTopicsOf } from '../../streams-suite/place.ts'
import type { Place } from '../../streams-suite/place.ts'
import { Payments } from '../../types/shop.ts'

const reading = service('reading', {
  reads: [Payments],
  writes: [],
  topology: (s) => ({ counts: s.stream(Payments).count('counts') }),
})
const endless: Turn = { hasEnded: false, isOver: () => false, look: () => undefined }
const mebibyte = 1024 * 1024

describe('the fetching of a partition', () => {
  let directory = ''
  let place: Place
  let cluster: Cluster
  let member: GroupMember
  let set: TaskSet
  const paused: string[] = []
  const throttle = {
    pause: (topic: string, partition: number) => void paused.push(`${topic}/${partition}`),
    resume: (topic: string, partition: number) => {
      paused.splice(paused.indexOf(`${topic}/${partition}`), 1)
    },
  }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'headwater-throttle-'))
    const broker = await embedded(directory, { durability: 'os' })
    place = { broker, close: () => broker.close() }
    await createTopicsOf(place, reading)
    cluster = await connect(place)
    const plan = planTopology(reading.build())
    const nothing = async (): Promise<void> => undefined
    member = new GroupMember(cluster, {
      groupId: 'reading',
      topics: ['payments'],
      assignor: taskAssignor(offerOf(plan, { transactionalId: null, incarnation: 'one' })),
      onAssigned: nothing,
      onRevoked: nothing,
      onLost: nothing,
    })
    await member.join()
    const emit = { append: () => undefined }
    const opener = new Opener({
      cluster,
      plan,
      context: { partition: 0, keys: keyCodecs(), emit, counts: operatorCounts() },
      stops: new StopPlaces(),
      stamp: { instanceId: '1', now: () => 0 },
      transactionalId: () => null,
      transactionTimeoutMs: 60_000,
      onGap: 'stop',
      stalls: new Stalls(nodeClock, () => undefined),
      onReady: () => undefined,
      onEvent: () => undefined,
    })
    set = new TaskSet(nodeClock, opener)
    await set.open(member.ownership!, member, () => undefined)
    paused.length = 0
  })

  afterEach(async () => {
    await member.leave()
    await cluster.close()
    await place.close()
    await rm(directory, { recursive: true })
  })

  /** Batches of payments for one partition, each with `records` records of `bytes` bytes in all. */
  function deliver(partition: number, from: number, batches: number, records: number, bytes = 0) {
    const writer = new Writer()
    Payments.codec.encode({ orderId: 'o', paymentId: 'p'.repeat(bytes / records) }, writer)
    const value = writer.finish()
    const made = Array.from({ length: batches }, (_, i) => {
      const builder = new BatchBuilder()
      for (let n = 0; n < records; n++) builder.append(1, utf8Bytes('o'), value)
      const batch = builder.finish()
      stampBatch(batch, from + i * records, 0)
      return batch
    })
    const nextOffset = from + batches * records
    const ends = { lastStableOffset: nextOffset, highWatermark: nextOffset }
    set.deliver({ topic: 'payments', partition, batches: made, nextOffset, ...ends })
    set.throttle(throttle)
  }

  it('pauses when few records are many bytes, and goes on when a quarter is left', () => {
    deliver(3, 0, 4, 1, mebibyte)
    assert.deepEqual(paused, [])
    deliver(3, 4, 4, 1, mebibyte)
    deliver(5, 0, 1, 1, mebibyte)
    assert.deepEqual(paused, ['payments/3'], 'its share of 64 MiB for 12 partitions')
    set.process(endless, 0)
    set.throttle(throttle)
    assert.deepEqual(paused, [])
  })

  it('pauses when small records are many', () => {
    deliver(3, 0, 1, 20_000)
    assert.deepEqual(paused, [])
    deliver(3, 20_000, 1, 1)
    assert.deepEqual(paused, ['payments/3'])
    set.process(endless, 0)
    set.throttle(throttle)
    assert.deepEqual(paused, [])
  })
})
