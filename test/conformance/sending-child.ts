/**
 * A process that sends until it is killed: `node sending-child.ts PORT FROM`. Prints the number of each event
 * when it is acknowledged, with its place, and `t NUMBER` for each transaction of three.
 */
import { kafka } from '../../src/client/security/kafka.ts'
import { producer } from '../../src/streams/runtime/producer.ts'
import { Orders } from '../types/shop.ts'
import { checkout, order } from '../streams-suite/sending.ts'

const [port, from] = process.argv.slice(2).map(Number)
const sender = producer(checkout, {
  broker: kafka(`127.0.0.1:${port}`),
  instanceId: 'child',
  // What the last one leaves open when it is killed is over soon.
  deliveryTimeoutMs: 3_000,
})
let next = from!

async function sendOn(): Promise<never> {
  for (;;) {
    const n = next++
    const { partition, offset } = await sender.send(Orders, order(n))
    process.stdout.write(`${n} ${partition} ${offset}\n`)
  }
}

async function transactOn(): Promise<never> {
  for (;;) {
    const n = next++
    await sender.transaction((tx) => {
      for (const part of [0.25, 0.5, 0.75]) tx.send(Orders, { ...order(n), address: `t${part}` })
    })
    process.stdout.write(`t ${n}\n`)
  }
}

await Promise.all([...Array.from({ length: 20 }, sendOn), transactOn()])
