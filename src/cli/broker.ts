/** `headwater broker`: the broker alone, until Ctrl-C. */
import { Broker } from '../broker/broker.ts'
import type { BrokerEvent } from '../broker/broker-event.ts'
import type { BrokerConfig } from '../broker/config.ts'
import type { ListenerOptions } from '../broker/listeners.ts'
import { HeadwaterError, isHeadwaterError } from '../base/errors.ts'
import { addressText, dialable } from '../base/address.ts'
import type { Address } from '../base/address.ts'
import { nodeClock, nodeRandom } from '../io/node-clock.ts'
import { nodeHttp } from '../io/node-http.ts'
import { nodeDisk } from '../io/node-disk.ts'
import { nodeNetwork } from '../io/node-network.ts'
import { descriptorsMax } from '../io/node-process.ts'
import type { Durability } from '../log/store/options.ts'
import { tellOfSettings } from './config-file.ts'
import type { SettingsNote } from './config-file.ts'
import { Lifetime } from './lifetime.ts'
import { operations } from '../operations/operations.ts'
import { exposureNote, hostDefault, listenerLines, listenersOf } from './listeners.ts'
import type { ListenerFlags } from './listeners.ts'
import { openLog } from './logging.ts'
import type { Log } from './logging.ts'
import type { LogOptions } from './log-options.ts'
import { formatCount, formatSeconds, print, printJson } from './output.ts'

type StartedEvent = Extract<BrokerEvent, { readonly type: 'started' }>

export interface BrokerCommandOptions extends ListenerFlags, LogOptions, SettingsNote {
  readonly dir: string
  readonly durability: Durability
  /** MiB. */
  readonly memory: number
  /** The port for metrics and health, on `host`; 0 takes a free one. Without it there are none. */
  readonly metricsPort?: number
  readonly json?: boolean
}

export async function runBroker(options: BrokerCommandOptions): Promise<void> {
  using lifetime = new Lifetime()
  const log = openLog(options)
  tellOfSettings(options, log)
  const failed = Promise.withResolvers<never>()
  const { dir, durability } = options
  await using broker = await openBroker({
    dir,
    durability,
    listeners: listenersOf(options),
    config: { memoryBytesMax: options.memory * 1024 * 1024 },
    onFailure: failed.reject,
    log,
  })
  await using metrics = await serveMetrics(options, broker)
  const { listeners, clusterId } = broker
  const { host, port } = listeners[0]!
  if (options.json) {
    printJson({
      host,
      port,
      listeners,
      clusterId,
      dir,
      ...(metrics && { metricsUrl: metrics.url }),
    })
  } else {
    for (const line of listenerLines(listeners)) print(`Kafka clients: ${line}`)
    if (metrics !== undefined) print(`metrics: ${metrics.url}/metrics`)
    print(`data: ${dir}, acknowledged when ${acknowledged[options.durability]}`)
    print('Ctrl-C stops it.')
  }
  const exposed = exposureNote(listeners, metrics && { ...metrics, what: 'metrics' })
  if (exposed !== undefined) log.warn({}, exposed)
  await Promise.race([lifetime.over, failed.promise])
}

/** Where metrics and health are served; undefined when nobody asked for them. */
async function serveMetrics(
  { host = hostDefault, metricsPort }: BrokerCommandOptions,
  broker: Broker,
): Promise<(Address & { readonly url: string } & AsyncDisposable) | undefined> {
  if (metricsPort === undefined) return undefined
  const answer = operations({ broker })
  const listener = await nodeHttp
    .listen(host, metricsPort, (request) => answer(request) ?? nothingThere())
    .catch((error: unknown) => {
      throw isHeadwaterError(error, 'port-in-use') ? portInUse(error, metricsPort) : error
    })
  const { port } = listener
  const url = `http://${addressText(dialable({ host, port }))}`
  return { host, port, url, [Symbol.asyncDispose]: () => listener.close() }
}

function nothingThere(): Response {
  const message = 'nothing is here: there are /metrics, /health/live and /health/ready'
  return Response.json({ error: { code: 'not-found', message } }, { status: 404 })
}

function portInUse(cause: HeadwaterError, port: number): HeadwaterError {
  return new HeadwaterError(
    'port-in-use',
    `the port for metrics ${port} is in use by another program: stop that program or choose another port ` +
      'with --metrics-port (0 takes a free one)',
    { cause },
  )
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
    readonly log: Log
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
      if (event.type === 'broker-failed') return o.onFailure(event.error)
      const [level, text] = noteOf(event)
      o.log[level]({ event: toldOf(event) }, text)
    },
  })
}

type Told = Exclude<BrokerEvent, { readonly type: 'broker-failed' }>

/** An event as programs read it: of an error its code and its text. */
function toldOf(event: Told): object {
  if (!('error' in event)) return event
  const { error, ...rest } = event
  return { ...rest, code: error.code, message: error.message }
}

/** What is in order is for `debug`, what an operator may want to know is a note. */
function noteOf(event: Told): readonly [level: 'debug' | 'info' | 'warn', text: string] {
  switch (event.type) {
    case 'started':
      return event.clean
        ? ['debug', `the broker has started with ${formatCount(event.logs)} logs`]
        : ['warn', broughtBack(event)]
    case 'directory-finding':
      return ['warn', event.text]
    case 'partition-damaged':
    case 'batch-unsound':
      return ['warn', `${event.topic}-${event.partition}: ${event.error.message}`]
    case 'marker-skipped':
      return [
        'warn',
        `transaction '${event.transactionalId}' has no marker in ${event.topic}-${event.partition}: ${event.reason}`,
      ]
    case 'connection-idle':
      // Every client leaves connections idle, and nobody has to do anything about it.
      return ['debug', `closed the connection from ${event.remote}: ${event.reason}`]
    case 'descriptors-short':
      return ['warn', `${event.error.message}. Until then no new connections are taken`]
    case 'descriptors-enough':
      return ['info', 'files can be opened again, and new connections are taken']
    case 'disk-full':
      return [
        'warn',
        `${event.error.message}. Until there is room, records, commits and topics are refused, and ` +
          'clients try again: delete topics or records, or free space some other way',
      ]
    case 'disk-has-room':
      return ['info', 'the disk has room again, and records are taken']
    case 'connection-refused':
      return ['warn', `closed the connection from ${event.remote}: ${event.reason}`]
  }
}
