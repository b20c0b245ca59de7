/**
 * One instance of the counting service as a process: `node worker.ts OPTIONS-AS-JSON`, forked with IPC.
 *
 * It tells its parent what becomes of it and closes at SIGTERM. It ends with 0 when it was closed, with 3
 * when the service stopped by itself, and at once when its parent is gone. `CHAOS_PLANTED` in the
 * environment names a fault to plant, to see that the test finds it.
 */
import { planted } from '../../src/base/planted.ts'
import type { PlantedFault } from '../../src/base/planted.ts'
import { isHeadwaterError, kafka, run } from '../../src/index.ts'
import type { RunOptions } from '../../src/index.ts'
import { counting } from './counting.ts'
import type { EntryPlan } from './counting.ts'

export interface WorkerOptions {
  readonly instanceId: string
  readonly broker: string
  readonly sessionTimeoutMs: number
  readonly commitIntervalMs: number
  readonly purgeIntervalMs: number
  readonly entries: EntryPlan
}

export type WorkerMessage =
  | { readonly type: 'running' }
  | { readonly type: 'event'; readonly text: string }
  | {
      readonly type: 'stopped'
      readonly during: 'start' | 'run'
      readonly code: string
      readonly message: string
    }

type ServiceEvent = Parameters<NonNullable<RunOptions['onEvent']>>[0]

const { entries, broker, ...times } = JSON.parse(process.argv[2]!) as WorkerOptions
const fault = process.env['CHAOS_PLANTED']
if (fault !== undefined) planted.add(fault as PlantedFault)

const closing = new AbortController()
process.on('SIGTERM', () => closing.abort())
process.on('disconnect', () => process.exit(4))
process.on('uncaughtException', (error) => stop('run', error))
process.on('unhandledRejection', (error) => stop('run', error))

try {
  const running = await run(counting(entries), {
    ...times,
    broker: kafka(broker),
    signal: closing.signal,
    onEvent: (event) => tell({ type: 'event', text: textOf(event) }),
  })
  tell({ type: 'running' })
  running.failed.catch((error: unknown) => stop('run', error))
  if (!closing.signal.aborted) {
    await new Promise((resolve) => closing.signal.addEventListener('abort', resolve))
  }
  await running.close()
  process.exit(0)
} catch (error) {
  if (closing.signal.aborted) {
    console.log(`closing: ${String(error)}`)
    process.exit(0)
  }
  stop('start', error)
}

function stop(during: 'start' | 'run', error: unknown): void {
  const code = isHeadwaterError(error) ? error.code : 'bug'
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  console.log(`stopped during ${during}: ${text}`)
  const message = error instanceof Error ? error.message : text
  process.send!({ type: 'stopped', during, code, message } satisfies WorkerMessage, () => {
    process.exit(3)
  })
}

function tell(message: WorkerMessage): void {
  if (process.connected) process.send!(message)
}

function textOf(event: ServiceEvent): string {
  switch (event.type) {
    case 'state':
      return event.state
    case 'repair':
      return `repairs in ${event.pauseMs} ms: ${event.error.code}: ${event.error.message}`
    case 'stalled':
      return `waits for ${event.topic}-${event.partition}: ${event.error.message}`
    case 'broker-lost':
      return `lost its broker: ${event.error.code}: ${event.error.message}`
    case 'stopping':
      return `is led up to where it stops: ${event.error.message}`
    case 'failed':
      return `failed: ${String(event.error)}`
    case 'assigned':
    case 'revoked':
    case 'lost':
    case 'opened':
    case 'orphans-ended':
    case 'slow-record':
    case 'skipped':
    case 'discarded':
    case 'broker-found':
      return JSON.stringify(event)
  }
}
