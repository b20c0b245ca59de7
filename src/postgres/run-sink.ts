/** Starts a sink: prepares the tables, joins the group, and gives up when that is no longer wanted. */
import { HeadwaterError } from '../base/errors.ts'
import { backoffMs, sleep } from '../client/cluster/backoff.ts'
import type { Cluster } from '../client/cluster/cluster.ts'
import { nodeClock, nodeRandom } from '../io/node-clock.ts'
import { holdProcess } from '../io/node-process.ts'
import type { Clock, Random } from '../io/ports.ts'
import { eventTopic } from '../streams/plan/plan.ts'
import { ensureTopics } from '../streams/plan/topics.ts'
import { Heard } from '../streams/runtime/heard.ts'
import { connectWaiting } from '../streams/runtime/run-topology.ts'
import { prepareTables } from './catalogue.ts'
import { Database } from './database.ts'
import { Letters } from './letters.ts'
import type { RunningSink } from './running.ts'
import { SinkRuntime } from './runtime.ts'
import { sinkSettings } from './settings.ts'
import type { SinkOptions, SinkSettings } from './settings.ts'
import type { PostgresSink } from './sink.ts'
import { isSqlFailure } from './sql-failure.ts'
import type { WrittenTable } from './statements.ts'

/** How long a start waits for a database that is away, as for a broker. */
const databaseWaitMs = 60_000

/**
 * Runs a sink in this process; resolves when it writes. Everything in its streams goes into its tables
 * exactly once, in the order of each partition, whatever dies on the way. Rejects with what is wrong with
 * options, tables or streams, after a minute with a broker or a database that is away, or with the reason of
 * `signal`.
 */
export async function runSink(sink: PostgresSink, options: SinkOptions): Promise<RunningSink> {
  const settings = sinkSettings(options)
  const { clock = nodeClock, random = nodeRandom, signal } = options
  signal?.throwIfAborted()
  const release = holdProcess()
  try {
    const runtime = await start(sink, { ...options, clock, random }, settings)
    runtime.failed.catch(release)
    return running(runtime, release)
  } catch (error) {
    release()
    throw isSqlFailure(error) ? error.error : error
  }
}

type Started = SinkOptions & { readonly clock: Clock; readonly random: Random }

async function start(
  sink: PostgresSink,
  options: Started,
  settings: SinkSettings,
): Promise<SinkRuntime> {
  const { signal, instanceId = '1' } = options
  const database = new Database({
    address: options.database,
    applicationName: `headwater sink ${sink.name}`,
    ...settings,
  })
  let cluster: Cluster | undefined
  let runtime: SinkRuntime | undefined
  const abort = (): void => void runtime?.close(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    const tables = await prepared(database, sink, options)
    cluster = await connectWaiting(sink.name, { ...options, ...settings })
    await ensureTopics(cluster, sink.reads.map(eventTopic))
    const letters = new Letters(cluster, sink.name, instanceId, settings.letterTimeoutMs)
    if (sink.onError === 'deadLetter') await letters.prepare()
    signal?.throwIfAborted()
    runtime = new SinkRuntime({ cluster, sink, options, settings, database, tables, letters })
    await runtime.start()
    return runtime
  } catch (error) {
    await runtime?.close()
    await database.close()
    await cluster?.close()
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/** The tables as they are written; waits for a database that is away. */
async function prepared(
  database: Database,
  sink: PostgresSink,
  { clock, random, signal, create = false, onEvent }: Started,
): Promise<readonly WrittenTable[]> {
  const deadline = clock.monotonic() + databaseWaitMs
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    try {
      if (!database.isConnected) await database.connect()
      return await database.transaction((query) => prepareTables(query, sink, create))
    } catch (error) {
      const mayPass = isSqlFailure(error) && error.error.retriable
      const pauseMs = Math.round(backoffMs(attempt, random))
      if (!mayPass || clock.monotonic() + pauseMs >= deadline) throw atStart(error)
      onEvent?.({ type: 'repair', error: error.error, pauseMs }, sink.name)
      await sleep(clock, pauseMs)
    }
  }
}

function atStart(error: unknown): unknown {
  if (!isSqlFailure(error, 'away')) return error
  const { message } = error.error
  return new HeadwaterError('connection-failed', message, { cause: error.error, retriable: true })
}

/** The sink as its users hold it: whether anybody hears of its failure is known. */
function running(runtime: SinkRuntime, release: () => void): RunningSink {
  const heard = new Heard([runtime])
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => (closing ??= runtime.close().finally(release))
  const sink: RunningSink = {
    service: runtime.service,
    stats: () => runtime.stats(),
    caughtUp: () => heard.by(runtime.caughtUp()),
    get failed() {
      return heard.listen(runtime.failed)
    },
    get services() {
      return [sink]
    },
    close,
    [Symbol.asyncDispose]: close,
  }
  return sink
}
