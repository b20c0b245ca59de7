/** Metrics in Prometheus' text, made when they are asked for. */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import type { BrokerStats } from '../broker/stats.ts'
import { brokerMetrics, serviceMetrics } from './metrics.ts'
import type { Metric, ServiceSource } from './metrics.ts'
import type { ObservedService } from './readiness.ts'

/** What is observed: services, a broker of this process, or both. */
export interface Observed {
  readonly services?: () => readonly ObservedService[]
  readonly broker?: { stats(): BrokerStats } | undefined
}

/** A registry over what is observed, with the library's own metrics of the process. */
export function registryOf({ services, broker }: Observed): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  if (services !== undefined) {
    for (const metric of serviceMetrics) add(registry, metric, () => sourcesOf(services()))
  }
  if (broker !== undefined) {
    // One look at the broker serves all of its metrics.
    let stats: BrokerStats | undefined
    const look = (): BrokerStats[] => {
      if (stats === undefined) queueMicrotask(() => (stats = undefined))
      return [(stats ??= broker.stats())]
    }
    for (const metric of brokerMetrics) add(registry, metric, look)
  }
  return registry
}

function sourcesOf(services: readonly ObservedService[]): ServiceSource[] {
  return services.flatMap((each) => {
    const now = each.stats()
    if (now === undefined) return []
    const { service, instanceId, views = {} } = each
    return [{ service, ...(instanceId && { instanceId }), stats: () => now, now, views }]
  })
}

function add<S>(registry: Registry, metric: Metric<S>, sources: () => readonly S[]): void {
  const { name, help, labels } = metric
  const all = () => sources().flatMap((source) => [...metric.samples(source)])
  const shared = { name, help, labelNames: [...labels], registers: [registry] }
  if (metric.type === 'gauge') {
    return void new Gauge({
      ...shared,
      collect() {
        this.reset()
        for (const [of, value] of all()) this.set(of, value)
      },
    })
  }
  new Counter({
    ...shared,
    collect() {
      this.reset()
      for (const [of, value] of all()) this.inc(of, value)
    },
  })
}
