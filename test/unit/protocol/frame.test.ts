import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concatBytes, equalBytes, Writer } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { finish, isSteps } from '../../../src/base/steps.ts'
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  encodeResponseUpTo,
  FrameSplitter,
} from '../../../src/protocol/frame.ts'

test('frames come out whole however the stream was cut', () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 })
  const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 10 })
  fc.assert(
    fc.property(bodies, cuts, (wanted, sizes) => {
      const stream = concatBytes([new Uint8Array(0), ...wanted.map(framed)])
      const splitter = new FrameSplitter(40)
      const frames: Uint8Array[] = []
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const size = sizes[turn % sizes.length]!
        frames.push(...splitter.push(stream.slice(at, at + size)))
        at += size
      }
      assert.deepEqual(frames, wanted)
    }),
    { numRuns: 500 },
  )
})

test('a frame inside one chunk is a view of the chunk', () => {
  const chunk = framed(Uint8Array.of(1, 2, 3))
  const [frame] = new FrameSplitter(10).push(chunk)
  assert.equal(frame?.buffer, chunk.buffer)
})

test('an oversized frame is refused as soon as its length is there', () => {
  const splitter = new FrameSplitter(1000)
  assert.throws(
    () => splitter.push(Uint8Array.of(0, 0, 3, 233)),
    (error) => isHeadwaterError(error, 'frame-too-large') && /1001/.test(String(error)),
  )
  const bytewise = new FrameSplitter(1000)
  assert.throws(
    () => [0x47, 0x45, 0x54, 0x20].map((byte) => bytewise.push(Uint8Array.of(byte))),
    (error) => isHeadwaterError(error, 'frame-too-large'),
  )
})

test('a negative length is refused', () => {
  assert.throws(
    () => new FrameSplitter(1000).push(Uint8Array.of(255, 255, 255, 255)),
    (error) => isHeadwaterError(error, 'frame-invalid'),
  )
})

test('an API or version not spoken is reported with what the answer needs', () => {
  for (const [key, version] of [
    [9999, 0],
    [0, 2],
    [18, 99],
    [-1, -1],
  ] as const) {
    const frame = new Uint8Array(12)
    const view = new DataView(frame.buffer)
    view.setInt16(0, key)
    view.setInt16(2, version)
    view.setInt32(4, 77)
    const unsupported = { key, version, correlationId: 77 }
    assert.deepEqual(decodeRequest(frame), { unsupported })
  }
})

test('large record slices leave as the chunks they came in', () => {
  const records = [new Uint8Array(4000).fill(1), new Uint8Array(2000).fill(2)]
  const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }]
  const chunks = encodeRequest('Produce', 9, 1, null, { acks: -1, topicData })
  assert.ok(records.every((slice) => chunks.includes(slice)))
  const decoded = decodeRequest(concatBytes(chunks).subarray(4))
  assert.ok('body' in decoded)
  const body = decoded.body as { topicData: { partitionData: { records: Uint8Array }[] }[] }
  assert.deepEqual(body.topicData[0]!.partitionData[0]!.records, concatBytes(records))
})

test('the answer to ApiVersions has no tags in its header in any version', () => {
  for (const version of [0, 1, 2, 3, 4]) {
    const frame = concatBytes(encodeResponse('ApiVersions', version, 5, { errorCode: 35 }))
    assert.deepEqual([...frame.subarray(4, 10)], [0, 0, 0, 5, 0, 35])
  }
})

test('a string of a request is no longer than a string of Kafka may be', () => {
  const joins = (length: number) => {
    const body = { groupId: 'g'.repeat(length) }
    return concatBytes(encodeRequest('Heartbeat', 4, 1, 'c', body)).subarray(4)
  }
  assert.doesNotThrow(() => decodeRequest(joins(0x7fff)))
  assert.throws(
    () => decodeRequest(joins(0x8000)),
    (error) => isHeadwaterError(error, 'frame-invalid') && /32768 bytes/.test(String(error)),
  )
})

test('neither a header nor a message has more tagged fields than anybody needs', () => {
  const heartbeat = concatBytes(encodeRequest('Heartbeat', 4, 1, null, {})).subarray(4)
  const headerEnd = 10
  const tagged = (at: number, count: number) => {
    const tags = new Writer()
    tags.uvarint(count)
    for (let tag = 0; tag < count; tag++) {
      tags.uvarint(tag + 100)
      tags.uvarint(0)
    }
    const before = heartbeat.subarray(0, at)
    return concatBytes([before, tags.finish(), heartbeat.subarray(at + 1)])
  }
  for (const at of [headerEnd, heartbeat.length - 1]) {
    assert.deepEqual(decodeRequest(tagged(at, 1_000)), decodeRequest(heartbeat))
    assert.throws(
      () => decodeRequest(tagged(at, 1_001)),
      (error) => isHeadwaterError(error, 'frame-invalid') && /1001 tagged/.test(String(error)),
    )
  }
})

test('a long answer that is encoded in steps is not copied to grow', () => {
  const brokers = Array.from({ length: 20_000 }, (_, nodeId) => ({ nodeId, host: 'h', port: 1 }))
  assert(!isSteps(encodeResponseUpTo(20_001, 'Metadata', 12, 1, { brokers })))
  const steps = encodeResponseUpTo(20_000, 'Metadata', 12, 1, { brokers })
  assert(isSteps(steps))
  const chunks = finish(steps)
  assert(chunks.length > 2, `${chunks.length} chunks`)
  assert(chunks.every(({ length }) => length < 256 * 1024))
  const whole = concatBytes(encodeResponse('Metadata', 12, 1, { brokers }))
  assert(equalBytes(concatBytes(chunks), whole))
})

test('bytes after the end of a request are not read', () => {
  const heartbeat = concatBytes(encodeRequest('Heartbeat', 4, 1, 'c', { groupId: 'g' })).subarray(4)
  const longer = concatBytes([heartbeat, Uint8Array.of(0, 1, 255)])
  assert.deepEqual(decodeRequest(longer), decodeRequest(heartbeat))
})

test('bytes after the end of a response are refused', () => {
  const heartbeat = concatBytes(encodeResponse('Heartbeat', 4, 1, {})).subarray(4)
  const longer = concatBytes([heartbeat, new Uint8Array(1)])
  assert.throws(
    () => decodeResponse('Heartbeat', 4, longer),
    (error) =>
      isHeadwaterError(error, 'frame-invalid') &&
      /Heartbeat version 4 has 1 bytes after/.test(String(error)),
  )
})

test('a version outside the table is refused before anything is written', () => {
  assert.throws(
    () => encodeRequest('Fetch', 3, 1, null, {}),
    (error) => isHeadwaterError(error, 'unsupported-version') && /4 to 18/.test(String(error)),
  )
  assert.throws(
    () => decodeResponse('Fetch', 19, new Uint8Array(20)),
    (error) => isHeadwaterError(error, 'unsupported-version'),
  )
})

function framed(body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(body.length + 4)
  new DataView(frame.buffer).setInt32(0, body.length)
  frame.set(body, 4)
  return frame
}
