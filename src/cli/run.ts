/** `headwater run FILE`: the services a module exports, on an embedded broker or one that runs elsewhere. */
import type { RunningServices } from '../streams/runtime/run.ts'
import type { RunningSink } from '../postgres/running.ts'
import type { Service } from '../service/service.ts'
import { Host } from './host.ts'
import type { HostOptions } from './host.ts'
import { Lifetime } from './lifetime.ts'
import { listenerLines } from './listeners.ts'
import { loadAll } from './modules.ts'
import type { ToRun } from './modules.ts'
import { formatCount, print, printJson } from './output.ts'
import { Progress } from './progress.ts'

export interface RunOptions extends HostOptions {
  readonly exit?: boolean
}

export async function runFile(file: string, options: RunOptions): Promise<void> {
  await hostAll(await loadAll(file), options)
}

/** Hosts services and sinks until Ctrl-C, or with `exit` until they have processed all there is. */
export async function hostAll({ services, sinks }: ToRun, options: RunOptions): Promise<void> {
  const names = [...services, ...sinks].map(({ name }) => name)
  using lifetime = new Lifetime()
  await using host = await lifetime.unlessOver(Host.open(options))
  const starting = Promise.all([host.start(services, lifetime), host.startSinks(sinks, lifetime)])
  const running = await lifetime.unlessOver(starting)
  const { kafka, queryUrl, queryAddress, listeners } = host
  if (options.json) {
    const own = listeners.length === 0 ? {} : { listeners }
    const told = queryAddress === undefined ? {} : { queryAddress }
    const written = sinks.length === 0 ? {} : { sinks: sinks.map(({ name }) => name) }
    printJson({
      services: services.map(({ name }) => name),
      ...written,
      kafka,
      ...own,
      queryUrl,
      ...told,
    })
  } else {
    const lines = listeners.length === 0 ? [kafka] : listenerLines(listeners)
    const isOther = queryAddress !== undefined && queryUrl !== `http://${queryAddress}`
    const told = isOther ? ` (other instances ask ${queryAddress})` : ''
    if (services.length > 0) print(`services: ${services.map(({ name }) => name).join(', ')}`)
    if (sinks.length > 0) print(`sinks:    ${sinks.map(({ name }) => name).join(', ')}`)
    print(`queries:  ${queryUrl}${told}`)
    print(`${lines.map((line) => `Kafka:    ${line}`).join('\n')}\n`)
  }
  await watch(host, running, { names, lifetime, options })
  if (!options.exit) return
  for (const { name, recordsIn, recordsOut } of host.progress(names)) {
    if (options.json) printJson({ service: name, recordsIn, recordsOut })
    else print(`${name}: ${formatCount(recordsIn)} in, ${formatCount(recordsOut)} out`)
  }
}

async function watch(
  host: Host,
  [services, sinks]: readonly [RunningServices<readonly Service[]>, readonly RunningSink[]],
  o: {
    readonly names: readonly string[]
    readonly lifetime: Lifetime
    readonly options: RunOptions
  },
): Promise<void> {
  using _progress = new Progress(
    () => ({ load: undefined, services: host.progress(o.names) }),
    host.log,
  )
  if (!o.options.exit) return Promise.race([o.lifetime.over, host.failed])
  // What services write of their inputs comes to the sinks then.
  const caughtUp = async (): Promise<void> => {
    await services.caughtUp()
    await Promise.all(sinks.map((sink) => sink.caughtUp()))
  }
  await o.lifetime.unlessOver(Promise.race([caughtUp(), host.failed]))
}
