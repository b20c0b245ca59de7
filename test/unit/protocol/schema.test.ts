import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reader, Writer } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { zeroUuid } from '../../../src/base/units.ts'
import {
  array,
  bool,
  bytes,
  compile,
  ignorable,
  int16,
  int32,
  int64,
  int8,
  nullable,
  since,
  string,
  struct,
  tagged,
  until,
  uuid,
  withDefault,
} from '../../../src/protocol/schema.ts'

const sample = struct({
  id: int32,
  old: until(1, string),
  name: since(1, nullable(string, 2), ''),
  epoch: ignorable(since(2, int16, -1)),
  leader: tagged(3, 2, struct({ node: withDefault(int32, -1) })),
  tags: tagged(1, 2, array(string)),
})

test('a message of a plain version has fixed lengths and no tags', () => {
  const codec = compile(sample, 1, false)
  const encoded = codec.encode({ id: 7, old: 'ab', name: 'c' })
  assert.deepEqual([...encoded], [0, 0, 0, 7, 0, 2, 97, 98, 0, 1, 99])
})

test('a message of a flexible version has compact lengths and sorted tags', () => {
  const codec = compile(sample, 2, true)
  const encoded = codec.encode({ id: 7, name: null, leader: { node: 5 }, tags: ['x'] })
  const tags = [2, 1, 3, 2, 2, 120, 3, 5, 0, 0, 0, 5, 0]
  assert.deepEqual([...encoded], [0, 0, 0, 7, 0, 0xff, 0xff, ...tags])
})

test('fields a version lacks have their defaults after decoding', () => {
  const decoded = compile(sample, 0, false).decode(Uint8Array.of(0, 0, 0, 7, 0, 0))
  assert.deepEqual(decoded, {
    id: 7,
    old: '',
    name: '',
    epoch: -1,
    leader: { node: -1 },
    tags: [],
  })
})

test('a field with a meaning the version cannot carry is refused by name', () => {
  const codec = compile(sample, 0, false, 'Sample')
  assert.throws(
    () => codec.encode({ id: 1, name: 'kept' }),
    (error) => isHeadwaterError(error, 'unsupported-version') && /Sample\.name/.test(String(error)),
  )
  assert.throws(
    () => codec.encode({ leader: { node: 2 } }),
    (error) => isHeadwaterError(error, 'unsupported-version'),
  )
})

test('a default or an ignorable field the version lacks is left out', () => {
  const codec = compile(sample, 0, false)
  const encoded = codec.encode({ id: 1, name: '', epoch: 9, leader: { node: -1 }, tags: [] })
  assert.deepEqual([...encoded], [0, 0, 0, 1, 0, 0])
})

test('null is refused where it cannot stand, both ways', () => {
  const codec = compile(struct({ name: nullable(string, 2) }), 1, false)
  assert.throws(
    () => codec.encode({ name: null }),
    (error) => isHeadwaterError(error, 'unsupported-version'),
  )
  assert.throws(
    () => codec.decode(Uint8Array.of(0xff, 0xff)),
    (error) => isHeadwaterError(error, 'frame-invalid'),
  )
  for (const never of [
    compile(array(int8), 0, true),
    compile(bytes, 0, true),
    compile(string, 0, true),
  ]) {
    assert.throws(
      () => never.decode(Uint8Array.of(0, 0)),
      (error) => isHeadwaterError(error, 'frame-invalid'),
    )
  }
})

test('a struct that may be null begins with a byte that says so', () => {
  const codec = compile(struct({ cursor: nullable(struct({ at: int8 })) }), 0, true)
  assert.deepEqual([...codec.encode({ cursor: null })], [0xff, 0])
  assert.deepEqual([...codec.encode({ cursor: { at: 4 } })], [1, 4, 0, 0])
  assert.deepEqual(codec.decode(Uint8Array.of(1, 4, 0, 0)), { cursor: { at: 4 } })
})

test('tags nobody knows are skipped', () => {
  const codec = compile(sample, 2, true)
  const known = codec.decode(Uint8Array.of(0, 0, 0, 7, 2, 97, 0, 1, 2, 1, 3, 2, 2, 120, 9, 2, 8, 8))
  assert.deepEqual(known.tags, ['x'])
})

test('a tag cannot read past its own size', () => {
  const codec = compile(sample, 2, true)
  assert.throws(
    () => codec.decode(Uint8Array.of(0, 0, 0, 7, 2, 97, 0, 1, 1, 3, 4, 0, 0, 0, 5, 0)),
    (error) => isHeadwaterError(error, 'frame-invalid'),
  )
})

test('a count the rest of the frame cannot hold is refused before room is made for it', () => {
  const codec = compile(array(struct({ at: int64, is: bool })), 0, false)
  for (const [count, text] of [
    [0x7fff_ffff, /claims 2147483647 items/],
    [3, /claims 3 items/],
    [-2, /a length of -2/],
  ] as const) {
    const writer = new Writer()
    writer.int32(count)
    writer.append(new Uint8Array(26))
    assert.throws(
      () => codec.decode(writer.finish()),
      (error) => isHeadwaterError(error, 'frame-invalid') && text.test(error.message),
    )
  }
})

test('bytes are decoded as views and may be encoded from chunks', () => {
  const codec = compile(bytes, 0, true)
  const encoded = codec.encode([Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)])
  assert.deepEqual([...encoded], [4, 1, 2, 3])
  const view = codec.read(new Reader(encoded))
  assert.equal(view.buffer, encoded.buffer)
})

test('strings of every length and script keep their length in bytes', () => {
  const codec = compile(struct({ text: string }), 0, true)
  for (const text of [
    '',
    'a',
    'é',
    'x'.repeat(63) + 'é',
    'y'.repeat(200),
    '東京'.repeat(50),
    '🛫',
  ]) {
    assert.equal(codec.decode(codec.encode({ text })).text, text)
  }
})

test('a string too long for its length field is refused', () => {
  const codec = compile(string, 0, false)
  assert.throws(
    () => codec.encode('x'.repeat(40_000)),
    (error) => isHeadwaterError(error, 'protocol-error'),
  )
})

test('ids are sixteen bytes, printed as Kafka prints them', () => {
  const codec = compile(struct({ id: uuid }), 0, false)
  assert.equal(codec.decode(new Uint8Array(16)).id, zeroUuid)
  const id = 'Dw8PDw8PDw8PDw8PDw8PDw'
  assert.deepEqual(
    [...codec.encode({ id })],
    Array.from({ length: 16 }, () => 15),
  )
})
