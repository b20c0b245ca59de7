/** A program that runs a service on the broker named by its argument, and has nothing else to do. */
import { kafka, run } from '../../../../src/index.ts'
import { desk } from './shop.ts'

const app = await run(desk, { broker: kafka(process.argv[2]!) })
process.on('SIGTERM', () => void app.close().then(() => console.log('closed')))
console.log('running')
