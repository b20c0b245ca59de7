/** Writing in transactions, and reading only what was committed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupOffsets } from '../../src/client/admin.ts'
import type { Cluster } from '../../src/client/cluster/cluster.ts'
import { nonMember } from '../../src/client/group/ownership.ts'
import { Producer } from '../../src/client/producer/producer.ts'
import type { Peer } from './peer.ts'
import {
  apiKeyOf,
  bytes,
  connect,
  cutting,
  freshName,
  freshTopic,
  keepAwake,
  readAll,
  readStable,
  text,
  values,
} from './peer.ts'

/** Small answers, so that transactions span several of them. */
const smallFetches = { fetchBytesMax: 1_000, partitionBytesMax: 300 }

async function transactional(cluster: Cluster, id = freshName('tx'), batchBytes = 200) {
  const producer = new Producer(cluster, { transactionalId: id, batchBytes, lingerMs: 0 })
  await producer.init()
  return producer
}

function appendRange(producer: Producer, topic: string, from: number, to: number): void {
  for (let i = from; i < to; i++) producer.append(topic, 0, i, null, bytes(String(i)))
}

function range(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => String(from + i))
}

export function transactions(peer: () => Peer): void {
  keepAwake()

  test('what is committed is read, what is aborted is not, across fetches of any size', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    await using producer = await transactional(cluster)
    const committed: string[] = []
    for (let round = 0; round < 8; round++) {
      producer.begin()
      appendRange(producer, topic, round * 100, round * 100 + 60)
      await producer.flush()
      if (round % 3 === 1) {
        await producer.abort()
      } else {
        committed.push(...range(round * 100, round * 100 + 60))
        await producer.commit()
      }
    }
    assert.deepEqual(values(await readAll(cluster, topic, smallFetches)), committed)
    assert.deepEqual(values(await readAll(cluster, topic)), committed)
    const all = await readAll(cluster, topic, { isolation: 'read_uncommitted', ...smallFetches })
    assert.equal(all.length, 8 * 60)
  })

  test('transactions of several producers, woven into each other, are told apart', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    await using a = await transactional(cluster)
    await using b = await transactional(cluster)
    await using plain = new Producer(cluster, { lingerMs: 0 })
    await plain.init()
    const expected: string[] = []
    for (let round = 0; round < 6; round++) {
      const from = round * 1_000
      a.begin()
      b.begin()
      for (let step = 0; step < 4; step++) {
        appendRange(a, topic, from + step * 10, from + step * 10 + 10)
        await a.flush()
        appendRange(b, topic, from + 500 + step * 10, from + 500 + step * 10 + 10)
        await b.flush()
        appendRange(plain, topic, from + 900 + step, from + 900 + step + 1)
        await plain.flush()
      }
      // Two aborted transactions in a row of one producer, overlapping committed ones of the other.
      await (round % 2 === 0 ? a.abort() : b.commit())
      await (round % 2 === 0 ? b.commit() : a.abort())
      expected.push(...range(from + 500, from + 540), ...range(from + 900, from + 904))
    }
    const byNumber = (x: string | null, y: string | null): number => Number(x) - Number(y)
    for (const options of [smallFetches, {}]) {
      const read = await readAll(cluster, topic, options)
      const wrong = read.filter(({ value }) => !expected.includes(text(value)!))
      assert.deepEqual(
        wrong.map(({ offset, value }) => `${offset}: ${text(value)}`),
        [],
        'aborted records are seen',
      )
      assert.deepEqual(values(read).toSorted(byNumber), expected)
    }
  })

  test('a reader does not pass an open transaction', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    await using producer = await transactional(cluster)
    producer.begin()
    appendRange(producer, topic, 0, 10)
    await producer.flush()
    assert.deepEqual(await readStable(cluster, topic), [])
    await producer.commit()
    assert.deepEqual(values(await readAll(cluster, topic)), range(0, 10))
  })

  test('an empty transaction commits and aborts without a word', async () => {
    await using cluster = await connect(peer())
    await using producer = await transactional(cluster)
    producer.begin()
    await producer.commit()
    producer.begin()
    await producer.abort()
  })

  test('a second producer with the same id fences the first and drops what it left open', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    const id = freshName('tx')
    const first = await transactional(cluster, id)
    first.begin()
    appendRange(first, topic, 0, 10)
    await first.flush()
    await using second = await transactional(cluster, id)
    appendRange(first, topic, 10, 20)
    await assert.rejects(first.commit(), { code: 'fenced', message: /transactional id/ })
    assert.equal(first.failure?.code, 'fenced')
    assert.throws(() => first.begin(), { code: 'fenced' })
    await first.close()
    second.begin()
    appendRange(second, topic, 100, 110)
    await second.commit()
    assert.deepEqual(values(await readAll(cluster, topic)), range(100, 110))
  })

  test('a zombie that wakes up with nothing but a commit left is fenced too', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    const id = freshName('tx')
    const zombie = await transactional(cluster, id)
    zombie.begin()
    appendRange(zombie, topic, 0, 10)
    await zombie.flush()
    await using next = await transactional(cluster, id)
    await assert.rejects(zombie.commit(), { code: 'fenced' })
    await zombie.close()
    next.begin()
    await next.abort()
    assert.deepEqual(await readAll(cluster, topic), [])
  })

  test('offsets count when the transaction commits, and only then', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster, 2)
    const groupId = freshName('group')
    const group = nonMember(groupId)
    await using producer = await transactional(cluster)
    producer.begin()
    await producer.sendOffsets(group, [
      { topic, partition: 0, offset: 5, leaderEpoch: 0, metadata: 'note' },
      { topic, partition: 1, offset: 7 },
    ])
    await producer.commit()
    producer.begin()
    await producer.sendOffsets(group, [{ topic, partition: 0, offset: 50 }])
    appendRange(producer, topic, 0, 1)
    await producer.abort()
    const offsets = (await groupOffsets(cluster, groupId)).toSorted(
      (a, b) => a.partition - b.partition,
    )
    assert.deepEqual(offsets, [
      { topic, partition: 0, offset: 5, leaderEpoch: 0, metadata: 'note' },
      { topic, partition: 1, offset: 7, leaderEpoch: -1, metadata: '' },
    ])
  })

  test('offsets of a member that is not in the group are refused, and the producer goes on', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    await using producer = await transactional(cluster)
    producer.begin()
    appendRange(producer, topic, 0, 5)
    const stranger = {
      groupId: freshName('group'),
      generation: 3,
      memberId: 'stranger',
      instanceId: null,
    }
    const offsets = [{ topic, partition: 0, offset: 1 }]
    await assert.rejects(producer.sendOffsets(stranger, offsets), { code: 'stale-member' })
    await assert.rejects(producer.commit(), { code: 'stale-member' })
    assert.equal(producer.failure, undefined)
    await producer.abort()
    producer.begin()
    appendRange(producer, topic, 10, 15)
    await producer.commit()
    assert.deepEqual(values(await readAll(cluster, topic)), range(10, 15))
  })

  test('a lost record makes the transaction abort, and the next one is whole', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    await using producer = await transactional(cluster)
    producer.begin()
    appendRange(producer, topic, 0, 5)
    await producer.flush()
    producer.append(topic, 0, 1, null, new Uint8Array(3_000_000))
    appendRange(producer, topic, 5, 9)
    await assert.rejects(producer.commit(), { code: 'record-invalid' })
    await producer.abort()
    for (const from of [100, 200]) {
      producer.begin()
      appendRange(producer, topic, from, from + 40)
      await producer.commit()
    }
    const expected = [...range(100, 140), ...range(200, 240)]
    assert.deepEqual(values(await readAll(cluster, topic)), expected)
  })

  test('an abort with batches waiting and in flight leaves no trace', async () => {
    await using cluster = await connect(peer())
    const topic = await freshTopic(cluster)
    await using producer = await transactional(cluster)
    for (let round = 0; round < 5; round++) {
      producer.begin()
      appendRange(producer, topic, round * 1_000, round * 1_000 + 300)
      if (round % 2 === 0) await new Promise((resolve) => setTimeout(resolve, round * 2))
      await producer.abort()
      producer.begin()
      appendRange(producer, topic, round * 1_000 + 500, round * 1_000 + 505)
      await producer.commit()
    }
    const expected = [0, 1, 2, 3, 4].flatMap((round) =>
      range(round * 1_000 + 500, round * 1_000 + 505),
    )
    assert.deepEqual(values(await readAll(cluster, topic, smallFetches)), expected)
  })

  test('transactions over connections that are cut are still all or nothing, once', async () => {
    let requests = 0
    let answers = 0
    let isOn = false
    const cuts = cutting(peer().dial, {
      onRequest: (chunks) => {
        // Not the handshake: a cut there proves nothing and takes long.
        if (!isOn || apiKeyOf(chunks) === 18) return 'pass'
        return ++requests % 19 === 7 ? 'half' : 'pass'
      },
      onResponse: () => (isOn && ++answers % 17 === 11 ? 'cut' : 'pass'),
    })
    await using steady = await connect(peer())
    const topic = await freshTopic(steady)
    const groupId = freshName('group')
    await using cluster = await connect(peer(), cuts)
    await using producer = await transactional(cluster)
    isOn = true
    const expected: string[] = []
    for (let round = 0; round < 15; round++) {
      producer.begin()
      appendRange(producer, topic, round * 100, round * 100 + 40)
      await producer.sendOffsets(nonMember(groupId), [{ topic, partition: 0, offset: round }])
      if (round % 4 === 3) {
        await producer.abort()
      } else {
        await producer.commit()
        expected.push(...range(round * 100, round * 100 + 40))
      }
    }
    isOn = false
    assert.ok(requests > 19 && answers > 17, `${requests} requests, ${answers} answers`)
    assert.deepEqual(values(await readAll(steady, topic, smallFetches)), expected)
    assert.deepEqual(
      (await groupOffsets(steady, groupId)).map(({ offset }) => offset),
      [14],
    )
  })
}
