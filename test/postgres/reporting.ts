/** A sink of the shop, what its tables must hold, and who checks that they do. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { postgresSink, table } from '../../src/postgres/sink.ts'
import { read, write } from '../streams-suite/place.ts'
import { Orders, Payments } from '../types/shop.ts'
import type { Bench } from './database.ts'

export const reporting = postgresSink('reporting', {
  tables: [
    table('orders', { from: Orders }),
    table('payments', {
      from: Payments,
      columns: {
        payment_id: 'paymentId',
        amount: 'amount',
        place: { type: 'text', from: (_, at) => `${at.partition}/${at.offset}` },
      },
    }),
  ],
})

/** A process group's session, as short as brokers take it. */
export const sessionTimeoutMs = 6_000

/** Writes orders and payments until it is told to stop: each order again and again, each payment once. */
export class Load {
  count = 0
  #isOver = false
  readonly #writing: Promise<void>

  constructor(bench: Bench, perRound = 60) {
    this.#writing = this.#write(bench, perRound)
  }

  async stop(): Promise<void> {
    this.#isOver = true
    await this.#writing
  }

  async #write(bench: Bench, perRound: number): Promise<void> {
    while (!this.#isOver) {
      const from = this.count
      const numbers = Array.from({ length: perRound }, (_, i) => from + i)
      await write(bench, Orders, numbers.map(orderOf))
      await write(bench, Payments, numbers.map(paymentOf))
      this.count += perRound
      await delay(25)
    }
  }
}

const orders = 97

function orderOf(n: number) {
  return { orderId: `o${n % orders}`, customerId: `c${n}`, address: `${n} Main St`, total: n }
}

function paymentOf(n: number) {
  return { paymentId: `p${n}`, orderId: `o${n % orders}`, amount: n, status: 'CAPTURED' }
}

/**
 * Makes transactions long, so that what happens at a random moment mostly happens within one: what inserts
 * payments takes `seconds` more.
 */
export async function dwell(bench: Bench, seconds: number): Promise<void> {
  await bench.sql(`
    CREATE FUNCTION dwell() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_sleep(${seconds}); RETURN NULL; END $$;
    CREATE TRIGGER dwell AFTER INSERT ON payments FOR EACH STATEMENT EXECUTE FUNCTION dwell()`)
}

export async function hurry(bench: Bench): Promise<void> {
  await bench.sql('DROP TRIGGER dwell ON payments')
}

/** Both tables hold what the streams say, to the row. */
export async function assertTables(bench: Bench): Promise<void> {
  const last = new Map((await read(bench, Orders)).map(({ key, value }) => [key, value]))
  const expected = [...last.values()].flatMap((value) => (value === null ? [] : [value]))
  assert.deepEqual(
    await bench.sql('SELECT order_id, customer_id, address, total FROM orders ORDER BY order_id'),
    expected
      .map(({ orderId, customerId, address, total }) => {
        return { order_id: orderId, customer_id: customerId, address, total }
      })
      .toSorted((a, b) => (a.order_id < b.order_id ? -1 : 1)),
  )
  const payments = await bench.sql('SELECT payment_id, amount FROM payments ORDER BY amount')
  const facts = (await read(bench, Payments)).map(({ value }) => value!)
  assert.deepEqual(
    payments,
    facts
      .map(({ paymentId, amount }) => ({ payment_id: paymentId, amount }))
      .toSorted((a, b) => a.amount - b.amount),
  )
  const places = await bench.sql('SELECT count(DISTINCT place)::int AS places FROM payments')
  assert.deepEqual(places, [{ places: facts.length }])
}

/** Waits until as many payments as were written are in their table. */
export async function untilWritten(bench: Bench, count: number, msMax = 30_000): Promise<void> {
  for (const end = Date.now() + msMax; ; await delay(20)) {
    const [row] = await bench.sql('SELECT count(*)::int AS n FROM payments')
    const [orders] = await bench.sql(`SELECT coalesce(sum(next_offset), 0)::int AS n
      FROM headwater_positions WHERE topic = 'orders'`)
    if ((row!['n'] as number) >= count && (orders!['n'] as number) >= count) return
    assert.ok(Date.now() < end, `${JSON.stringify(row)} of ${count} payments came`)
  }
}
