/** Sinks as they are declared: columns, keys, DDL, and what is refused. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AnyEvent } from '../../../src/events/event.ts'
import { createStatements, createTable } from '../../../src/postgres/ddl.ts'
import { postgresSink, table } from '../../../src/postgres/sink.ts'
import type { Columns } from '../../../src/postgres/sink.ts'
import { businessTopology } from '../../../src/service/graph.ts'
import { Entries } from '../../types/ledger.ts'
import { Orders, Payments, Shipments, shipping, Visits } from '../../types/shop.ts'

describe('a table', () => {
  it('has a column for each field, as its type and its presence are', () => {
    assert.equal(
      createTable(table('books.entries', { from: Entries })),
      `CREATE TABLE IF NOT EXISTS "books"."entries" (
  "entry_id" bigint NOT NULL,
  "double_field" double precision NOT NULL,
  "float_field" real NOT NULL,
  "int32_field" integer NOT NULL,
  "uint32_field" bigint NOT NULL,
  "uint64_field" numeric NOT NULL,
  "sint64_field" bigint NOT NULL,
  "fixed64_field" numeric NOT NULL,
  "bool_field" boolean NOT NULL,
  "string_field" text NOT NULL,
  "bytes_field" bytea NOT NULL,
  "side" text NOT NULL,
  "at" timestamptz,
  "took" jsonb,
  "part" jsonb,
  "tags" jsonb NOT NULL,
  "counts" jsonb NOT NULL,
  "note" text,
  "cash" integer,
  "card" jsonb,
  "wrapped" jsonb,
  "free" jsonb,
  "text_long" numeric NOT NULL,
  PRIMARY KEY ("entry_id")
)`,
    )
  })

  it('of facts has the key that is named, or none', () => {
    const columns = { 'the "id"': 'paymentId', cents: 'amount' } as const
    assert.equal(
      createTable(table('p', { from: Payments, columns, key: ['the "id"'] })),
      `CREATE TABLE IF NOT EXISTS "p" (
  "the ""id""" text NOT NULL,
  "cents" integer NOT NULL,
  PRIMARY KEY ("the ""id""")
)`,
    )
    assert.equal(table('p', { from: Payments, columns }).key.length, 0)
    assert.equal(table('p', { from: Payments }).mode, 'insert')
  })

  const refused: readonly (readonly [what: string, declare: () => unknown, says: RegExp])[] = [
    ['a field there is not', () => loose({ id: 'orderId', x: 'nothing' }), /'nothing' is no field/],
    ['no column of the key', () => loose({ total: 'total' }), /no column of 'orderId'/],
    ['no columns', () => loose({}), /has no columns/],
    [
      'a type there is not',
      () => loose({ id: 'orderId', x: { type: 'money', from: () => 1 } }),
      /'money' is no type a column may have: boolean/,
    ],
    ['a key of its own', () => table('t', { from: Orders, key: ['total'] }), /leave key out/],
    [
      'a key that is no column',
      () => table('t', { from: Visits, key: ['nothing'] }),
      /'nothing', which is none of its columns/,
    ],
    ['a database before the schema', () => table('a.b.c', { from: Visits }), /schema.table/],
    ['a name that is cut off', () => table('ü'.repeat(32), { from: Visits }), /1 to 63 bytes/],
    [
      'a oneof as a whole',
      () => table('t', { from: Entries, columns: { id: 'entryId', paid: 'paid' } }),
      /'paid' is a oneof/,
    ],
  ]
  for (const [what, declare, says] of refused) {
    it(`is refused with ${what}`, () => {
      assert.throws(declare, { code: 'topology-invalid', message: says })
    })
  }

  it('may have a name as long as PostgreSQL keeps one', () => {
    assert.equal(table('n'.repeat(63), { from: Visits }).name.length, 63)
  })
})

describe('a sink', () => {
  it('names its streams once and its tables in order', () => {
    const sink = postgresSink('s', {
      tables: [table('a', { from: Orders }), table('b', { from: Orders })],
    })
    assert.deepEqual(sink.reads, [Orders])
    assert.equal(sink.onError, 'stop')
    const heads = createStatements(sink).map((text) => text.split('\n')[0])
    assert.deepEqual(heads, [
      'CREATE TABLE IF NOT EXISTS headwater_positions (',
      'CREATE TABLE IF NOT EXISTS "a" (',
      'CREATE TABLE IF NOT EXISTS "b" (',
    ])
  })

  it('stands in the graph of services as a reader', () => {
    const sink = postgresSink('reporting', { tables: [table('shipments', { from: Shipments })] })
    const { services, streams } = businessTopology([shipping, sink])
    assert.deepEqual(services[0], {
      name: 'reporting',
      context: undefined,
      reads: ['shipments'],
      writes: [],
    })
    const shipments = streams.find(({ name }) => name === 'shipments')
    assert.deepEqual([shipments!.writer, shipments!.readers], ['shipping', ['reporting']])
  })

  it('is refused without tables, with one table twice, or with a name topics cannot carry', () => {
    const orders = table('orders', { from: Orders })
    const code = 'topology-invalid'
    assert.throws(() => postgresSink('s', { tables: [] }), { code, message: /no tables/ })
    const twice = () => postgresSink('s', { tables: [orders, table('orders', { from: Visits })] })
    assert.throws(twice, { code, message: /two streams for table 'orders'/ })
    assert.throws(() => postgresSink('a/b', { tables: [orders] }), { code, message: /a\/b/ })
  })
})

/** Columns that the compiler would refuse, as a program in JavaScript may have them. */
function loose(columns: Record<string, unknown>): unknown {
  return table('t', { from: Orders as AnyEvent, columns: columns as Columns<AnyEvent> })
}
