/** Sends a service's events from a process that may not run the service: an HTTP application, a script. */
import type { AnyEvent } from '../../events/event.ts'
import { nodeClock, nodeRandom } from '../../io/node-clock.ts'
import { brokerOf } from '../../client/security/kafka.ts'
import type { BrokerAddress } from '../../client/security/kafka.ts'
import { holdProcess } from '../../io/node-process.ts'
import type { Clock, Random } from '../../io/ports.ts'
import { EventSender } from '../sending/event-sender.ts'
import type { SendStats, Sends, Write } from '../sending/sends.ts'
import { sendSettings } from '../sending/settings.ts'
import type { SendOptions } from '../sending/settings.ts'
import type { Topology } from '../topology/topology.ts'
import { newIncarnation } from './instance.ts'
import { ownerOf } from './sending.ts'

export interface ProducerOptions extends SendOptions {
  readonly broker: BrokerAddress
  /**
   * A name that this process has and its successor will have: the transaction that one process left open
   * when it died is ended by the first of the next. Made up when left out, and then it waits for its timeout.
   */
  readonly instanceId?: string
  readonly clock?: Clock
  readonly random?: Random
}

/** A producer of a service's events. It holds the process open until it is closed. */
export interface EventProducer<N extends string> extends Sends<N> {
  readonly service: N
  stats(): SendStats
  /** Takes no more, waits for what was sent, within `closeTimeoutMs`, and rejects what is left then. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Sends events in the name of a service. Nothing is dialled before the first one is sent, so a broker
 * that is away is no error by itself. Throws `config-invalid` at an option out of its bounds.
 * @param service given as it is declared, its topology is looked at: what it decides is not sent
 */
export function producer<N extends string>(
  service: { readonly name: N; readonly writes: readonly AnyEvent[]; build?(): Topology },
  options: ProducerOptions,
): EventProducer<N> {
  const broker = brokerOf(options)
  const { clock = nodeClock, random = nodeRandom, instanceId } = options
  const sender = new EventSender({
    broker,
    clock,
    random,
    owner: service.build === undefined ? service : ownerOf(service, service.build()),
    instance: encodeURIComponent(instanceId ?? newIncarnation(random)),
    settings: sendSettings(options),
    newIncarnation: () => newIncarnation(random),
  })
  const release = holdProcess()
  const close = (): Promise<void> => sender.close().finally(release)
  return {
    service: service.name,
    send: (event, message, options) => sender.send(event as AnyEvent, message, options),
    sendAll: (event, messages, options) => sender.sendAll(event as AnyEvent, messages, options),
    transaction: (write) => sender.transaction(write as Write),
    stats: () => sender.stats(),
    close,
    [Symbol.asyncDispose]: close,
  }
}
