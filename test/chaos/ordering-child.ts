/**
 * A process of its own that runs one instance of `ordering` until it is killed: `node ordering-child.ts BROKER INSTANCE`.
 * It says when it runs.
 */
import { kafka } from '../../src/client/security/kafka.ts'
import { run } from '../../src/streams/runtime/run.ts'
import { ordering } from '../types/ordering.ts'

const [broker, instanceId] = process.argv.slice(2) as [string, string]
await run(ordering(), {
  broker: kafka(broker),
  instanceId,
  sessionTimeoutMs: 6_000,
  heartbeatIntervalMs: 100,
})
process.send?.('runs')
process.on('disconnect', () => process.exit())
