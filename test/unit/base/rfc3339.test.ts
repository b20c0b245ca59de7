import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseInstant } from '../../../src/base/rfc3339.ts'

const noon = Date.UTC(2001, 0, 15, 12)

describe('a moment as it is written', () => {
  it('is RFC 3339 with its zone, or milliseconds since 1970', () => {
    for (const [text, time] of [
      ['2001-01-15T12:00:00Z', noon],
      ['2001-01-15t12:00:00z', noon],
      ['2001-01-15T12:00:00.5Z', noon + 500],
      ['2001-01-15T12:00:00.123456789Z', noon + 123],
      ['2001-01-15T14:00:00+02:00', noon],
      ['2001-01-15T06:30:00-05:30', noon],
      ['2001-01-15T12:00:00-00:00', noon],
      ['2000-02-29T00:00:00Z', Date.UTC(2000, 1, 29)],
      ['0000-01-01T00:00:00Z', -62_167_219_200_000],
      ['9999-12-31T23:59:59.999Z', 253_402_300_799_999],
      ['979560000000', noon],
      ['-1', -1],
      ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ] as const) {
      assert.equal(parseInstant(text), time, text)
    }
  })

  it('is refused when it says no moment, whatever the zone of the machine is', () => {
    for (const text of [
      '',
      'now',
      '2001-01-15',
      '2001-01-15T12:00',
      '2001-01-15T12:00Z',
      '2001-01-15T12:00:00',
      '2001-01-15 12:00:00Z',
      '2001-01-15T12:00:00+2',
      '2001-01-15T12:00:00+0200',
      '2001-01-15T12:00:00 02:00',
      '2001-01-15T12:00:00+24:00',
      '2001-01-15T12:00:00+02:60',
      '2001-01-15T12:00:00.Z',
      '2001-01-15T24:00:00Z',
      '2001-01-15T12:60:00Z',
      '2001-01-15T12:00:60Z',
      '2001-02-29T00:00:00Z',
      '2001-02-30T00:00:00Z',
      '2001-00-10T00:00:00Z',
      '2001-13-10T00:00:00Z',
      '2001-01-00T00:00:00Z',
      '+002001-01-15T12:00:00Z',
      '1/15/2001',
      'Jan 15 2001 12:00',
      '1e3',
      '0x10',
      '979560000000.5',
      '9007199254740992',
      ' 979560000000',
      '2001-01-15T12:00:00Z\n',
    ]) {
      assert.equal(parseInstant(text), undefined, text)
    }
  })

  it('is what a Date writes', () => {
    const last = Date.UTC(9999, 11, 31)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: last }), (time) => {
        assert.equal(parseInstant(new Date(time).toISOString()), time)
        assert.equal(parseInstant(String(time)), time)
      }),
    )
  })
})
