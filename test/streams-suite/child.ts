/** A process of its own that runs `shipping` until it is killed: `node child.ts host:port`. */
import { kafka } from '../../src/client/security/kafka.ts'
import { run } from '../../src/streams/runtime/run.ts'
import { shipping } from './services.ts'

const address = process.argv[2]!
await run(shipping, { broker: kafka(address), commitIntervalMs: 20 })
process.send?.('running')
process.on('disconnect', () => process.exit())
