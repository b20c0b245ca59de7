/** What comes of messages in tables: every type, deletions, and records that make no row. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { inspect } from 'node:util'
import type { InitOf } from '../../src/events/event.ts'
import { createTopics, deleteRecords, deleteTopics } from '../../src/client/admin.ts'
import { lettersOf, readLetters } from '../../src/streams/letters/letters.ts'
import { runSink } from '../../src/postgres/run-sink.ts'
import type { SinkEvent } from '../../src/postgres/running.ts'
import { postgresSink, table } from '../../src/postgres/sink.ts'
import { connect, deleteRow, write, writePoison } from '../streams-suite/place.ts'
import { Entries } from '../types/ledger.ts'
import { Orders, Payments, Visits } from '../types/shop.ts'
import { onBench, stopPostgres } from './database.ts'
import type { Bench } from './database.ts'

after(stopPostgres)

const books = postgresSink('books', { tables: [table('entries', { from: Entries })] })
const shop = postgresSink('shop', { tables: [table('orders', { from: Orders })] })

describe('a row', () => {
  it('holds every type of field as PostgreSQL has it', async () => {
    await onBench(async ({ sql, ...bench }) => {
      const { broker, url: database } = bench
      await using sink = await runSink(books, { broker, database, create: true })
      await write({ ...bench }, Entries, [full, { entryId: 2n, doubleField: -0, floatField: NaN }])
      await sink.caughtUp()
      const [first, second] =
        await sql(`SELECT entry_id::text, double_field, float_field, int32_field,
        uint32_field::text, uint64_field::text, sint64_field::text, fixed64_field::text, bool_field,
        string_field, encode(bytes_field, 'hex') AS bytes_field, side,
        to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS at, took, part, tags, counts, note,
        cash, card, wrapped, free, text_long::text FROM entries ORDER BY entry_id`)
      assert.deepEqual(first, {
        entry_id: '1',
        double_field: 1e-300,
        float_field: Infinity,
        int32_field: -5,
        uint32_field: '4294967295',
        uint64_field: '18446744073709551615',
        sint64_field: '-9223372036854775808',
        fixed64_field: '7',
        bool_field: true,
        string_field: `NULL "quoted" {a,b} \\x41 'it''s' ünï 😀`,
        bytes_field: '00ff5c',
        side: 'SIDE_CREDIT',
        at: '1969-12-31 23:59:59.123456',
        took: '3.500s',
        part: { name: 'p', amount: '9' },
        tags: ['a', '"'],
        counts: { x: 1 },
        note: '',
        cash: null,
        card: { name: 'c', amount: '0' },
        wrapped: 'w',
        free: { deep: [1, null, 'x'] },
        text_long: '18446744073709551615',
      })
      assert.deepEqual(second, {
        entry_id: '2',
        double_field: -0,
        float_field: NaN,
        int32_field: 0,
        uint32_field: '0',
        uint64_field: '0',
        sint64_field: '0',
        fixed64_field: '0',
        bool_field: false,
        string_field: '',
        bytes_field: '',
        side: 'SIDE_UNSPECIFIED',
        at: null,
        took: null,
        part: null,
        tags: [],
        counts: {},
        note: null,
        cash: null,
        card: null,
        wrapped: null,
        free: null,
        text_long: '0',
      })
    })
  })

  it('of an entity is changed and deleted, also several times in one transaction', async () => {
    await onBench(async (bench) => {
      const { broker, url: database, sql } = bench
      await using sink = await runSink(shop, { broker, database, create: true })
      await write(
        bench,
        Orders,
        [1, 2, 3].map((n) => order(n, n)),
      )
      await deleteRow(bench, Orders, 'o2')
      await deleteRow(bench, Orders, 'o3')
      await write(bench, Orders, [order(3, 33), order(1, 11), order(1, 111)])
      await sink.caughtUp()
      const rows = 'SELECT order_id, total FROM orders ORDER BY order_id'
      assert.deepEqual(await sql(rows), [
        { order_id: 'o1', total: 111 },
        { order_id: 'o3', total: 33 },
      ])
      await deleteRow(bench, Orders, 'o1')
      await deleteRow(bench, Orders, 'never')
      await sink.caughtUp()
      assert.deepEqual(await sql(rows), [{ order_id: 'o3', total: 33 }])
    })
  })

  it('goes into tables that were there before, with columns of other types and names', async () => {
    await onBench(async (bench) => {
      const { broker, url: database, sql } = bench
      await sql(`CREATE SCHEMA "Shop"; CREATE DOMAIN cents AS bigint CHECK (VALUE >= 0);
        CREATE TABLE "Shop"."Order ""x""" (n serial, key varchar(10) UNIQUE, cents cents,
          seen timestamptz NOT NULL, doc json, extra int)`)
      const sink = postgresSink('named', {
        tables: [
          table('Shop.Order "x"', {
            from: Orders,
            columns: {
              key: 'orderId',
              cents: 'total',
              seen: { type: 'timestamptz', from: (_, { timestamp }) => new Date(timestamp) },
              doc: { type: 'jsonb', from: (message) => ({ to: message.address, n: 1n }) },
            },
          }),
        ],
      })
      await using running = await runSink(sink, { broker, database })
      await write(bench, Orders, [order(1, 7)])
      await running.caughtUp()
      assert.deepEqual(await sql(`SELECT key, cents, seen, doc FROM "Shop"."Order ""x"""`), [
        { key: 'o1', cents: '7', seen: new Date(1), doc: { to: '1 Main St', n: '1' } },
      ])
    })
  })
})

describe('tables that do not fit', () => {
  it('are refused with every mismatch and what mends it', async () => {
    await onBench(async ({ broker, url: database, sql }) => {
      await sql('CREATE TABLE orders (order_id text, total text, region text NOT NULL)')
      const message = await refusal(runSink(shop, { broker, database }))
      for (const part of [
        `no column 'customer_id': ALTER TABLE "orders" ADD COLUMN "customer_id" text`,
        `no column 'placed_at': ALTER TABLE "orders" ADD COLUMN "placed_at" timestamptz`,
        `column 'total' of table 'orders' is text, where the sink writes integer`,
        `column 'region' of table 'orders' is NOT NULL without a default`,
        `ALTER TABLE "orders" ADD PRIMARY KEY ("order_id")`,
      ]) {
        assert.ok(message.includes(part), message)
      }
      await sql('DROP TABLE orders')
      assert.match(await refusal(runSink(shop, { broker, database })), /run with create: true/)
    })
  })

  it('are refused when the user may not write them', async () => {
    await onBench(async ({ broker, url, sql }) => {
      await runSink(shop, { broker, database: url, create: true }).then((sink) => sink.close())
      await sql(`DROP ROLE IF EXISTS reader`)
      await sql(`CREATE ROLE reader LOGIN; GRANT SELECT ON orders TO reader;
        GRANT ALL ON headwater_positions TO reader`)
      const database = url.replace('headwater@', 'reader@')
      const message = await refusal(runSink(shop, { broker, database }))
      assert.match(message, /may not INSERT, UPDATE, DELETE on table 'orders': GRANT/)
    })
  })

  it('stop the sink when they become so while it runs', async () => {
    await onBench(async (bench) => {
      const { broker, url: database, sql } = bench
      const sink = await runSink(shop, { broker, database, create: true })
      await sql('DROP TABLE orders')
      await write(bench, Orders, [order(1, 1)])
      const error = await sink.failed.catch((reason: Error) => reason)
      assert.match(error.message, /relation "orders" does not exist \(42P01\)/)
      assert.equal(sink.stats().state, 'failed')
      await sink.close()
    })
  })
})

describe('a database', () => {
  it('that is not there, or lets nobody in, is told at the start', async () => {
    await onBench(async ({ broker, url }) => {
      const database = url.replace(/[^/]*$/, 'nowhere')
      const error = await runSink(shop, { broker, database }).catch((reason: Error) => reason)
      assert.match(inspect(error), /database "nowhere" does not exist \(3D000\)/)
      const unreadable = 'postgres://me:secret@host:port/x'
      const refused = await runSink(shop, { broker, database: unreadable }).catch((e: unknown) => e)
      assert.match(inspect(refused), /cannot be read/)
      assert.doesNotMatch(inspect(refused), /secret/)
      const signal = AbortSignal.timeout(300)
      const away = runSink(shop, { broker, database: 'postgres://a:secret@127.0.0.1:1/b', signal })
      await assert.rejects(away, { name: 'TimeoutError' })
    })
  })
})

describe('a record that makes no row', () => {
  const visits = table('visits', { from: Visits, columns: { path: 'path' }, key: ['path'] })

  it('stops the sink there, when everything before it is stored', async () => {
    await onBench(async (bench) => {
      const { broker, url: database, sql } = bench
      const sink = await runSink(shop, { broker, database, create: true })
      await write(
        bench,
        Orders,
        [1, 2, 3, 4, 5, 6].map((n) => order(n, n)),
      )
      await write(bench, Orders, [{ ...order(1, 0), address: 'a\0b' }, order(1, 99)])
      const error = await sink.failed.catch((reason: Error) => reason)
      assert.match(
        error.message,
        /sink 'shop' stopped at record \d of partition \d+ of topic 'orders'/,
      )
      assert.match(error.message, /column 'address': holds the character U\+0000/)
      await sink.close()
      const [row] = await sql("SELECT total FROM orders WHERE order_id = 'o1'")
      assert.deepEqual(row, { total: 1 })
    })
  })

  it('is skipped, counted and told: what does not decode, and what PostgreSQL refuses', async () => {
    await onBench(async (bench) => {
      const { broker, url: database, sql } = bench
      await sql('CREATE TABLE visits (path varchar(5) PRIMARY KEY)')
      const events: SinkEvent[] = []
      const sink = postgresSink('visits', { tables: [visits], onError: 'skip' })
      const onEvent = (event: SinkEvent): void => void events.push(event)
      await using running = await runSink(sink, { broker, database, onEvent })
      const paths = Array.from({ length: 60 }, (_, n) => (n % 20 === 7 ? `too long ${n}` : `${n}`))
      await write(
        bench,
        Visits,
        [...paths, '1', '2'].map((path) => ({ path })),
      )
      await writePoison(bench, Visits)
      await running.caughtUp()
      const [count] = await sql('SELECT count(*)::int AS n FROM visits')
      assert.deepEqual(count, { n: 57 })
      assert.deepEqual(running.stats().failures, { skipped: 6, deadLettered: 0 })
      assert.equal(running.stats().recordsIn, 63)
      await running.close()
      const told = events.filter(({ type }) => type === 'discarded')
      const records = told.reduce((sum, event) => sum + ('records' in event ? event.records : 0), 0)
      assert.equal(records, 6)
    })
  })

  it('is put aside as a dead letter', async () => {
    await onBench(async (bench) => {
      const { broker, url: database, sql } = bench
      await sql('CREATE TABLE visits (path varchar(5) PRIMARY KEY)')
      const sink = postgresSink('visits', { tables: [visits], onError: 'deadLetter' })
      await using running = await runSink(sink, { broker, database })
      await write(
        bench,
        Visits,
        ['a', 'much too long', 'b'].map((path) => ({ path })),
      )
      await writePoison(bench, Visits)
      await running.caughtUp()
      assert.deepEqual(running.stats().failures, { skipped: 0, deadLettered: 2 })
      const cluster = await connect(bench)
      const { letters: entries } = await readLetters(cluster, 'visits')
      const letters = (await Array.fromAsync(lettersOf(cluster, 'visits', entries))).flat()
      await cluster.close()
      const said = letters.map(({ failed }) => [failed.operator, failed.code, failed.message])
      assert.deepEqual(said.map(([operator, code]) => `${operator}: ${code}`).toSorted(byText), [
        'decoding the value: record-invalid',
        "table 'visits': record-invalid",
      ])
      assert.ok(said.some(([, , message]) => /value too long .*\(22001\)/.test(message!)))
      assert.deepEqual(await sql('SELECT path FROM visits ORDER BY path'), [
        { path: 'a' },
        { path: 'b' },
      ])
    })
  })

  it('may be one of facts without a value, which is dropped by rule', async () => {
    await onBench(async (bench) => {
      const { broker, url: database, sql } = bench
      const sink = postgresSink('money', { tables: [table('payments', { from: Payments })] })
      await using running = await runSink(sink, { broker, database, create: true })
      await deleteRow(bench, Payments, 'o1')
      await running.caughtUp()
      assert.equal(running.stats().drops.noValue, 1)
      assert.deepEqual(await sql('SELECT * FROM payments'), [])
    })
  })
})

describe('a topic', () => {
  it('that was made anew is refused, or read from its beginning', async () => {
    await onBench(async (bench) => {
      const { broker, url: database, sql } = bench
      const first = await runSink(shop, { broker, database, create: true })
      await write(bench, Orders, [order(1, 1)])
      await first.caughtUp()
      await first.close()
      const cluster = await connect(bench)
      await deleteTopics(cluster, ['orders'])
      await createTopics(cluster, [{ name: 'orders', partitions: Orders.partitions }])
      await cluster.close()
      await write(bench, Orders, [order(2, 2)])
      assert.match(await refusal(runSink(shop, { broker, database })), /made anew/)
      const restart = { broker, database, onTopicReplaced: 'restart' } as const
      await using second = await runSink(shop, restart)
      await second.caughtUp()
      assert.deepEqual(await sql('SELECT order_id FROM orders ORDER BY order_id'), [
        { order_id: 'o1' },
        { order_id: 'o2' },
      ])
      await second.close()
      await using third = await runSink(shop, { broker, database })
      assert.equal(third.stats().lag, 0)
    })
  })

  it('whose records are gone before they were read stops the sink, or they are counted', async () => {
    await onBench(async (bench) => {
      const { broker, url: database } = bench
      const first = await runSink(shop, { broker, database, create: true })
      await first.close()
      await write(
        bench,
        Orders,
        [1, 2, 3].map((n) => order(1, n)),
      )
      await emptyOrders(bench)
      assert.match(await refusal(runSink(shop, { broker, database })), /are gone from the log/)
      await using second = await runSink(shop, { broker, database, onGap: 'skip' })
      await second.caughtUp()
      assert.equal(second.stats().recordsSkipped, 3)
      await second.close()
      await using third = await runSink(shop, { broker, database })
      assert.equal(third.stats().recordsSkipped, 0)
    })
  })
})

function byText(a: string, b: string): number {
  return a < b ? -1 : 1
}

async function emptyOrders(bench: Bench): Promise<void> {
  const cluster = await connect(bench)
  const all = Array.from({ length: Orders.partitions }, (_, partition) => {
    return { topic: 'orders', partition, offset: -1 }
  })
  await deleteRecords(cluster, all)
  await cluster.close()
}

async function refusal(start: Promise<unknown>): Promise<string> {
  const outcome = await start.catch((error: unknown) => error)
  assert.ok(outcome instanceof Error, 'it started')
  return outcome.message
}

function order(n: number, total: number) {
  return { orderId: `o${n}`, customerId: `c${n}`, address: `${n} Main St`, total }
}

const full: InitOf<typeof Entries> = {
  entryId: 1n,
  doubleField: 1e-300,
  floatField: Infinity,
  int32Field: -5,
  uint32Field: 4294967295,
  uint64Field: 18446744073709551615n,
  sint64Field: -9223372036854775808n,
  fixed64Field: 7n,
  boolField: true,
  stringField: `NULL "quoted" {a,b} \\x41 'it''s' ünï 😀`,
  bytesField: new Uint8Array([0, 255, 92]),
  side: 2,
  at: { seconds: -1n, nanos: 123_456_789 },
  took: { seconds: 3n, nanos: 500_000_000 },
  part: { name: 'p', amount: 9n },
  tags: ['a', '"'],
  counts: { x: 1 },
  note: '',
  paid: { case: 'card', value: { name: 'c' } },
  wrapped: 'w',
  free: { deep: [1, null, 'x'] },
  textLong: '18446744073709551615',
}
