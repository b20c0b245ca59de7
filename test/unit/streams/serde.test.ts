import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { Writer, utf8Bytes, utf8String } from '../../../src/base/bytes.ts'
import { KeyCodec, jsonCodec } from '../../../src/streams/stores/serde.ts'

describe('keys', () => {
  it('are UTF-8 text, whatever they say', () => {
    const codec = new KeyCodec('string')
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (key) => {
        const { bytes } = codec.encode(key)
        assert.equal(utf8String(bytes), key)
        assert.equal(codec.decode(bytes, 0, bytes.length), key)
      }),
    )
  })

  it('are decimal text when they are integers', () => {
    const codec = new KeyCodec('int64')
    const { bytes } = codec.encode(-42n)
    assert.equal(utf8String(bytes), '-42')
    assert.equal(codec.decode(bytes, 0, 3), -42n)
  })

  it('lie in the partition where every Kafka client puts them', () => {
    // As kafkajs and Kafka's own client choose it.
    assert.equal(new KeyCodec('string').encode('ORD').hash % 12, 7)
  })

  it('are found again among more keys than are remembered', () => {
    const codec = new KeyCodec('string')
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 70_000; n++) {
        const bytes = utf8Bytes(`key ${n}`)
        assert.equal(codec.decode(bytes, 0, bytes.length), `key ${n}`)
        assert.equal(codec.encode(`key ${n}`).bytes.length, bytes.length)
      }
    }
  })

  it('of another type are refused', () => {
    assert.throws(() => new KeyCodec('int64').decode(utf8Bytes('ORD'), 0, 3), /not a whole number/)
    assert.throws(() => new KeyCodec('int64').encode('7'), /string was given where int64/)
  })
})

describe('values without a schema', () => {
  it('come back as they were: bigints, dates, bytes and infinities included', () => {
    const value = {
      big: -(2n ** 63n),
      when: new Date('2001-01-15T10:00:00Z'),
      bytes: new Uint8Array([0, 255]),
      never: Infinity,
      nested: [{ text: '"$bigint"' }, null, true],
    }
    assert.deepEqual(again(value), value)
  })

  it('come back for any JSON', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => assert.deepEqual(again(value), asJson(value))))
  })

  it('that JSON cannot hold are refused', () => {
    assert.throws(() => again(undefined), /undefined cannot be stored/)
  })
})

/** JSON itself turns -0 into 0. */
function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

function again(value: unknown): unknown {
  const writer = new Writer()
  jsonCodec.encode(value, writer)
  return jsonCodec.decode(writer.bytes, 0, writer.at)
}
