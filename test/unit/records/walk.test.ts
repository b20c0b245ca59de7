/** Records are what their header says, or they are refused: whole, in pieces, and after any damage. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { readBatchHeader, writeBatchHeader, type BatchHeader } from '../../../src/records/batch.ts'
import { BatchBuilder, decodeRecords } from '../../../src/records/record.ts'
import { RecordWalk, type RecordRules } from '../../../src/records/walk.ts'
import { anyRecord, type Plain } from './arbitrary.ts'

const anyRules: RecordRules = {
  keyed: false,
  oldest: -Infinity,
  newest: Infinity,
  recordBytesMax: Infinity,
}

interface Walked {
  readonly fault: string | undefined
  readonly maxTimestamp: number
  readonly unfit: readonly number[]
  readonly untimely: boolean
}

/** @param cuts where the bytes of the records are cut into pieces */
function walked(
  batch: Uint8Array,
  rules: RecordRules = anyRules,
  cuts: readonly number[] = [],
  header: BatchHeader = readBatchHeader(batch),
): Walked {
  const walk = new RecordWalk(header, rules, { unfitMax: 5 })
  let from = 61
  for (const to of [...cuts, batch.length]) {
    // A piece lies in an array of its own, so that nothing can be read beyond it.
    if (!walk.push(batch.slice(from, to))) break
    from = to
  }
  const fault = walk.finish()
  const { maxTimestamp, unfit, untimely } = walk
  return { fault, maxTimestamp, unfit, untimely }
}

function batchOf(records: readonly Plain[]): Uint8Array {
  const builder = new BatchBuilder(64)
  for (const { timestamp, key, value, headers } of records) {
    builder.append(timestamp, key, value, headers)
  }
  return builder.finish()
}

/** Where a batch is cut, from arbitrary fractions. */
function cutsIn(batch: Uint8Array, fractions: readonly number[]): number[] {
  const body = batch.length - 61
  return fractions.map((f) => 61 + Math.floor(f * body)).sort((a, b) => a - b)
}

const anyBatch = fc.array(anyRecord, { minLength: 1, maxLength: 100 }).map(batchOf)
const anyCuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 40 })

describe('walking records', () => {
  test('finds nothing wrong with what a producer builds, and the largest time', () => {
    fc.assert(
      fc.property(anyBatch, anyCuts, (batch, fractions) => {
        const { maxTimestamp } = readBatchHeader(batch)
        const expected = { fault: undefined, maxTimestamp, unfit: [], untimely: false }
        assert.deepEqual(walked(batch), expected)
        assert.deepEqual(walked(batch, anyRules, cutsIn(batch, fractions)), expected)
      }),
    )
  })

  test('finds the same in pieces of one byte', () => {
    const batch = batchOf(
      Array.from({ length: 70 }, (_, at) => ({
        timestamp: at * 1000,
        key: at % 3 === 0 ? null : new Uint8Array(at),
        value: new Uint8Array(200),
        headers:
          at % 2 === 0 ? [] : [{ key: 'h', value: at % 4 === 1 ? null : new Uint8Array(70) }],
      })),
    )
    const cuts = Array.from({ length: batch.length - 62 }, (_, at) => at + 62)
    assert.deepEqual(walked(batch, anyRules, cuts), walked(batch))
    assert.equal(walked(batch).fault, undefined)
  })

  test('accepts no damaged records but those that are still what the header says', () => {
    const damage = fc.array(fc.tuple(fc.nat(10_000), fc.nat(255)), { minLength: 1, maxLength: 4 })
    let accepted = 0
    let refused = 0
    fc.assert(
      fc.property(anyBatch, damage, fc.nat(20), anyCuts, (good, changes, cutOff, fractions) => {
        const batch = good.slice(0, Math.max(62, good.length - (cutOff > 10 ? cutOff : 0)))
        writeBatchHeader(batch, readBatchHeader(good))
        for (const [at, byte] of changes) batch[61 + (at % (batch.length - 61))] = byte
        const whole = walked(batch)
        const pieces = walked(batch, anyRules, cutsIn(batch, fractions))
        assert.equal(pieces.fault === undefined, whole.fault === undefined)
        if (whole.fault !== undefined) return void refused++
        accepted++
        const records = decodeRecords(batch)
        assert.deepEqual(
          records.map(({ offset }) => offset),
          Array.from({ length: readBatchHeader(batch).recordCount }, (_, at) => at),
        )
        const times = records.map(({ timestamp }) => timestamp)
        assert.equal(whole.maxTimestamp, Math.max(-1, ...times))
        assert.deepEqual(pieces, whole)
      }),
      { numRuns: 3000 },
    )
    assert.ok(accepted > 100 && refused > 100, `${accepted} accepted, ${refused} refused`)
  })

  test('accepts no noise, and ends', () => {
    const bytes = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x80, 0xff))
    const anyNoise = fc
      .array(bytes, { minLength: 1, maxLength: 400 })
      .map((all) => Uint8Array.from(all))
    fc.assert(
      fc.property(anyNoise, fc.nat(400), (noise, count) => {
        const batch = new Uint8Array(61 + noise.length)
        batch.set(noise, 61)
        const header = { ...readBatchHeader(batchOf([one])), recordCount: count + 1 }
        const { fault } = walked(batch, anyRules, [], header)
        const inPieces = walked(
          batch,
          anyRules,
          [62, 65, 80].filter((at) => at < batch.length),
          header,
        )
        assert.equal(inPieces.fault === undefined, fault === undefined)
        if (fault === undefined) assert.ok((count + 1) * 7 <= noise.length)
      }),
      { numRuns: 3000 },
    )
  })
})

const one: Plain = { timestamp: 5, key: null, value: new Uint8Array(3), headers: [] }

/** One record of these bytes, which say nothing of their length. */
function raw(...body: readonly number[]): Uint8Array {
  const batch = new Uint8Array(62 + body.length)
  batch[61] = body.length * 2
  batch.set(body, 62)
  return batch
}

const oneHeader = readBatchHeader(batchOf([one]))
// attributes, timestamp delta, offset delta, null key, null value, no headers
const shortest = [0, 0, 0, 1, 1, 0]

describe('a batch is refused whole', () => {
  const faults: readonly [what: string, body: readonly number[], fault: RegExp][] = [
    ['a length that is negative', [], /does not fit/],
    ['a length that does not end', Array.from({ length: 30 }, () => 0xff), /does not fit/],
    ['a record that goes on after its headers', [...shortest, 0], /does not fit/],
    ['a record without its headers', shortest.slice(0, -1), /does not fit|cut off/],
    ['a key longer than its record', [0, 0, 0, 100, 1, 0], /does not fit/],
    ['a value longer than its record', [0, 0, 0, 1, 100, 0], /does not fit/],
    ['fewer headers than it counts', [0, 0, 0, 1, 1, 4, 0, 1], /does not fit/],
    ['a count of headers that is negative', [0, 0, 0, 1, 1, 1], /does not fit/],
    ['a header without a key', [0, 0, 0, 1, 1, 2, 1, 1], /does not fit/],
    ['two thousand million headers', [0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f], /does not fit/],
    ['a varint that does not end', [0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 1, 0], /does not fit/],
    ['an offset that is not the next', [0, 0, 2, 1, 1, 0], /record 0 says it is record 1/],
  ]
  for (const [what, body, fault] of faults) {
    test(`for ${what}`, () => {
      const batch = raw(...body)
      if (body.length === 0) batch[61] = 1
      else if (body[0] === 0xff) batch[61] = 0xff
      assert.match(walked(batch, anyRules, [], oneHeader).fault!, fault)
      const cuts = Array.from({ length: batch.length - 62 }, (_, at) => at + 62)
      assert.ok(walked(batch, anyRules, cuts, oneHeader).fault !== undefined, 'in pieces')
    })
  }

  test('for more or fewer records than its header says', () => {
    assert.equal(walked(raw(...shortest), anyRules, [], oneHeader).fault, undefined)
    const two = batchOf([one, one])
    assert.match(walked(two, anyRules, [], { ...oneHeader, recordCount: 1 }).fault!, /follow its 1/)
    const most = { ...oneHeader, recordCount: 0x7fff_ffff }
    assert.match(walked(two, anyRules, [], most).fault!, /has 2 records.* 2147483647/)
  })

  test('for a record larger than allowed', () => {
    const batch = batchOf([{ ...one, value: new Uint8Array(1000) }])
    const rules = { ...anyRules, recordBytesMax: 1006 }
    assert.match(walked(batch, rules).fault!, /has 1007 bytes, and 1006 are allowed/)
    assert.match(walked(batch, rules, [80, 500]).fault!, /has 1007 bytes, and 1006 are allowed/)
    assert.equal(walked(batch, { ...rules, recordBytesMax: 1007 }).fault, undefined)
  })
})

test('records at fault by themselves are named, up to a bound, and a missing key before a time', () => {
  const record = (timestamp: number, key: Uint8Array | null): Plain => ({ ...one, timestamp, key })
  const key = new Uint8Array(1)
  const batch = batchOf([record(5, key), record(1, key), record(5, null), record(-1, key)])
  const rules = { ...anyRules, oldest: 3, newest: 9 }
  for (const cuts of [[], [63, 70, 80, 81]]) {
    const timely = walked(batch, rules, cuts)
    assert.deepEqual([timely.unfit, timely.untimely], [[1], true])
    const keyed = walked(batch, { ...rules, keyed: true }, cuts)
    assert.deepEqual([keyed.unfit, keyed.untimely], [[1, 2], true])
    const both = walked(batch, { ...anyRules, keyed: true }, cuts)
    assert.deepEqual([both.unfit, both.untimely], [[2], false])
  }
  const many = batchOf(Array.from({ length: 50 }, () => record(50, key)))
  assert.deepEqual(walked(many, rules).unfit, [0, 1, 2, 3, 4])
})
