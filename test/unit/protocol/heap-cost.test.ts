/** A request is bounded by what its items become in memory, and refused before they do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes, Reader } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import type { ApiName, RequestInput } from '../../../src/protocol/api.ts'
import { decodeRequest, encodeRequest } from '../../../src/protocol/frame.ts'
import { compile, nullable, string, struct, tagged } from '../../../src/protocol/schema.ts'
import { collectGarbage } from '../garbage.ts'

const count = 20_000

function list<T>(item: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => item(n))
}

function frameOf<N extends ApiName>(api: N, version: number, body: RequestInput<N>): Uint8Array {
  return concatBytes(encodeRequest(api, version, 1, 'test', body)).subarray(4)
}

const topic = (n: number) => ({ name: `topic-${n}` })

/** One request of 20,000 partitions or topics for each kind of list: the largest a client has cause to send. */
const largest: Readonly<Record<string, Uint8Array>> = {
  commit: frameOf('OffsetCommit', 9, {
    groupId: 'g',
    topics: list((n) => ({
      ...topic(n),
      partitions: [{ committedOffset: 5e9, committedMetadata: 'm' }],
    })),
  }),
  committed: frameOf('OffsetFetch', 8, { groups: list((n) => ({ groupId: `g${n}`, topics: [] })) }),
  metadata: frameOf('Metadata', 12, { topics: list((n) => ({ name: 'a'.repeat(240) + n })) }),
  fetch: frameOf('Fetch', 12, {
    topics: list((n) => ({ topic: `topic-${n}`, partitions: [{ fetchOffset: n }] })),
  }),
  produce: frameOf('Produce', 9, {
    topicData: [
      { name: 't', partitionData: list((index) => ({ index, records: new Uint8Array(70) })) },
    ],
  }),
  create: frameOf('CreateTopics', 7, {
    topics: list((n) => ({ ...topic(n), configs: [{ name: 'retention.ms', value: '1' }] })),
  }),
  assign: frameOf('CreateTopics', 7, {
    topics: [
      { name: 't', assignments: list((partitionIndex) => ({ partitionIndex, brokerIds: [1] })) },
    ],
  }),
  configs: frameOf('DescribeConfigs', 4, {
    resources: list((n) => ({ resourceName: `topic-${n}`, configurationKeys: ['a', 'b', 'c'] })),
  }),
  join: frameOf('JoinGroup', 9, {
    protocols: list((n) => ({ name: `p${n}`, metadata: new Uint8Array(1) })),
  }),
}

function chargeOf(frame: Uint8Array, bytesMax = Infinity): number {
  const heap = { bytesMax, usedBytes: 0 }
  decodeRequest(frame, heap)
  return heap.usedBytes
}

/** Bytes of the heap that are in use. */
async function heapBytes(): Promise<number> {
  await collectGarbage()
  return process.memoryUsage().heapUsed
}

test('what a request is charged is what it takes, or a little more', async () => {
  const kept: unknown[] = []
  for (const [name, frame] of Object.entries(largest)) {
    kept.push(decodeRequest(frame))
    const before = await heapBytes()
    kept.push(decodeRequest(frame))
    const taken = (await heapBytes()) - before
    const charged = chargeOf(frame)
    assert(taken < 1.3 * charged, `${name} took ${taken} of ${charged}`)
    assert(charged < 4 * taken, `${name} was charged ${charged} for ${taken}`)
  }
})

test('a request that takes more than it may is refused, and told by which bound', () => {
  for (const [name, frame] of Object.entries(largest)) {
    const charge = chargeOf(frame)
    assert.equal(chargeOf(frame, charge), charge, name)
    assert.throws(
      () => chargeOf(frame, charge - 1),
      (error) =>
        isHeadwaterError(error, 'frame-too-large') && /requestHeapBytesMax/.test(error.message),
      name,
    )
  }
})

test('it is refused before its items are made', () => {
  // 30 million topics of three bytes each.
  const items = 30_000_000
  const head = frameOf('Metadata', 9, { topics: [] })
  const frame = new Uint8Array(head.length + 3 * items)
  frame.set(head)
  // The count of the list stands behind the header: 8 bytes, the client id of 2 + 4, no tags.
  const at = 15
  frame.set(
    [
      0x81 + (items & 0x7f),
      0x80 | ((items >> 7) & 0x7f),
      0x80 | ((items >> 14) & 0x7f),
      items >> 21,
    ],
    at,
  )
  const before = process.memoryUsage().heapUsed
  assert.throws(() => chargeOf(frame, 32 * 1024 * 1024), { code: 'frame-too-large' })
  assert(process.memoryUsage().heapUsed - before < 4 * 1024 * 1024)
})

test('tagged fields are charged, each time one is there', () => {
  const codec = compile(struct({ text: tagged(0, 0, nullable(string)) }), 0, true)
  // One field said three times: tag 0, size 101, a string of 100 bytes.
  const once = [0, 101, 101, ...Array.from({ length: 100 }, () => 97)]
  const allowance = { bytesMax: 10_000, usedBytes: 0 }
  const bytes = Uint8Array.of(3, ...once, ...once, ...once)
  codec.read(new Reader(bytes, 0, bytes.length, allowance))
  assert(allowance.usedBytes >= 3 * 200, `${allowance.usedBytes}`)
})
