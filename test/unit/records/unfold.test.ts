/** What others compressed is unfolded as far as one wants, and never beyond what its format can hold. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { compressFrameSync } from 'lz4-napi'
import { compressSync as snappySync } from 'snappy'
import { concatBytes } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import type { Compression } from '../../../src/records/batch.ts'
import { compress } from '../../../src/records/compression.ts'
import { lz4Blocks } from '../../../src/records/lz4-frame.ts'
import { unfold, unfoldUpTo } from '../../../src/records/unfold.ts'

const compressions: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

async function pieces(compression: Compression, bytes: Uint8Array): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  for await (const piece of unfold(compression, bytes)) found.push(piece)
  return found
}

function kinds(size: number): Uint8Array[] {
  const text = Uint8Array.from({ length: size }, (_, at) => 97 + ((at * 7 + (at >> 9)) % 26))
  const noise = Uint8Array.from({ length: size }, (_, at) => (at * 2_654_435_761) >>> 13)
  return [new Uint8Array(size), text, noise]
}

describe('unfolding', () => {
  for (const compression of compressions) {
    test(`gives what was compressed with ${compression}, whole and in pieces`, async () => {
      for (const size of [1, 70_000, 600_000]) {
        for (const bytes of kinds(size)) {
          const small = compress(compression, bytes)
          assert.ok(Buffer.from(unfoldUpTo(compression, small, size)!).equals(bytes))
          const found = await pieces(compression, small)
          assert.ok(Buffer.from(concatBytes(found)).equals(bytes))
          assert.ok(found.every(({ length }) => length <= 4 * 1024 * 1024))
        }
      }
    })

    test(`stops before ${compression} becomes more than it may`, () => {
      const small = compress(compression, new Uint8Array(300_000))
      assert.ok(unfoldUpTo(compression, small, 299_999) === undefined)
      assert.equal(unfoldUpTo(compression, small, 300_000)?.length, 300_000)
    })

    test(`refuses ${compression} that is noise, cut off or damaged, and never hangs`, async () => {
      if (compression === 'none') return
      const small = compress(compression, kinds(10_000)[1]!)
      const hurt = fc.record({
        from: fc.nat(small.length - 1),
        byte: fc.nat(255),
        end: fc.nat(small.length),
      })
      await fc.assert(
        fc.asyncProperty(hurt, async ({ from, byte, end }) => {
          const bytes = small.slice(0, end)
          if (from < end) bytes[from] = byte
          const refused = await pieces(compression, bytes).then(
            () => false,
            (error: unknown) => {
              assert.ok(isHeadwaterError(error, 'record-invalid'), String(error))
              return true
            },
          )
          try {
            unfoldUpTo(compression, bytes, 1_000_000)
            assert.equal(refused, false, 'whole and in pieces')
          } catch (error) {
            if (!isHeadwaterError(error, 'record-invalid')) throw error
            assert.equal(refused, true, 'in pieces and whole')
          }
        }),
        { numRuns: 60 },
      )
    })
  }

  test('goes no further than somebody reads', async () => {
    const bomb = concatBytes(
      Array.from({ length: 40 }, () => compress('gzip', new Uint8Array(1e6))),
    )
    let seen = 0
    for await (const piece of unfold('gzip', bomb)) {
      seen += piece.length
      if (seen > 1e6) break
    }
    assert.ok(seen < 2e6)
  })
})

test('snappy that claims more than it can become is refused before it is allocated', async () => {
  const block = snappySync(new Uint8Array(1000)) as Uint8Array
  const claims = concatBytes([Uint8Array.of(0xff, 0xff, 0xff, 0x7f), block.subarray(2)])
  const saysSo = (error: unknown): boolean =>
    isHeadwaterError(error, 'record-invalid') && /claims/.test((error.cause as Error).message)
  assert.throws(() => unfoldUpTo('snappy', claims, 2 ** 31), saysSo)
  await assert.rejects(pieces('snappy', claims), saysSo)
  // The densest there is: copies of 64 bytes.
  const dense = snappySync(new Uint8Array(1_000_000)) as Uint8Array
  assert.equal(unfoldUpTo('snappy', dense, 1_000_000)?.length, 1_000_000)
})

describe('an lz4 frame', () => {
  const text = kinds(1_500_000)[1]!

  for (const blockChecksums of [false, true]) {
    test(`is cut into frames of their own, ${blockChecksums ? 'with' : 'without'} checksums`, () => {
      for (const size of [10, 60_000, 200_000, 900_000, 1_500_000]) {
        const bytes = text.subarray(0, size)
        const frame = compressFrameSync(Buffer.from(bytes), {
          blockChecksums,
          contentChecksum: true,
        })
        const blocks = [...lz4Blocks(frame, 1)]
        const sizes = blocks.map(({ sizeBytes }) => sizeBytes)
        assert.equal(
          sizes.reduce((sum, next) => sum + next, 0),
          size,
        )
        const found = blocks.map((block) => unfoldUpTo('lz4', block.frame(), size)!)
        assert.ok(Buffer.from(concatBytes(found)).equals(bytes))
      }
    })
  }

  test('must have its end, which consumers in Java wait for', () => {
    const frame = compressFrameSync(Buffer.from(text))
    const cut = frame.subarray(0, -4)
    assert.throws(() => unfoldUpTo('lz4', cut, 2_000_000), { code: 'record-invalid' })
  })
})
