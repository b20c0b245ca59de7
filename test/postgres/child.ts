/** A process of its own that runs `reporting` until it is killed: `node child.ts HOST:PORT URL INSTANCE`. */
import { kafka } from '../../src/client/security/kafka.ts'
import { runSink } from '../../src/postgres/run-sink.ts'
import { reporting, sessionTimeoutMs } from './reporting.ts'

const [address, url, instanceId] = process.argv.slice(2)
process.on('disconnect', () => process.exit())
const sink = await runSink(reporting, {
  broker: kafka(address!),
  database: url!,
  create: true,
  instanceId: instanceId!,
  sessionTimeoutMs,
  batchRecords: 40,
})
process.send?.('running')
sink.failed.catch((error: unknown) => {
  process.send?.(String(error))
  process.exit(1)
})
