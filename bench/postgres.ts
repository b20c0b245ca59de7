/**
 * Rows a second that a sink writes into PostgreSQL: `node bench/postgres.ts [RECORDS]`, 200,000 when left out.
 *
 * Streams are filled first; then a sink begins at their beginning, on a server of its own that does not sync
 * (`scripts/postgres.ts`). So what is measured is this machine's work, the server's included, not its disk.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres } from '../scripts/postgres.ts'
import { embedded } from '../src/broker/embedded.ts'
import { runSink } from '../src/postgres/run-sink.ts'
import { postgresSink, table } from '../src/postgres/sink.ts'
import type { PostgresSink } from '../src/postgres/sink.ts'
import { eventTopic } from '../src/streams/plan/plan.ts'
import { ensureTopics } from '../src/streams/plan/topics.ts'
import { connect, write } from '../test/streams-suite/place.ts'
import { Orders, Payments } from '../test/types/shop.ts'

const records = Number(process.argv[2] ?? 200_000)
const keys = 20_000

const directory = mkdtempSync(join(tmpdir(), 'headwater-bench-'))
const server = await startPostgres()
const broker = await embedded(directory, { durability: 'memory' })
try {
  const place = { broker, close: async () => {} }
  const cluster = await connect(place)
  await ensureTopics(cluster, [Payments, Orders].map(eventTopic))
  await cluster.close()
  const numbers = Array.from({ length: records }, (_, n) => n)
  await write(place, Payments, numbers.map(payment))
  await write(place, Orders, numbers.map(order))
  await measure(
    'facts, each a row',
    postgresSink('facts', { tables: [table('payments', { from: Payments })] }),
  )
  await measure(
    `an entity stream of ${keys.toLocaleString('en')} keys`,
    postgresSink('rows', { tables: [table('orders', { from: Orders })] }),
  )
} finally {
  await broker.close()
  await server.stop()
  rmSync(directory, { recursive: true, force: true })
}

async function measure(what: string, sink: PostgresSink): Promise<void> {
  const begun = performance.now()
  await using running = await runSink(sink, { broker, database: server.url, create: true })
  await running.caughtUp()
  const seconds = (performance.now() - begun) / 1_000
  const { recordsIn, recordsOut, commits } = running.stats()
  const perSecond = Math.round(recordsIn / seconds).toLocaleString('en')
  console.log(
    `${what}: ${perSecond} records/s, ${recordsOut.toLocaleString('en')} rows written in ${commits} transactions`,
  )
}

function payment(n: number) {
  return {
    paymentId: `p${n}`,
    orderId: `o${n % keys}`,
    amount: n,
    status: 'CAPTURED',
    paidAt: BigInt(n),
  }
}

function order(n: number) {
  return { orderId: `o${n % keys}`, customerId: `c${n}`, address: `${n} Main St`, total: n }
}
