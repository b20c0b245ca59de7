/**
 * `node bench/queries.ts [rows] [seconds] [rounds]`: questions by key a second, of a table of so many rows: in
 * the process of the service, one after the other; and over HTTP with keep-alive, from another process by 16
 * connections with one question on the way each. Beside it the processor time of the answering process for
 * each: what fits one core is its reciprocal.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { rmSync } from 'node:fs'
import { embedded, entity, keyspace, run, service } from '../src/index.ts'
import { serveQueries } from '../src/query/index.ts'
import { OrderSchema } from '../test/gen/shop/v1/shop_pb.ts'
import { freshDirectory } from './headwater.ts'
import { spread } from './measure.ts'
import { order } from './orders.ts'

const OrderId = keyspace.string('OrderId', { partitions: 12 })
const Orders = entity('orders', OrderSchema, { key: OrderId, by: 'orderId', owner: 'checkout' })
const connections = 16

const url = process.env['BENCH_URL']
if (url === undefined) await measure()
else await ask(url)

async function measure(): Promise<void> {
  const [rows = 100_000, seconds = 3, rounds = 5] = process.argv.slice(2).map(Number)
  const checkout = service('checkout', {
    reads: [Orders],
    writes: [Orders],
    topology: (s) => ({ orders: s.table(Orders) }),
  })
  const directory = freshDirectory()
  const broker = await embedded(directory, { durability: 'memory' })
  const app = await run(checkout, { broker })
  const services = app.services.map(({ service: name, views }) => {
    return { name, ready: () => true, ended: () => undefined, views }
  })
  const server = await serveQueries({ host: '127.0.0.1', port: 0, services: () => services })
  const inside: Rate = { perSecond: [], micros: [] }
  const outside: Rate = { perSecond: [], micros: [] }
  try {
    await app.sendAll(
      Orders,
      Array.from({ length: rows }, (_, i) => order(i)),
    )
    await app.caughtUp()
    const keys = Array.from({ length: rows }, (_, i) => order((i * 7919) % rows).orderId)
    // The first round warms up and does not count.
    for (let round = 0; round <= rounds; round++) {
      const isCounted = round > 0
      await timed(isCounted ? inside : undefined, async () => {
        const until = performance.now() + seconds * 1000
        let count = 0
        for (; performance.now() < until; count++) {
          const key = keys[count % rows]!
          const row = await app.query.orders.get(key)
          if (row?.orderId !== key) throw new Error(`${key} was answered with ${row?.orderId}`)
        }
        return count
      })
      await timed(isCounted ? outside : undefined, () => askFrom(server.url, rows, seconds))
    }
  } finally {
    await server.close()
    await app.close()
    await broker.close()
    rmSync(directory, { recursive: true, force: true })
  }
  console.log(`${rows} rows, ${seconds} s each, ${rounds} rounds: median (min–max)`)
  for (const [name, { perSecond, micros }] of [
    ['in the process', inside],
    ['over HTTP', outside],
  ] as const) {
    const cost = `${spread(micros, 1)} µs of processor time each`
    console.log(`  ${name.padEnd(15)} ${spread(perSecond)} a second, ${cost}`)
  }
}

interface Rate {
  readonly perSecond: number[]
  readonly micros: number[]
}

async function timed(rate: Rate | undefined, work: () => Promise<number>): Promise<void> {
  const [from, cpu] = [performance.now(), process.cpuUsage()]
  const count = await work()
  const { user, system } = process.cpuUsage(cpu)
  rate?.perSecond.push((count / (performance.now() - from)) * 1000)
  rate?.micros.push((user + system) / count)
}

/** Asks from another process; returns how many answers came. */
async function askFrom(base: string, rows: number, seconds: number): Promise<number> {
  const env = { ...process.env, BENCH_URL: base }
  const child = fork(import.meta.filename, [String(rows), String(seconds)], { env })
  const [count] = (await once(child, 'message')) as [number]
  await once(child, 'exit')
  return count
}

async function ask(base: string): Promise<void> {
  const [rows, seconds] = process.argv.slice(2).map(Number)
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const until = performance.now() + seconds! * 1000
  let count = 0
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (performance.now() < until)
        await one(agent, `${base}/v1/checkout/orders`, count++ % rows!)
    }),
  )
  agent.destroy()
  process.send!(count)
  process.disconnect()
}

function one(agent: Agent, view: string, i: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  request(`${view}?key=${order(i).orderId}`, { agent }, (response) => {
    if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`))
    response.resume().on('end', resolve)
  })
    .on('error', reject)
    .end()
  return promise
}
