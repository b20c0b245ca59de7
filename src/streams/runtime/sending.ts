/** The sending side of services that run: one sender for each, and the handle that finds the right one. */
import { HeadwaterError } from '../../base/errors.ts'
import type { AnyEvent } from '../../events/event.ts'
import { subscribedTopics } from '../plan/assignment.ts'
import { planTopology } from '../plan/plan.ts'
import { EventSender } from '../sending/event-sender.ts'
import type { Owner } from '../sending/encode.ts'
import type { EventOptions } from '../sending/headers.ts'
import type { Sends, Write } from '../sending/sends.ts'
import { sendSettings } from '../sending/settings.ts'
import type { SendOptions } from '../sending/settings.ts'
import type { Topology } from '../topology/topology.ts'
import { instanceIdDefault, instanceName, newIncarnation } from './instance.ts'
import type { RunTopologyOptions } from './running.ts'

/** What a service that runs may send. */
interface Writing {
  readonly name: string
  readonly writes: readonly AnyEvent[]
}

/** A sender for each service, by its name; none of them dials before its first event. */
export function openSenders(
  services: readonly Writing[],
  topologies: readonly Topology[],
  options: RunTopologyOptions & { readonly sending?: SendOptions },
): ReadonlyMap<string, EventSender> {
  const {
    broker,
    clock,
    random,
    instanceId = instanceIdDefault,
    sending = {},
    closeTimeoutMs,
  } = options
  const settings = sendSettings({
    ...(closeTimeoutMs === undefined ? {} : { closeTimeoutMs }),
    ...sending,
  })
  return new Map(
    services.map((service, i) => {
      const owner = ownerOf(service, topologies[i]!)
      const topics = subscribedTopics(planTopology(topologies[i]!))
      const sender = new EventSender({
        broker,
        clock,
        random,
        owner,
        instance: encodeURIComponent(instanceName(instanceId, topics)),
        settings,
        newIncarnation: () => newIncarnation(random),
      })
      return [owner.name, sender]
    }),
  )
}

/** Who sends in the name of a service: everything it writes, but for what its deciders do. */
export function ownerOf({ name, writes }: Writing, { nodes }: Topology): Owner {
  const decided = nodes.flatMap((node) => {
    if (node.kind !== 'decide') return []
    return [[node.events.name, { decider: node.name, commands: node.commands.name }] as const]
  })
  return { name, writes, decided: new Map(decided) }
}

/** The sending side of a service, to be handed out. */
export function sendsOf(sender: EventSender): Sends<string> {
  return {
    send: (event, message, options) => sender.send(event as AnyEvent, message, options),
    sendAll: (event, messages, options) => sender.sendAll(event as AnyEvent, messages, options),
    transaction: (write) => sender.transaction(write as Write),
  }
}

/** Of several: each event in the name of its owner, which has to be one of them. */
export function sendsOfAll(byName: ReadonlyMap<string, EventSender>) {
  const ownerOf = (event: AnyEvent): EventSender => {
    const [any] = byName.values()
    const sender = byName.get(event.owner) ?? (event.kind === 'command' ? any : undefined)
    if (sender === undefined) throw notHere(event, [...byName.keys()])
    return sender
  }
  return {
    send: async (event: AnyEvent, message: unknown, options?: EventOptions) =>
      ownerOf(event).send(event, message, options),
    sendAll: async (event: AnyEvent, messages: readonly unknown[], options?: EventOptions) =>
      ownerOf(event).sendAll(event, messages, options),
    sends: Object.fromEntries([...byName].map(([name, sender]) => [name, sendsOf(sender)])),
  }
}

function notHere({ name, owner }: AnyEvent, here: readonly string[]): HeadwaterError {
  return new HeadwaterError(
    'config-invalid',
    `stream '${name}' is owned by '${owner}', which does not run here, so it may not be sent from here: run '${owner}' with the others, or send a stream of ${here.map((each) => `'${each}'`).join(', ')}`,
    { outcome: 'not-written' },
  )
}
