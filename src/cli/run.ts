/** `headwater run FILE`: the services a module exports, on an embedded broker or one that runs elsewhere. */
import { Host } from './host.ts'
import type { HostOptions } from './host.ts'
import { Lifetime } from './lifetime.ts'
import { loadServices } from './modules.ts'
import { formatCount, print, printJson } from './output.ts'
import { Progress } from './progress.ts'

export interface RunOptions extends HostOptions {
  readonly exit?: boolean
  readonly json?: boolean
}

export async function runFile(file: string, options: RunOptions): Promise<void> {
  const services = await loadServices(file)
  const names = services.map(({ name }) => name)
  using lifetime = new Lifetime()
  await using host = await Host.open(options)
  await Promise.all(services.map((service) => host.start(service)))
  const { kafka, queryUrl } = host
  if (options.json) printJson({ services: names, kafka, queryUrl })
  else print(`services: ${names.join(', ')}\nqueries:  ${queryUrl}\nKafka:    ${kafka}\n`)
  await watch(host, names, lifetime, options)
  if (!options.exit) return
  for (const { name, recordsIn, recordsOut } of host.progress(names)) {
    if (options.json) printJson({ service: name, recordsIn, recordsOut })
    else print(`${name}: ${formatCount(recordsIn)} in, ${formatCount(recordsOut)} out`)
  }
}

async function watch(
  host: Host,
  names: readonly string[],
  lifetime: Lifetime,
  options: RunOptions,
): Promise<void> {
  using _progress = new Progress(() => ({ load: undefined, services: host.progress(names) }))
  if (options.exit) await lifetime.unlessOver(Promise.race([host.caughtUp(), host.failed]))
  else await Promise.race([lifetime.over, host.failed])
}
