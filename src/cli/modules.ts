/**
 * Loads a user's module and finds what it exports: services to run, or events to decode with. Exports are
 * recognised by their shape, because the module may have loaded another copy of this package.
 */
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { HeadwaterError, isHeadwaterError } from '../base/errors.ts'
import type { AnyEvent } from '../events/event.ts'
import type { Service } from '../service/service.ts'

/** The services a module exports, in the order of their names; `input-invalid` when there are none. */
export async function loadServices(file: string): Promise<Service[]> {
  const services = servicesOf(await exportsOf(file))
  if (services.length > 0) return services
  throw new HeadwaterError(
    'input-invalid',
    `${file} exports no service: export what \`service(name, …)\` returns, under any name`,
  )
}

/** The services among what a module exports. */
export function servicesOf(exported: readonly unknown[]): Service[] {
  return exported.filter(isService)
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

function isEvent(value: unknown): value is AnyEvent {
  const event = value as Partial<AnyEvent> | null
  return typeof event === 'object' && typeof event?.codec === 'object' && 'schema' in event
}
