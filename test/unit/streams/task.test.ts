/** What a task does with batches: which record is next, what it commits, and how it fails. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { concatBytes, Writer, utf8Bytes } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import type { AnyEvent } from '../../../src/events/event.ts'
import {
  batchHeaderBytes,
  readBatchHeader,
  stampBatch,
  writeBatchHeader,
} from '../../../src/records/batch.ts'
import { compress } from '../../../src/records/compression.ts'
import { BatchBuilder } from '../../../src/records/record.ts'
import { service } from '../../../src/service/service.ts'
import type { Service } from '../../../src/service/service.ts'
import { operatorCounts } from '../../../src/streams/operators/counts.ts'
import { planTopology } from '../../../src/streams/plan/plan.ts'
import { keyCodecs } from '../../../src/streams/stores/serde.ts'
import { Task } from '../../../src/streams/task/task.ts'
import type { InputQueue, Turn } from '../../../src/streams/task/queue.ts'
import type { TaskStart } from '../../../src/streams/task/task.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import { CustomerId, Orders, Payments, Shipments } from '../../types/shop.ts'

const endless: Turn = { hasEnded: false, isOver: () => false, look: () => undefined }

describe('a task with two inputs', () => {
  it('takes the record with the lowest timestamp at a head, and keeps each partition in order', () => {
    const seen: string[] = []
    const task = startTask(watching(seen), [at('orders'), at('payments')])
    task.deliver(
      batch(
        'payments',
        0,
        [
          ['p10', 10],
          ['p30', 30],
          ['p5', 5],
        ],
        payment,
      ),
    )
    task.deliver(
      batch(
        'orders',
        0,
        [
          ['o20', 20],
          ['o15', 15],
          ['o40', 40],
        ],
        order,
      ),
    )
    assert.equal(task.process(100, endless), 6)
    assert.deepEqual(seen, ['p10', 'o20', 'o15', 'p30', 'p5', 'o40'])
  })

  it('waits for an input that is known to hold more', () => {
    const seen: string[] = []
    const task = startTask(watching(seen), [at('orders', 1), at('payments')])
    task.deliver(batch('payments', 0, [['p10', 10]], payment))
    assert.equal(task.process(100, endless), 0)
    task.deliver(batch('orders', 0, [['o5', 5]], order))
    assert.equal(task.process(100, endless), 2)
    assert.deepEqual(seen, ['o5', 'p10'])
  })

  it('does not wait for an input that is at its end', () => {
    const seen: string[] = []
    const task = startTask(watching(seen), [at('orders'), at('payments')])
    task.deliver(batch('payments', 0, [['p10', 10]], payment))
    assert.equal(task.process(100, endless), 1)
  })

  it('does not wait for what an open transaction holds back', () => {
    const seen: string[] = []
    const task = startTask(watching(seen), [at('orders', 3), at('payments')])
    task.deliver(batch('payments', 0, [['p10', 10]], payment))
    assert.equal(task.process(100, endless), 0, 'nobody has said yet what there is to read')
    const orders = queueOf(task, 'orders')
    orders.endsAt(3, 0)
    assert.equal(task.process(100, endless), 1)
    orders.endsAt(3, 3)
    task.deliver(batch('payments', 1, [['p20', 20]], payment))
    assert.equal(task.process(100, endless), 0, 'the transaction has ended')
  })

  it('stops after as many records as it is told', () => {
    const task = startTask(watching([]), [at('orders'), at('payments')])
    task.deliver(
      batch(
        'payments',
        0,
        [
          ['a', 1],
          ['b', 2],
          ['c', 3],
        ],
        payment,
      ),
    )
    assert.deepEqual(
      [task.process(2, endless), task.process(2, endless), task.process(2, endless)],
      [2, 1, 0],
    )
  })
})

describe('a task with a table that is read first', () => {
  it('waits for all of it the first time, also for what an open transaction holds back', () => {
    const task = startTask(joining, [at('orders', 3), at('payments')])
    task.deliver(batch('payments', 0, [['p', 10]], payment))
    queueOf(task, 'orders').endsAt(3, 0)
    assert.equal(task.process(100, endless), 0)
  })

  it('waits for no open transaction when it goes on', () => {
    const task = startTask(joining, [{ ...at('orders', 3), committed: 0 }, at('payments')])
    task.deliver(batch('payments', 0, [['p', 10]], payment))
    assert.equal(task.process(100, endless), 0, 'nobody has said yet what there is to read')
    queueOf(task, 'orders').endsAt(3, 0)
    assert.equal(task.process(100, endless), 1)
  })
})

describe('a task before an inner topic', () => {
  it('tells those behind how far it is, and without news again only after a while', () => {
    const marksOf = startMarking(0)
    assert.equal(marksOf(1), 12)
    assert.equal(marksOf(119), 0)
    assert.equal(marksOf(1), 12)
  })

  it('says nothing while it has not read what there is', () => {
    const marksOf = startMarking(5)
    assert.equal(marksOf(200), 0)
  })
})

describe('a batch', () => {
  const rows = Array.from({ length: 5000 }, (_, at): [string, number] => ['same', at])

  it('may have more records than bytes', () => {
    const seen: string[] = []
    const task = startTask(watching(seen), [at('orders'), at('payments')])
    const delivery = batch('payments', 0, rows, payment)
    const one = batch('payments', 0, rows.slice(0, 1), payment).batches[0]!
    const record = one.subarray(batchHeaderBytes)
    const records = compress('zstd', concatBytes(rows.map(() => record)))
    const bytes = concatBytes([one.subarray(0, batchHeaderBytes), records])
    const like = readBatchHeader(delivery.batches[0]!)
    writeBatchHeader(bytes, { ...like, attributes: 4 })
    assert.ok(bytes.length < rows.length / 10, `${bytes.length}`)
    task.deliver({ ...delivery, batches: [bytes] })
    assert.equal(task.process(10_000, endless), rows.length)
    assert.deepEqual(
      seen,
      rows.map(([id]) => id),
    )
  })

  it('makes no room for records that only its header speaks of', () => {
    const task = startTask(watching([]), [at('orders'), at('payments')])
    const delivery = batch('payments', 0, rows.slice(0, 2), payment)
    const [bytes] = delivery.batches
    writeBatchHeader(bytes!, { ...readBatchHeader(bytes!), recordCount: 10_000_000 })
    const before = process.memoryUsage().arrayBuffers
    assert.throws(() => {
      task.deliver(delivery)
      task.process(10, endless)
    }, isRecordInvalid)
    const grown = process.memoryUsage().arrayBuffers - before
    assert.ok(grown < 50_000_000, `${grown} bytes`)
  })
})

function isRecordInvalid(error: unknown): boolean {
  return isHeadwaterError(error, 'record-invalid')
}

describe('a committed position', () => {
  it('is the next record’s offset while records wait', () => {
    const task = startTask(watching([]), [at('orders'), at('payments')])
    task.deliver(
      batch(
        'payments',
        7,
        [
          ['a', 1],
          ['b', 2],
          ['c', 3],
        ],
        payment,
      ),
    )
    task.process(2, endless)
    assert.deepEqual(positions(task), ['payments 9'])
  })

  it('is where the consumer goes on when none waits: behind control records and gaps', () => {
    const task = startTask(watching([]), [at('orders'), at('payments')])
    task.deliver({ ...batch('payments', 7, [['a', 1]], payment), nextOffset: 12 })
    task.process(10, endless)
    assert.deepEqual(positions(task), ['payments 12'])
  })

  it('moves over batches without any record of ours', () => {
    const task = startTask(watching([]), [at('orders'), at('payments')])
    task.deliver({ ...batch('payments', 0, [], payment), batches: [], nextOffset: 3 })
    assert.deepEqual(positions(task), ['payments 3'])
  })

  it('is not told again until it moves', () => {
    const task = startTask(watching([]), [at('orders'), at('payments')])
    task.deliver(batch('payments', 0, [['a', 1]], payment))
    task.process(10, endless)
    task.committed(task.offsets())
    assert.deepEqual(task.offsets(), [])
  })

  it('inside a batch starts at that record, not at the batch’s first', () => {
    const seen: string[] = []
    const task = startTask(watching(seen), [at('orders'), { ...at('payments'), position: 8 }])
    task.deliver(
      batch(
        'payments',
        7,
        [
          ['a', 1],
          ['b', 2],
        ],
        payment,
      ),
    )
    assert.equal(task.process(10, endless), 1)
    assert.deepEqual(seen, ['b'])
  })
})

describe('a record that cannot be processed', () => {
  it('is named when its value does not decode', () => {
    const task = startTask(watching([]), [at('orders'), at('payments')])
    const poison = new BatchBuilder()
    poison.append(1, utf8Bytes('o1'), new Uint8Array([0xff, 0xff]))
    const delivery = batch('payments', 0, [], payment)
    task.deliver({ ...delivery, batches: [stamped(poison, 41)], nextOffset: 42 })
    assert.throws(
      () => task.process(10, endless),
      (error: Error) =>
        isHeadwaterError(error, 'record-invalid') &&
        /service 'shipping' stopped at record 41 of partition 0 of topic 'payments'/.test(
          error.message,
        ),
    )
  })

  it('is named when its key is not of its keyspace, and never becomes another key', () => {
    const seen: string[] = []
    const task = startTask(watching(seen), [at('orders'), at('payments')])
    const long = new BatchBuilder()
    long.append(1, new Uint8Array([0, 0, 0, 0, 0, 0, 0, 200]), payment('o1'))
    const delivery = batch('payments', 0, [], payment)
    task.deliver({ ...delivery, batches: [stamped(long, 7)], nextOffset: 8 })
    assert.throws(() => task.process(10, endless), {
      code: 'record-invalid',
      message:
        /record 7 .* the key does not decode: the key's bytes \(0x00000000000000c8\) are not UTF-8/,
    })
    assert.deepEqual(seen, [])
  })

  it('is named, with the operator, when a function of the service throws', () => {
    const failing = service('shipping', {
      reads: [Payments],
      writes: [Shipments],
      topology: (s) => {
        s.stream(Payments)
          .map(({ orderId }) => {
            if (orderId === 'b') throw new RangeError('no such order')
            return { orderId, address: '', amount: 0 }
          })
          .to(Shipments)
        return {}
      },
    })
    const task = startTask(failing, [at('payments')])
    task.deliver(
      batch(
        'payments',
        5,
        [
          ['a', 1],
          ['b', 2],
          ['c', 3],
        ],
        payment,
      ),
    )
    assert.throws(
      () => task.process(10, endless),
      (error: Error) =>
        isHeadwaterError(error, 'operator-failed') &&
        /record 6 of partition 0 of topic 'payments': map 1 threw: no such order/.test(
          error.message,
        ) &&
        error.cause instanceof RangeError,
    )
    assert.deepEqual(positions(task), ['payments 6'])
  })
})

/** A service that notes which records pass, by their first field. */
function watching(seen: string[]): Service {
  return service('shipping', {
    reads: [Orders, Payments],
    writes: [Shipments],
    topology: (s) => {
      const orders = s.stream(Orders).map(({ orderId }) => ({ orderId }))
      const payments = s.stream(Payments).map(({ orderId }) => ({ orderId }))
      orders
        .merge(payments)
        .filter(({ orderId }) => seen.push(orderId) > 0)
        .to(Shipments, ({ orderId }) => ({ orderId, address: '', amount: 0 }))
      return {}
    },
  })
}

const joining = service('shipping', {
  reads: [Orders, Payments],
  writes: [Shipments],
  topology: (s) => {
    s.stream(Payments)
      .leftJoin(s.table(Orders), ({ orderId }) => ({ orderId, address: '', amount: 0 }))
      .to(Shipments)
    return {}
  },
})

const windows = service('counting', {
  reads: [Payments],
  writes: [],
  topology: (s) => {
    const perCustomer = s.stream(Payments).rekey('by-customer', CustomerId, () => 'c1')
    return { perMinute: perCustomer.window(tumbling('1m', { grace: '0ms' })).count('per-minute') }
  },
})

/** A task whose input ends at `endOffset`; returns what counts the marks it writes in so many commits. */
function startMarking(endOffset: number): (commits: number) => number {
  let marks = 0
  const emit = { append: () => void marks++ }
  const plan = planTopology(windows.build())
  const first = plan.subTopologies.find(({ sources }) => sources[0]!.topic === 'payments')!
  const task = new Task({ plan, keys: keyCodecs(), emit, counts: operatorCounts() }, first, 0)
  task.start([at('payments', endOffset)])
  return (commits) => {
    marks = 0
    for (let commit = 0; commit < commits; commit++) task.flush(100)
    return marks
  }
}

function startTask(declared: Service, starts: readonly TaskStart[]): Task {
  const plan = planTopology(declared.build())
  const emit = { append: () => undefined }
  const counts = operatorCounts()
  const task = new Task({ plan, keys: keyCodecs(), emit, counts }, plan.subTopologies[0]!, 0)
  task.start(starts)
  return task
}

function at(topic: string, endOffset = 0): TaskStart {
  return { topic, position: 0, committed: undefined, endOffset }
}

function queueOf(task: Task, topic: string): InputQueue {
  return task.queues.find(({ source }) => source.topic === topic)!
}

function positions(task: Task): string[] {
  return task.offsets().map(({ topic, offset }) => `${topic} ${offset}`)
}

type Rows = readonly (readonly [id: string, timestamp: number])[]

function batch(topic: string, base: number, rows: Rows, encode: (id: string) => Uint8Array) {
  const builder = new BatchBuilder()
  for (const [id, timestamp] of rows) builder.append(timestamp, utf8Bytes(id), encode(id))
  const nextOffset = base + rows.length
  const batches = rows.length === 0 ? [] : [stamped(builder, base)]
  const ends = { lastStableOffset: nextOffset, highWatermark: nextOffset }
  return { topic, partition: 0, batches, nextOffset, ...ends }
}

function stamped(builder: BatchBuilder, base: number): Uint8Array {
  const bytes = builder.finish()
  stampBatch(bytes, base, 0)
  return bytes
}

function payment(orderId: string): Uint8Array {
  return encoded(Payments, { orderId })
}

function order(orderId: string): Uint8Array {
  return encoded(Orders, { orderId })
}

function encoded(event: AnyEvent, message: object): Uint8Array {
  const writer = new Writer()
  event.codec.encode(message as Record<string, unknown>, writer)
  return writer.finish()
}
