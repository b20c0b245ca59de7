/**
 * Loads a user's module and finds what it exports: services to run, or events to decode with. Exports are
 * recognised by their shape, because the module may have loaded another copy of this package.
 */
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { HeadwaterError, isHeadwaterError } from '../base/errors.ts'
import type { AnyEvent } from '../events/event.ts'
import type { PostgresSink } from '../postgres/sink.ts'
import type { Service } from '../service/service.ts'

/** What a module has to run. */
export interface ToRun {
  readonly services: readonly Service[]
  readonly sinks: readonly PostgresSink[]
}

/** The services and sinks a module exports; `input-invalid` when there are none, or two of one name. */
export async function loadAll(file: string): Promise<ToRun> {
  const all = toRun(await exportsOf(file))
  if (all.services.length + all.sinks.length > 0) return all
  throw new HeadwaterError(
    'input-invalid',
    `${file} exports no service and no sink: export what \`service(name, …)\` or \`postgresSink(name, …)\` ` +
      'returns, under any name',
  )
}

/** What there is to run among what a module exports. Throws `input-invalid` for two of one name. */
export function toRun(exported: readonly unknown[]): ToRun {
  const services = exported.filter(isService)
  const sinks = exported.filter(isSink)
  const twice = sinks.find(({ name }, i) => {
    return [...services, ...sinks.slice(0, i)].some((other) => other.name === name)
  })
  if (twice === undefined) return { services, sinks }
  throw new HeadwaterError(
    'input-invalid',
    `two services or sinks are called '${twice.name}', and would be one consumer group: give each its own name`,
  )
}

/** The services a module exports, in the order of their names; `input-invalid` when there are none. */
async function loadServices(file: string): Promise<Service[]> {
  const services = (await exportsOf(file)).filter(isService)
  if (services.length > 0) return services
  throw new HeadwaterError(
    'input-invalid',
    `${file} exports no service: export what \`service(name, …)\` returns, under any name`,
  )
}

/** The service called `name` among a module's exports; `not-found` when there is none. */
export async function loadService(file: string, name: string): Promise<Service> {
  const services = await loadServices(file)
  const found = services.find((service) => service.name === name)
  if (found !== undefined) return found
  const names = services.map((service) => service.name).join(', ')
  throw new HeadwaterError('not-found', `${file} exports no service '${name}': it has ${names}`)
}

/** The event of stream `topic` among a module's exports. */
export async function loadEvent(file: string, topic: string): Promise<AnyEvent> {
  const events = (await exportsOf(file)).filter(isEvent)
  const event = events.find(({ name }) => name === topic)
  if (event) return event
  const names = events.map(({ name }) => name).join(', ') || 'none at all'
  throw new HeadwaterError(
    'input-invalid',
    `${file} exports no event of stream '${topic}': it has ${names}`,
  )
}

async function exportsOf(file: string): Promise<unknown[]> {
  const url = moduleUrl(file)
  try {
    return Object.values((await import(url)) as Record<string, unknown>)
  } catch (error) {
    if (isHeadwaterError(error)) throw error
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    throw new HeadwaterError('input-invalid', `${file} cannot be loaded: ${reason}`, {
      cause: error,
    })
  }
}

/** What `import` takes for a file; `input-missing` or `input-invalid` when it is none. */
export function moduleUrl(file: string): string {
  const path = resolve(file)
  if (!existsSync(path)) {
    throw new HeadwaterError('input-missing', `there is no file ${path}: correct the path`)
  }
  if (statSync(path).isDirectory()) {
    throw new HeadwaterError('input-invalid', `${path} is a directory: name a module in it`)
  }
  return pathToFileURL(path).href
}

function isService(value: unknown): value is Service {
  const service = value as Partial<Service> | null
  return typeof service === 'object' && typeof service?.build === 'function' && 'reads' in service
}

function isSink(value: unknown): value is PostgresSink {
  const sink = value as Partial<PostgresSink> | null
  return typeof sink === 'object' && Array.isArray(sink?.tables) && 'onError' in sink
}

function isEvent(value: unknown): value is AnyEvent {
  const event = value as Partial<AnyEvent> | null
  return typeof event === 'object' && typeof event?.codec === 'object' && 'schema' in event
}
