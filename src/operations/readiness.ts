/** Whether services are at work, as whoever sends traffic to a process, or replaces it, has to know. */
import type { RunningTopology } from '../streams/runtime/running.ts'
import type { ServiceStats } from '../streams/runtime/running.ts'
import type { ServiceState } from '../streams/runtime/service-event.ts'

/** A service of this process; one that is still starting says nothing of itself yet. */
export interface ObservedService {
  readonly service: string
  /** Tells instances of one service apart that run in this process. */
  readonly instanceId?: string
  stats(): ServiceStats | undefined
  readonly views?: RunningTopology['views']
}

export interface ReadinessOptions {
  /** How many records may lie before a service that is ready; unbounded when left out. */
  readonly lagMax?: number
}

/** Of all services of a process. */
export interface Readiness {
  /** Whether each of them is, and there is one. */
  readonly ready: boolean
  readonly services: Readonly<Record<string, ServiceReadiness>>
}

export interface ServiceReadiness {
  readonly ready: boolean
  readonly state: ServiceState
  /** As in `ServiceStats`; null while it is not known. */
  readonly lag: number | null
  /** Why it is not ready; null when it is. */
  readonly reason: string | null
}

/**
 * Whether each service has what the group gave to it (which may be nothing), has restored its state, reaches
 * its broker, and is not too far behind.
 * @param running what `run` returned
 */
export function readiness(
  running: { readonly services: readonly ObservedService[] },
  options: ReadinessOptions = {},
): Readiness {
  const services: Record<string, ServiceReadiness> = {}
  for (const each of running.services) {
    const { service } = each
    // Of two instances in one process the one that is not ready is what has to be known.
    if (services[service]?.ready !== false) services[service] = readinessOf(each.stats(), options)
  }
  const all = Object.values(services)
  return { ready: all.length > 0 && all.every(({ ready }) => ready), services }
}

function readinessOf(stats: ServiceStats | undefined, options: ReadinessOptions): ServiceReadiness {
  const reason = reasonOf(stats, options) ?? null
  return {
    ready: reason === null,
    state: stats?.state ?? 'starting',
    lag: stats?.lag ?? null,
    reason,
  }
}

const notHeard =
  'it is closing, or has not heard from its group for so long that what it holds may be another’s'

function reasonOf(stats: ServiceStats | undefined, { lagMax }: ReadinessOptions) {
  if (stats === undefined) return 'it is starting'
  const { state, ready, assignment, lag, lastError } = stats
  if (state === 'failed') return `it has stopped (${lastError?.code}): ${lastError?.message}`
  if (state === 'closed') return 'it was closed'
  if (state === 'reconnecting') return 'it has lost its broker, or its database, and goes on trying'
  if (assignment === undefined) return 'the group has not given it its partitions yet'
  if (!ready) return state === 'running' ? notHeard : 'it is restoring its state'
  if (lagMax === undefined || (lag !== undefined && lag <= lagMax)) return undefined
  if (lag === undefined) return 'how far it is behind is not known yet'
  return `${lag} records lie before it, and ${lagMax} may`
}
