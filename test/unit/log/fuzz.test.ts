import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  beginGroup,
  decodeGroup,
  EntryKind,
  finishGroup,
  journalHeaderBytes,
  writeEntry,
} from '../../../src/log/journal/format.ts'
import { OffsetIndex } from '../../../src/log/segments/offset-index.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { batchOf, openStore, stored } from './batches.ts'

const asLiterals = { noNullPrototype: true }
const entryArbitrary = fc.record(
  {
    kind: fc.constantFrom(...Object.values(EntryKind)),
    logNumber: fc.nat(),
    sizeBytes: fc.nat(),
    checksum: fc.integer({ min: 0, max: 0xffff_ffff }),
    offset: fc.maxSafeNat(),
    leaderEpoch: fc.nat(),
    lastOffsetDelta: fc.nat(),
  },
  asLiterals,
)

test('a group is read back as it was written, and with any bit flipped not at all', () => {
  fc.assert(
    fc.property(
      fc.array(entryArbitrary, { maxLength: 20 }),
      fc.record({
        sequence: fc.maxSafeNat(),
        syncedSequence: fc.maxSafeNat(),
        appendedAt: fc.maxSafeNat(),
        payloadBytes: fc.nat(),
      }),
      fc.integer({ min: 0, max: 0xffff_ffff }),
      fc.nat(),
      (entries, header, seed, bit) => {
        const table = beginGroup()
        for (const entry of entries) writeEntry(table, entry)
        const bytes = finishGroup(table, header, seed)
        assert.deepEqual(decodeGroup(bytes, 0, seed), { ...header, entries })
        assert.equal(decodeGroup(bytes, 0, seed ^ 1), undefined)
        const at = bit % (bytes.length * 8)
        bytes[at >> 3]! ^= 1 << (at & 7)
        assert.equal(decodeGroup(bytes, 0, seed), undefined)
      },
    ),
  )
})

test('any bytes are not a group and not an index, and reading them ends', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, withMagic) => {
      if (withMagic) bytes.set([0x48, 0x57, 0x47, 0x31].slice(0, bytes.length))
      assert.equal(decodeGroup(bytes, 0, 0), undefined)
      if (withMagic) bytes.set([0x48, 0x57, 0x49, 0x31].slice(0, bytes.length))
      assert.equal(OffsetIndex.decode(bytes, 0, 100, 1e9), undefined)
    }),
  )
})

test('an index says a position at or before the batch, read back or not', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          count: fc.integer({ min: 1, max: 50 }),
          bytes: fc.integer({ min: 61, max: 900 }),
          timestamp: fc.nat(1000),
        }),
        { minLength: 1, maxLength: 80 },
      ),
      fc.nat(),
      (batches, pick) => {
        const index = new OffsetIndex(500, 700)
        const placed = []
        let offset = 500
        for (const batch of batches) {
          placed.push({ ...batch, offset, position: index.coveredBytes })
          index.note(offset, batch.bytes, batch.timestamp)
          offset += batch.count
        }
        const again = OffsetIndex.decode(index.encode(), 500, 700, index.coveredBytes)!
        const wanted = placed[pick % placed.length]!
        const since = placed.find((batch) => batch.timestamp >= wanted.timestamp)!
        for (const read of [index, again]) {
          const { position, baseOffset } = read.placeOf(wanted.offset + wanted.count - 1)
          assert(position <= wanted.position && wanted.position - position < 700 + 900)
          assert(placed.some((batch) => batch.position === position && batch.offset === baseOffset))
          assert(read.placeOfTime(wanted.timestamp).position <= since.position)
        }
      },
    ),
  )
})

test('a journal cut anywhere opens with a beginning of what was appended', async () => {
  const disk = new SimDisk({ seed: 1 })
  const store = await openStore({ disk })
  const log = await store.create('flights-0')
  for (let at = 0; at < 4; at++) await stored(log, batchOf(3))
  const path = disk.paths().find((name) => name.endsWith('.journal'))!
  const sizeBytes = disk.sizeOf(path)
  for (let size = sizeBytes; size >= 0; size -= 7) {
    const copy = disk.afterCrash({ seed: 1 })
    copy.cut(path, size)
    if (size < journalHeaderBytes) {
      // The checkpoint names the file, so it was begun once.
      await assert.rejects(openStore({ disk: copy }), { code: 'data-corrupt' })
      continue
    }
    await using again = await openStore({ disk: copy })
    const end = again.get('flights-0')?.endOffset ?? 0
    assert(end % 3 === 0 && end <= 12)
    if (size === sizeBytes) assert.equal(end, 12)
    if (size < 100) assert.equal(end, 0)
  }
})
