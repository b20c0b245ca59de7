/**
 * What a call outside costs by itself: records through `map`, and through `mapAsync` with a function that
 * is through at once, in one process without a broker. `node bench/calls.ts [records] [rounds]`.
 *
 * Printed are microseconds of processor time a record for each, and the difference: promise, order, bounds
 * and the wait for its turn.
 */
import { service } from '../src/service/service.ts'
import { TopologyDriver } from '../src/testing/topology-driver.ts'
import { Payments, Shipments } from '../test/types/shop.ts'

const [records = 100_000, rounds = 7] = process.argv.slice(2).map(Number)

interface Payment {
  readonly orderId: string
  readonly amount: number
}

const shipmentOf = ({ orderId, amount }: Payment) => ({ orderId, amount, address: '' })

const mapped = service('shipping', {
  reads: [Payments],
  writes: [Shipments],
  topology: (s) => {
    s.stream(Payments).map(shipmentOf).to(Shipments)
    return {}
  },
})

const called = service('shipping', {
  reads: [Payments],
  writes: [Shipments],
  topology: (s) => {
    s.stream(Payments)
      .mapAsync('call', (payment) => Promise.resolve(shipmentOf(payment)), { concurrency: 1_000 })
      .to(Shipments)
    return {}
  },
})

const results: { readonly map: number; readonly mapAsync: number }[] = []
for (let round = -1; round < rounds; round++) {
  const result = { map: await microsPerRecord(mapped), mapAsync: await microsPerRecord(called) }
  if (round >= 0) results.push(result)
}
const map = spread(results.map((each) => each.map))
const mapAsync = spread(results.map((each) => each.mapAsync))
const overhead = spread(results.map((each) => each.mapAsync - each.map))
console.log(`map       ${map} µs a record`)
console.log(`mapAsync  ${mapAsync} µs a record`)
console.log(`overhead  ${overhead} µs a record (median, least and most of ${rounds} rounds)`)

async function microsPerRecord(what: typeof mapped): Promise<number> {
  const driver = new TopologyDriver(what)
  for (let i = 0; i < records; i++) {
    const payment = {
      paymentId: 'p',
      orderId: `o${i % 1000}`,
      status: 'X',
      amount: i,
      paidAt: 1_000n,
    }
    driver.send(Payments, payment)
  }
  const from = process.cpuUsage()
  await driver.settled()
  const { user, system } = process.cpuUsage(from)
  return (user + system) / records
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const [least, median, most] = [sorted[0]!, sorted[sorted.length >> 1]!, sorted.at(-1)!]
  return `${median.toFixed(2)} (${least.toFixed(2)} to ${most.toFixed(2)})`
}
