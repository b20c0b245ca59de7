/** `headwater run FILE`: the services a module exports, on an embedded broker or one that runs elsewhere. */
import type { RunningServices } from '../streams/runtime/run.ts'
import type { Service } from '../service/service.ts'
import { Host } from './host.ts'
import type { HostOptions } from './host.ts'
import { Lifetime } from './lifetime.ts'
import { listenerLines } from './listeners.ts'
import { loadServices } from './modules.ts'
import { formatCount, print, printJson } from './output.ts'
import { Progress } from './progress.ts'

export interface RunOptions extends HostOptions {
  readonly exit?: boolean
}

export async function runFile(file: string, options: RunOptions): Promise<void> {
  await hostServices(await loadServices(file), options)
}

/** Hosts services until Ctrl-C, or with `exit` until they have processed all there is. */
export async function hostServices(
  services: readonly Service[],
  options: RunOptions,
): Promise<void> {
  const names = services.map(({ name }) => name)
  using lifetime = new Lifetime()
  await using host = await lifetime.unlessOver(Host.open(options))
  const running = await lifetime.unlessOver(host.start(services, lifetime))
  const { kafka, queryUrl, queryAddress, listeners } = host
  if (options.json) {
    const own = listeners.length === 0 ? {} : { listeners }
    const told = queryAddress === undefined ? {} : { queryAddress }
    printJson({ services: names, kafka, ...own, queryUrl, ...told })
  } else {
    const lines = listeners.length === 0 ? [kafka] : listenerLines(listeners)
    const isOther = queryAddress !== undefined && queryUrl !== `http://${queryAddress}`
    const told = isOther ? ` (other instances ask ${queryAddress})` : ''
    print(`services: ${names.join(', ')}\nqueries:  ${queryUrl}${told}`)
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
  running: RunningServices<readonly Service[]>,
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
  if (!o.options.exit) await Promise.race([o.lifetime.over, host.failed])
  else await o.lifetime.unlessOver(Promise.race([running.caughtUp(), host.failed]))
}
