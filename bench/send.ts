/**
 * `node bench/send.ts [seconds] [rounds] [disk|memory|HOST:PORT]`: sends a second, and how long each takes, for 1, 64 and
 * 1,000 callers in one process that send one event after the other, each awaited, of about 60 bytes to 12
 * partitions; and for 64 callers that have sixteen on the way each. On an embedded broker that syncs, as ever
 * (`disk`); on one that acknowledges from memory, which shows what sending itself costs; or on a broker
 * elsewhere, such as Apache Kafka. What is stored is counted before a number is told. How long a sync of this
 * disk takes is told beside it: callers that wait for each event send no more than one in a sync.
 */
import { closeSync, fdatasync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { embedded, entity, kafka, keyspace, producer, service } from '../src/index.ts'
import type { EventProducer } from '../src/index.ts'
import { OrderSchema } from '../test/gen/shop/v1/shop_pb.ts'
import { freshDirectory } from './headwater.ts'
import { median, spread } from './measure.ts'
import { order } from './orders.ts'

const seconds = Number(process.argv[2] ?? 3)
const rounds = Number(process.argv[3] ?? 3)
const where = process.argv[4] ?? 'disk'

const OrderId = keyspace.string('OrderId', { partitions: 12 })
const Orders = entity('orders', OrderSchema, { key: OrderId, by: 'orderId', owner: 'checkout' })
const checkout = service('checkout', { reads: [], writes: [Orders], topology: () => ({}) })

interface Load {
  readonly callers: number
  /** Events of one caller that are on their way at once. */
  readonly deep: number
  readonly perSecond: number[]
  readonly p50Ms: number[]
  readonly p99Ms: number[]
}

const loads = [load(1, 1), load(64, 1), load(64, 16), load(1_000, 1)]
const directory = freshDirectory()
const isHere = where === 'disk' || where === 'memory'
const here = isHere ? await embedded(directory, { durability: where }) : undefined
const broker = here ?? kafka(where)
try {
  // The first round warms up and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const each of loads) await measure(each, round)
  }
} finally {
  await here?.close()
}
console.log(`${seconds} s each, ${rounds} rounds on ${where}: median (min–max)`)
console.log(`  a sync of 8 KiB: p50 ${(await syncMs()).toFixed(2)} ms`)
for (const { callers, deep, perSecond, p50Ms, p99Ms } of loads) {
  const who = `${callers.toLocaleString('en-US')} callers${deep === 1 ? '' : `, ${deep} each`}`
  console.log(
    `  ${who.padEnd(22)} ${spread(perSecond)} sends/s, p50 ${spread(p50Ms, 2)} ms, p99 ${spread(p99Ms, 2)} ms`,
  )
}
rmSync(directory, { recursive: true, force: true })

function load(callers: number, deep: number): Load {
  return { callers, deep, perSecond: [], p50Ms: [], p99Ms: [] }
}

async function measure(to: Load, round: number): Promise<void> {
  await using sender = producer(checkout, { broker })
  await sender.send(Orders, order(0))
  const took: number[] = []
  const startedAt = performance.now()
  const end = startedAt + seconds * 1_000
  await Promise.all(
    Array.from({ length: to.callers * to.deep }, (_, n) => sendOn(sender, n, end, took)),
  )
  const perSecond = (took.length / (performance.now() - startedAt)) * 1_000
  const { count, rejected } = sender.stats()
  if (count !== took.length + 1 || rejected > 0) throw new Error(`${rejected} were rejected`)
  if (round === 0) return
  took.sort((a, b) => a - b)
  to.perSecond.push(perSecond)
  to.p50Ms.push(took[Math.floor(took.length * 0.5)]!)
  to.p99Ms.push(took[Math.floor(took.length * 0.99)]!)
}

async function sendOn(
  sender: EventProducer<'checkout'>,
  n: number,
  end: number,
  took: number[],
): Promise<void> {
  for (let now = performance.now(); now < end;) {
    await sender.send(Orders, order(n))
    const then = performance.now()
    took.push(then - now)
    now = then
  }
}

async function syncMs(): Promise<number> {
  const file = openSync(join(directory, 'sync'), 'w')
  const sync = promisify(fdatasync)
  const took: number[] = []
  for (let at = 0; at < 200; at++) {
    const startedAt = performance.now()
    writeSync(file, new Uint8Array(8_192), 0, 8_192, at * 8_192)
    await sync(file)
    took.push(performance.now() - startedAt)
  }
  closeSync(file)
  return median(took)
}
