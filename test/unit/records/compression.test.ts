import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compressSync } from 'snappy'
import { concatBytes } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { compress, decompress } from '../../../src/records/compression.ts'

const text = new TextEncoder().encode('the quick brown fox jumps over the lazy dog. '.repeat(4000))

test('each compression shrinks repeated text and gives it back', () => {
  for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const small = compress(compression, text)
    assert.ok(small.length < text.length / 5, compression)
    assert.deepEqual(new Uint8Array(decompress(compression, small)), text, compression)
  }
})

test('snappy is written in the framing of snappy-java and read with or without it', () => {
  const framed = compress('snappy', text)
  assert.equal(Buffer.from(framed.subarray(1, 7)).toString(), 'SNAPPY')
  assert.deepEqual(new Uint8Array(decompress('snappy', compressSync(text))), text)
})

test('lz4 is a frame with independent blocks, the only kind the Java client reads', () => {
  const framed = compress('lz4', text)
  assert.equal(Buffer.from(framed.subarray(0, 4)).toString('hex'), '04224d18')
  assert.equal(framed[4]! >> 6, 1, 'version')
  assert.ok(framed[4]! & 0x20, 'block independence')
})

test('a raw snappy block that claims gigabytes is refused before they are allocated', () => {
  const claim = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0)
  assert.throws(
    () => decompress('snappy', claim),
    (error) =>
      isHeadwaterError(error, 'record-invalid') && /too large/.test((error.cause as Error).message),
  )
})

test('an empty batch body goes through each compression', () => {
  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
    const none = new Uint8Array(0)
    assert.equal(decompress(compression, compress(compression, none)).length, 0, compression)
  }
})

/** Bytes that unfold to 576 MiB of zeros; 512 MiB are the most. */
const zeros = new Uint8Array(64 * 1024 * 1024)
const ninefold = (part: Uint8Array): Uint8Array =>
  concatBytes(Array.from({ length: 9 }, () => part))

test('a bomb is not unfolded past the bound, in any format that says its size', () => {
  const blocks = compress('snappy', zeros)
  const header = blocks.subarray(0, 16)
  const bombs = {
    gzip: ninefold(compress('gzip', zeros)),
    zstd: ninefold(compress('zstd', zeros)),
    snappy: concatBytes([header, ninefold(blocks.subarray(16))]),
  }
  for (const [compression, bomb] of Object.entries(bombs)) {
    assert.ok(bomb.length < 50_000_000, compression)
    const unfold = () => decompress(compression as keyof typeof bombs, bomb)
    assert.throws(unfold, { code: 'record-invalid' }, compression)
  }
})
