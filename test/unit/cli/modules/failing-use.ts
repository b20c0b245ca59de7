/**
 * A program that runs a service which fails at its first order, on a broker in the directory named by its
 * first argument; with a second one it listens.
 */
import { embedded, run, service } from '../../../../src/index.ts'
import { checkout, Orders } from './shop.ts'

const failing = service('failing', {
  reads: [Orders],
  writes: [],
  topology: (s) => {
    const orders = s.stream(Orders).filter(() => {
      throw new RangeError('no more orders')
    })
    return { orders: orders.count('orders') }
  },
})

const broker = await embedded(process.argv[2]!)
const app = await run([checkout, failing], { broker })
if (process.argv[3] === 'listen') {
  await app.failed.catch((error: Error) => console.log(`heard: ${error.message}`))
  await app.close()
  await broker.close()
}
