import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { utf8Bytes, utf8String } from '../../../src/base/bytes.ts'
import { KeyCodec } from '../../../src/streams/stores/serde.ts'

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
    assert.throws(() => new KeyCodec('int64').encode('7'), /string was given where int64/)
    assert.throws(() => new KeyCodec('string').encode(7n), /bigint was given where string/)
  })

  it('that are not UTF-8 are refused with their bytes, never taken for one another', () => {
    const codec = new KeyCodec('string')
    const long = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 200])
    assert.throws(() => codec.decode(long, 0, 8), {
      code: 'record-invalid',
      message:
        /the key's bytes \(0x00000000000000c8\) are not UTF-8 text: its keyspace says string, so whoever wrote/,
    })
    for (const byte of [0x80, 0xc0, 0xff]) {
      assert.throws(() => codec.decode(new Uint8Array([byte]), 0, 1), { code: 'record-invalid' })
    }
    const mark = utf8Bytes('\ufffd')
    assert.equal(codec.decode(mark, 0, mark.length), '\ufffd')
  })

  it('with half a character have no bytes', () => {
    const codec = new KeyCodec('string')
    assert.throws(() => codec.encode('a\ud800'), {
      code: 'record-invalid',
      message: /the key "a\\ud800" holds half a character/,
    })
  })

  it('are remembered, but for long ones: anybody may ask for many of those', () => {
    const codec = new KeyCodec('string')
    const short = 'é'.repeat(256)
    assert.equal(codec.encode(short), codec.encode(short))
    assert.notEqual(codec.encode(`${short}é`), codec.encode(`${short}é`))
  })

  it('of an integer have one form', () => {
    const codec = new KeyCodec('int64')
    const decode = (text: string) => codec.decode(utf8Bytes(text), 0, utf8Bytes(text).length)
    for (const text of ['0', '7', '-7', String(2n ** 63n - 1n), String(-(2n ** 63n))]) {
      assert.equal(decode(text), BigInt(text))
      assert.deepEqual(codec.encode(BigInt(text)).bytes, utf8Bytes(text))
    }
    const others = [
      '',
      '-',
      '01',
      '+1',
      '-0',
      ' 1',
      '1 ',
      '1.0',
      '0x1',
      '１',
      'ORD',
      String(2n ** 63n),
    ]
    for (const text of others) {
      assert.throws(() => decode(text), {
        code: 'record-invalid',
        message: /is not a 64-bit whole number in its one decimal form/,
      })
    }
    assert.throws(() => codec.encode(2n ** 63n), /does not fit 64 bits/)
  })
})
