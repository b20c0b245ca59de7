/** What a record does to the tables of a sink. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Writer, utf8Bytes } from '../../../src/base/bytes.ts'
import { bytesText, textOf } from '../../../src/postgres/column-types.ts'
import type { ColumnType } from '../../../src/postgres/column-types.ts'
import { postgresSink, table } from '../../../src/postgres/sink.ts'
import { takeOf } from '../../../src/postgres/take.ts'
import type { AnyEvent } from '../../../src/events/event.ts'
import type { SourceRecord } from '../../../src/streams/operators/source-record.ts'
import { Entries } from '../../types/ledger.ts'
import { Accounts, Orders, Payments } from '../../types/shop.ts'

const sink = postgresSink('s', {
  tables: [
    table('orders', { from: Orders, columns: { id: 'orderId', total: 'total' } }),
    table('totals', {
      from: Orders,
      columns: {
        id: 'orderId',
        half: {
          type: 'integer',
          from: ({ total }, { offset, key }) => {
            if (total < 0) throw new Error(`no half of ${total}`)
            return key === 'o9' ? 0.5 : total / 2 + offset
          },
        },
      },
    }),
    table('payments', { from: Payments, columns: { id: 'paymentId' } }),
    table('accounts', { from: Accounts }),
  ],
})
const take = takeOf(sink)

describe('a record', () => {
  it('of an entity makes a row in each table of its stream', () => {
    assert.deepEqual(take(of(Orders, 'o1', { orderId: 'other', total: 8 })).changes, [
      { table: 0, key: 'o1', row: ['o1', '8'] },
      { table: 1, key: 'o1', row: ['o1', '9'] },
    ])
  })

  it('without a value deletes the row of its key, with one of facts it is dropped', () => {
    assert.deepEqual(take(of(Orders, 'o1', null)).changes, [
      { table: 0, key: 'o1', row: null },
      { table: 1, key: 'o1', row: null },
    ])
    const dropped = take(of(Payments, 'o1', null))
    assert.deepEqual(dropped.changes, [])
    assert.deepEqual(dropped.drop, { reason: 'noValue', operator: "table 'payments'" })
  })

  it('without a key is dropped where rows have one, and no key is needed where facts are added', () => {
    assert.equal(take(of(Orders, null, { orderId: 'o1' })).drop?.reason, 'noKey')
    assert.deepEqual(take(of(Payments, null, { paymentId: 'p1' })).changes, [
      { table: 2, key: null, row: ['p1'] },
    ])
  })

  it('whose key is a number has that number in its row', () => {
    const { changes } = take(of(Accounts, '-7', { accountNumber: 3n, holder: 'h' }))
    assert.deepEqual(changes, [{ table: 3, key: '-7', row: ['-7', 'h'] }])
  })

  const failing: readonly (readonly [what: string, record: SourceRecord, says: RegExp])[] = [
    [
      'does not decode',
      { ...of(Orders, 'o1', null), value: new Uint8Array([0xff]) },
      /decoding the value failed/,
    ],
    [
      'has another key',
      of(Accounts, '07', { holder: 'h' }),
      /decoding the key failed: .*decimal form/,
    ],
    [
      'makes a function throw',
      of(Orders, 'o1', { total: -1 }),
      /column 'half': its function threw: no half/,
    ],
    [
      'makes a value of another type',
      of(Orders, 'o9', {}),
      /column 'half': is integer, and its function gave number 0.5/,
    ],
    [
      'has the character zero in a text',
      of(Payments, 'o1', { paymentId: 'a\0' }),
      /column 'id': holds the character U\+0000/,
    ],
    ['has it in its key', of(Orders, 'a\0', {}), /column 'id': holds the character U\+0000/],
  ]
  for (const [what, record, says] of failing) {
    it(`that ${what} has failed, and makes no row anywhere`, () => {
      const { changes, failure } = take(record)
      assert.deepEqual(changes, [])
      assert.match(failure!.error.message, says)
    })
  }

  it('has moments to the microsecond, in the years 1 to 9999', () => {
    const entries = takeOf(postgresSink('e', { tables: [table('e', { from: Entries })] }))
    const at = (seconds: bigint, nanos: number) =>
      entries(of(Entries, '1', { at: { seconds, nanos } }))
    assert.equal(at(-62_135_596_800n, 1_999).changes[0]!.row![12], '0001-01-01T00:00:00.000001Z')
    assert.equal(
      at(253_402_300_799n, 999_999_999).changes[0]!.row![12],
      '9999-12-31T23:59:59.999999Z',
    )
    for (const [seconds, nanos] of [
      [253_402_300_800n, 0],
      [-62_135_596_801n, 0],
      [0n, -1],
      [0n, 1e9],
    ] as const) {
      assert.match(
        at(seconds, nanos).failure!.error.message,
        /'at': is a Timestamp out of its range/,
      )
    }
  })
})

describe('bytes', () => {
  it('are text without each step on the way being kept', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const bytes = new Uint8Array(2 * 1024 * 1024).fill(0xa5)
    collect()
    const before = process.memoryUsage().heapUsed
    const text = bytesText(bytes)
    collect()
    const kept = process.memoryUsage().heapUsed - before
    assert.equal(text.length, 2 + 2 * bytes.length)
    assert.ok(kept < 4 * bytes.length, `${kept} bytes`)
  })
})

describe('what a function gives', () => {
  const taken: readonly (readonly [ColumnType, unknown, string | null])[] = [
    ['boolean', false, 'false'],
    ['integer', 5, '5'],
    ['bigint', 2n ** 62n, '4611686018427387904'],
    ['numeric', '1.10', '1.10'],
    ['numeric', 1.5, '1.5'],
    ['real', -0, '-0'],
    ['double precision', NaN, 'NaN'],
    ['text', '', ''],
    ['bytea', new Uint8Array([1, 171]), '\\x01ab'],
    ['timestamptz', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['date', '2026-02-03', '2026-02-03'],
    ['jsonb', { a: [1n, new Date(0)] }, '{"a":["1","1970-01-01T00:00:00.000Z"]}'],
    ['jsonb', 'text', '"text"'],
    ['jsonb', null, null],
    ['text', undefined, null],
  ]
  for (const [type, value, text] of taken) {
    it(`goes into ${type} as ${text}`, () => assert.equal(textOf(type, value), text))
  }

  for (const [type, value] of [
    ['boolean', 1],
    ['integer', 1.5],
    ['bigint', 2 ** 53],
    ['numeric', true],
    ['real', '1'],
    ['text', 1],
    ['text', 'cut \ud83d'],
    ['uuid', 'a\0'],
    ['bytea', 'ab'],
    ['timestamptz', new Date(NaN)],
    ['date', new Date(0)],
    ['jsonb', () => 1],
  ] as const) {
    it(`is refused for ${type} when it is ${JSON.stringify(String(value))}`, () => {
      assert.throws(() => textOf(type, value), { code: 'record-invalid' })
    })
  }
})

function of(
  event: AnyEvent,
  key: string | null,
  message: Record<string, unknown> | null,
): SourceRecord {
  const writer = new Writer()
  if (message !== null) event.codec.encode(message, writer)
  return {
    topic: event.name,
    partition: 0,
    offset: 5,
    timestamp: 1,
    key: key === null ? null : utf8Bytes(key),
    value: message && writer.bytes.slice(0, writer.at),
    headers: [],
  }
}
