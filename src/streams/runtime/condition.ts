/**
 * What a service is doing, as it is told: what its instance does with its tasks, and over it whether it has a
 * broker at all. One that has lost its broker is `reconnecting`, whatever else it would be doing. Losing and
 * finding it are said once each. All events of a service pass here, and are counted.
 */
import type { HeadwaterError } from '../../base/errors.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import type { Clock } from '../../io/ports.ts'
import { counted, noEvents } from './event-counts.ts'
import type { EventCounts } from './event-counts.ts'
import type { ServiceEvent, ServiceState } from './service-event.ts'

export class Condition {
  readonly #clock: Clock
  readonly #onEvent: (event: ServiceEvent) => void
  #events = noEvents
  #inner: ServiceState = 'starting'
  /** When the broker was lost (monotonic ms); undefined while there is one. */
  #lostAt: number | undefined
  #hasEnded = false

  /** @param cluster whose brokers the service depends on */
  constructor(cluster: Cluster, onEvent: (event: ServiceEvent) => void) {
    this.#clock = cluster.clock
    this.#onEvent = onEvent
    cluster.watchContact((outage) => this.#contact(outage))
  }

  get events(): EventCounts {
    return this.#events
  }

  readonly tell = (event: ServiceEvent): void => {
    this.#events = counted(this.#events, event)
    this.#onEvent(event)
  }

  /** What the instance does, with or without a broker. */
  get inner(): ServiceState {
    return this.#inner
  }

  /** What is said of it. */
  get state(): ServiceState {
    return this.isCutOff ? 'reconnecting' : this.#inner
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Whether no broker can be reached, so that nothing is known of the ends of topics. */
  get isCutOff(): boolean {
    return this.#lostAt !== undefined && !this.#hasEnded
  }

  become(inner: ServiceState): void {
    if (this.#hasEnded || this.#inner === inner) return
    this.#inner = inner
    if (!this.isCutOff) this.tell({ type: 'state', state: inner })
  }

  /** Ends it; a service that ends says so otherwise. */
  end(inner: 'failed' | 'closed'): void {
    this.#inner = inner
    this.#hasEnded = true
  }

  /** Takes notice that no broker can be reached, and why, or that one can again. */
  #contact(outage: HeadwaterError | undefined): void {
    if (this.#hasEnded) return
    const now = this.#clock.monotonic()
    const since = this.#lostAt
    this.#lostAt = outage === undefined ? undefined : (since ?? now)
    if (outage !== undefined && since === undefined) {
      this.tell({ type: 'broker-lost', error: outage })
    } else if (outage === undefined && since !== undefined) {
      this.tell({ type: 'broker-found', ms: Math.round(now - since) })
    } else return
    this.tell({ type: 'state', state: this.state })
  }
}
