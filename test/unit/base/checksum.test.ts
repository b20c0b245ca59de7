import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { utf8Bytes } from '../../../src/base/bytes.ts'
import { crc32c, murmur2 } from '../../../src/base/checksum.ts'

describe('crc32c', () => {
  it('agrees with the test vectors of RFC 3720, appendix B.4', () => {
    assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa)
    assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43)
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e)
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c)
    assert.equal(crc32c(utf8Bytes('123456789')), 0xe3069283)
  })

  it('is the same wherever the bytes lie in memory', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(7), (bytes, shift) => {
        const moved = new Uint8Array(shift + bytes.length)
        moved.set(bytes, shift)
        assert.equal(crc32c(moved, shift), crc32c(bytes))
        assert.equal(crc32c(moved.subarray(shift)), crc32c(bytes))
      }),
    )
  })

  it('goes on from the checksum of the bytes before', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, cut) => {
        const at = Math.min(cut, bytes.length)
        assert.equal(crc32c(bytes, at, bytes.length, crc32c(bytes, 0, at)), crc32c(bytes))
      }),
    )
  })
})

describe('murmur2', () => {
  it("agrees with the values in Kafka's own tests of its partitioner", () => {
    const cases: readonly (readonly [string, number])[] = [
      ['21', -973932308],
      ['foobar', -790332482],
      ['a-little-bit-long-string', -985981536],
      ['a-little-bit-longer-string', -1486304829],
      ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
      ['abc', 479470107],
    ]
    for (const [key, hash] of cases) assert.equal(murmur2(utf8Bytes(key)), hash, key)
  })
})
