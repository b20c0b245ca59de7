/** What would keep a sink from going on, or let it go on and lack rows: each has an end, and is said. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { runSink } from '../../src/postgres/run-sink.ts'
import { postgresSink, table } from '../../src/postgres/sink.ts'
import { write } from '../streams-suite/place.ts'
import { Orders, Visits } from '../types/shop.ts'
import { onBench, stopPostgres } from './database.ts'

after(stopPostgres)

const orders = table('orders', { from: Orders })
const shop = postgresSink('shop', { tables: [orders] })
const visits = postgresSink('visits', { tables: [table('visits', { from: Visits })] })

describe('rows of one transaction', () => {
  it('may have keys that are one to the column: the last one counts', async () => {
    await onBench(async (bench) => {
      const { broker, url: database, sql } = bench
      await sql('CREATE TABLE orders (id uuid PRIMARY KEY, total int)')
      const columns = { id: 'orderId', total: 'total' } as const
      const ids = postgresSink('ids', { tables: [table('orders', { from: Orders, columns })] })
      // It makes the topic; what comes while it is away is one transaction.
      await (await runSink(ids, { broker, database })).close()
      const id = '00000000-0000-4000-8000-00000000000'
      const all = [`${id}a`, `${id}b`, `${id}A`]
      await write(
        bench,
        Orders,
        all.map((orderId, total) => ({ ...order(0), orderId, total })),
      )
      await using sink = await runSink(ids, { broker, database })
      await sink.caughtUp()
      const rows = await sql('SELECT id, total FROM orders ORDER BY id')
      assert.deepEqual(
        rows.map((row) => row['id']),
        [`${id}a`, `${id}b`],
      )
      assert.equal(rows[1]!['total'], 1)
      assert.equal(sink.stats().state, 'running')
    })
  })

  it('that take longer than a statement may are written in fewer at a time', async () => {
    await onBench(async (bench) => {
      const { broker, url: database, sql } = bench
      await sql(`CREATE TABLE visits (path text);
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END';
        CREATE TRIGGER slow BEFORE INSERT ON visits FOR EACH ROW EXECUTE FUNCTION wait()`)
      await (await runSink(visits, { broker, database })).close()
      const paths = Array.from({ length: 60 }, (_, n) => ({ path: `${n}` }))
      await write(bench, Visits, paths)
      await using sink = await runSink(visits, { broker, database, statementTimeoutMs: 500 })
      await sink.caughtUp()
      assert.deepEqual(
        await sql('SELECT count(*)::int AS n, count(DISTINCT path)::int AS of FROM visits'),
        [{ n: 60, of: 60 }],
      )
      assert.equal(sink.stats().state, 'running')
    })
  })
})

describe('a table of a stream that the sink has read', () => {
  it('is not made in the middle of it: neither one that is gone, nor one that is new', async () => {
    await onBench(async (bench) => {
      const { broker, url: database, sql } = bench
      const first = await runSink(shop, { broker, database, create: true })
      await write(bench, Orders, [order(1)])
      await first.caughtUp()
      await first.close()
      const more = postgresSink('shop', { tables: [orders, table('more', { from: Orders })] })
      const refused = {
        code: 'state-mismatch',
        message: /'more' is not there, and the sink has read/,
      }
      for (const create of [true, false]) {
        await assert.rejects(runSink(more, { broker, database, create }), refused)
      }
      await sql('DROP TABLE orders')
      await assert.rejects(
        runSink(shop, { broker, database, create: true }),
        /'orders' is not there/,
      )
      // What the error says mends it.
      await sql(`DELETE FROM headwater_positions WHERE sink = 'shop' AND topic = 'orders'`)
      await using second = await runSink(more, { broker, database, create: true })
      await second.caughtUp()
      for (const name of ['orders', 'more']) {
        assert.deepEqual(await sql(`SELECT order_id FROM ${name}`), [{ order_id: 'o1' }], name)
      }
    })
  })
})

describe('a database that is set back to a backup', () => {
  it('goes on from what is in it, under a sink that has written more since', async () => {
    await onBench(async (bench) => {
      const { broker, url: database, sql } = bench
      await using sink = await runSink(visits, { broker, database, create: true })
      await write(bench, Visits, [{ path: '1' }])
      await sink.caughtUp()
      await sql('CREATE TABLE kept AS SELECT * FROM headwater_positions')
      await write(bench, Visits, [{ path: '2' }])
      await sink.caughtUp()
      // As it was when the backup was made, epochs with it.
      await sql(`BEGIN; DELETE FROM visits WHERE path = '2'; DELETE FROM headwater_positions;
        INSERT INTO headwater_positions SELECT * FROM kept; COMMIT`)
      await write(bench, Visits, [{ path: '3' }])
      for (;;) {
        const rows = await sql('SELECT path FROM visits ORDER BY path')
        if (rows.length < 3) continue
        assert.deepEqual(rows, [{ path: '1' }, { path: '2' }, { path: '3' }])
        break
      }
      assert.equal(sink.stats().repairs, 1)
    })
  })
})

function order(n: number) {
  return { orderId: `o${n}`, customerId: `c${n}`, address: `${n} Main St`, total: n }
}
