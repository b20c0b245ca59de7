/**
 * A process of its own that runs one instance of `board` until it is killed:
 * `node instance-child.ts BROKER INSTANCE QUERY-PORT`. It sends the port of its queries when it runs.
 */
import { kafka } from '../../../src/client/security/kafka.ts'
import { serveQueries } from '../../../src/query/listen.ts'
import { run } from '../../../src/streams/runtime/run.ts'
import type { QueryService, RunningQueries } from '../../../src/query/view.ts'
import { notYet } from './asked.ts'
import { board } from './board.ts'

const [broker, instanceId, port] = process.argv.slice(2) as [string, string, string]
let services: readonly (QueryService | RunningQueries)[] = [notYet(board.name)]
const server = await serveQueries({
  host: '127.0.0.1',
  port: Number(port),
  services: () => services,
})
const app = await run(board, {
  broker: kafka(broker),
  instanceId,
  queryAddress: `127.0.0.1:${server.port}`,
  sessionTimeoutMs: 6_000,
  heartbeatIntervalMs: 100,
})
services = app.services
process.send?.(server.port)
process.on('disconnect', () => process.exit())
