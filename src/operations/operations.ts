/**
 * What an operator asks a process over HTTP: `GET /health/live`, `/health/ready` and `/metrics`. A handler of
 * `Request` and `Response`, to be put beside whatever else is served.
 */
import type { Registry } from 'prom-client'
import { readiness } from './readiness.ts'
import type { ReadinessOptions } from './readiness.ts'
import type { Observed } from './registry.ts'

export interface OperationsOptions extends Observed, ReadinessOptions {}

/** Answers what is its own; undefined for every other path. */
export type Operations = (request: Request) => Response | Promise<Response> | undefined

/** @param options what is observed; a process without services is ready when it answers */
export function operations(options: OperationsOptions): Operations {
  // Loaded and made for the first who asks: what observes the process costs a little.
  let made: Promise<Registry> | undefined
  const make = async () => (await import('./registry.ts')).registryOf(options)
  const answers: Readonly<Record<string, () => Response | Promise<Response>>> = {
    '/health/live': () => json(200, { live: true }),
    '/health/ready': () => ready(options),
    '/metrics': async () => {
      const registry = await (made ??= make())
      const headers = { 'cache-control': 'no-store', 'content-type': registry.contentType }
      return new Response(await registry.metrics(), { headers })
    },
  }
  return ({ url, method }) => {
    const path = pathOf(url)
    if (!Object.hasOwn(answers, path)) return undefined
    return method === 'GET' || method === 'HEAD' ? answers[path]!() : refuseMethod(method, path)
  }
}

/** Behind the host, as far as a question mark: the keys of queries must not be taken apart for this. */
function pathOf(url: string): string {
  const from = url.indexOf('/', url.indexOf('://') + 3)
  const to = url.indexOf('?', from)
  return url.slice(from, to < 0 ? undefined : to)
}

function ready({ services, lagMax }: OperationsOptions): Response {
  if (services === undefined) return json(200, { ready: true, services: {} })
  const found = readiness({ services: services() }, lagMax === undefined ? {} : { lagMax })
  return json(found.ready ? 200 : 503, found)
}

function refuseMethod(method: string, path: string): Response {
  const message = `${method} is nothing for ${path}: it takes GET and HEAD`
  const error = { code: 'method-not-allowed', message }
  return json(405, { error }, { allow: 'GET, HEAD' })
}

function json(status: number, value: unknown, headers: Record<string, string> = {}): Response {
  const body = `${JSON.stringify(value, null, 2)}\n`
  const type = 'application/json; charset=utf-8'
  const shared = { 'cache-control': 'no-store', 'content-type': type }
  return new Response(body, { status, headers: { ...shared, ...headers } })
}
