/** `headwater broker`: the broker alone, until Ctrl-C. */
import { Broker } from '../broker/broker.ts'
import type { BrokerEvent } from '../broker/broker-event.ts'
import type { BrokerConfig } from '../broker/config.ts'
import type { ListenerOptions } from '../broker/listeners.ts'
import type { HeadwaterError } from '../base/errors.ts'
import { nodeClock, nodeRandom } from '../io/node-clock.ts'
import { nodeDisk } from '../io/node-disk.ts'
import { nodeNetwork } from '../io/node-network.ts'
import { descriptorsMax } from '../io/node-process.ts'
import type { Durability } from '../log/store/options.ts'
import { Lifetime } from './lifetime.ts'
import { exposureNote, listenerLines, listenersOf } from './listeners.ts'
import type { ListenerFlags } from './listeners.ts'
import { formatCount, formatSeconds, print, printJson, printNote } from './output.ts'

type StartedEvent = Extract<BrokerEvent, { readonly type: 'started' }>

export interface BrokerCommandOptions extends ListenerFlags {
  readonly dir: string
  readonly durability: Durability
  /** MiB. */
  readonly memory: number
  readonly json?: boolean
}

export async function runBroker(options: BrokerCommandOptions): Promise<void> {
  using lifetime = new Lifetime()
  const failed = Promise.withResolvers<never>()
  await using broker = await openBroker({
    ...options,
    listeners: listenersOf(options),
    config: { memoryBytesMax: options.memory * 1024 * 1024 },
    onFailure: failed.reject,
    onNote: printNote,
  })
  const { listeners, clusterId } = broker
  const { host, port } = listeners[0]!
  if (options.json) {
    printJson({ host, port, listeners, clusterId, dir: options.dir })
  } else {
    for (const line of listenerLines(listeners)) print(`Kafka clients: ${line}`)
    print(`data: ${options.dir}, acknowledged when ${acknowledged[options.durability]}`)
    print('Ctrl-C stops it.')
  }
  const exposed = exposureNote(listeners)
  if (exposed !== undefined) printNote(exposed)
  await Promise.race([lifetime.over, failed.promise])
}

const acknowledged: Readonly<Record<Durability, string>> = {
  disk: 'on disk',
  os: 'with the operating system: a power cut can lose records',
  memory: 'in memory: a crash can lose records',
}

function broughtBack({ records, logs, milliseconds }: StartedEvent): string {
  return (
    `the broker was not closed in good order: ${formatCount(records)} records of ${formatCount(logs)} logs ` +
    `were brought back from the journal in ${formatSeconds(milliseconds / 1000)}`
  )
}

/**
 * A broker on this machine's disk and network.
 * @param o.onFailure called when the disk fails and the broker has stopped
 */
export function openBroker(
  o: Pick<BrokerCommandOptions, 'dir' | 'durability'> & {
    readonly listeners: readonly ListenerOptions[]
    readonly config?: Partial<BrokerConfig>
    readonly onFailure: (error: HeadwaterError) => void
    /** Told of what a start found, of connections closed for a fault of the client's, and of records that cannot be read. */
    readonly onNote?: (text: string) => void
  },
): Promise<Broker> {
  return Broker.open({
    disk: nodeDisk,
    clock: nodeClock,
    random: nodeRandom,
    network: nodeNetwork,
    directory: o.dir,
    listeners: o.listeners,
    durability: o.durability,
    ...(o.config && { config: o.config }),
    descriptorsMax: descriptorsMax(),
    report: (event) => {
      switch (event.type) {
        case 'started':
          return event.clean ? undefined : o.onNote?.(broughtBack(event))
        case 'directory-finding':
          return o.onNote?.(event.text)
        case 'broker-failed':
          return o.onFailure(event.error)
        case 'partition-damaged':
        case 'batch-unsound':
          return o.onNote?.(`${event.topic}-${event.partition}: ${event.error.message}`)
        case 'marker-skipped':
          return o.onNote?.(
            `transaction '${event.transactionalId}' has no marker in ${event.topic}-${event.partition}: ${event.reason}`,
          )
        case 'connection-idle':
          // Every client leaves connections idle, and nobody has to do anything about it.
          return undefined
        case 'descriptors-short':
          return o.onNote?.(`${event.error.message}. Until then no new connections are taken`)
        case 'descriptors-enough':
          return o.onNote?.('files can be opened again, and new connections are taken')
        case 'disk-full':
          return o.onNote?.(
            `${event.error.message}. Until there is room, records, commits and topics are refused, and ` +
              'clients try again: delete topics or records, or free space some other way',
          )
        case 'disk-has-room':
          return o.onNote?.('the disk has room again, and records are taken')
        case 'connection-refused':
          return o.onNote?.(`closed the connection from ${event.remote}: ${event.reason}`)
      }
    },
  })
}
