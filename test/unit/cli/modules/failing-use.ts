/**
 * A program that runs a service which fails at its first order, on a broker in the directory named by its
 * first argument; with `listen` as the second it listens, with `wait` it waits for the service.
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
const how = process.argv[3]
if (how !== undefined) {
  const hearing = how === 'listen' ? app.failed : app.caughtUp()
  await hearing.catch((error: Error) => console.log(`heard: ${error.message}`))
  await app.close()
  await broker.close()
}
