/** Adds a decider to a topology's graph: the source of its commands, the decision, and the state behind it. */
import type { DescMessage } from '@bufbuild/protobuf'
import { durationMs } from '../../base/units.ts'
import type { Duration } from '../../base/units.ts'
import { outcomesTopic } from '../../events/commands.ts'
import type { AnyCommand, AnyEvent } from '../../events/event.ts'
import type { StoreOptions } from './builder.ts'
import type { Graph } from './graph.ts'
import type { AggregateNode, DecideNode } from './topology.ts'

/** The options of `decide` at run time. */
export interface DeciderOptions extends StoreOptions {
  readonly events: AnyEvent
  readonly initial: AggregateNode['init']
  readonly decide: DecideNode['f']
  readonly evolve: AggregateNode['f']
  readonly state?: DescMessage
  readonly remember?: Duration
  readonly rememberBytesMax?: number
}

/** How long outcomes are remembered: as long as who gave up waiting may still ask again. */
const rememberDefault = '10m'
/** As long as commands are kept that nobody has decided: who waits for longer asks for something new. */
const rememberMsMax = 7 * 86_400_000
const rememberBytesDefault = 16 * 1024 * 1024
const rememberBytesLeast = 1024 * 1024
const rememberBytesMost = 256 * 1024 * 1024

/** The ids of the new nodes. Throws `topology-invalid`. */
export function addDecider(
  graph: Graph,
  name: string,
  commands: AnyCommand,
  options: DeciderOptions,
): { readonly events: number; readonly state: number } {
  const { events, initial, decide, evolve, state, version = 1 } = options
  graph.read(commands)
  checkCommands(graph, name, commands)
  graph.write(events)
  graph.checkUnwritten(name, events)
  if (events.kind !== 'keyed') {
    throw graph.refuse(
      `'${name}' writes what it decides to stream '${events.name}', which is ${events.kind}: what has happened to a ` +
        'thing is facts about it, which all stay, so write KIND_KEYED in its contract',
    )
  }
  if (events.key!.name !== commands.key.name) {
    throw graph.refuse(
      `'${name}' decides commands keyed by keyspace '${commands.key.name}' and writes stream '${events.name}', ` +
        `which is keyed by keyspace '${events.key!.name}': a command is about the thing that its events are ` +
        'about, so give both one keyspace',
    )
  }
  graph.claim('decider', name)
  graph.claim('decider', outcomeStoreName(name))
  graph.checkVersion(name, version)
  const onError = graph.policy(options)
  const decoding = graph.policyOf(commands, options)
  const source =
    graph.find('source', commands)?.id ??
    graph.add({ kind: 'source', event: commands, onError: decoding })
  const from = graph.add({
    kind: 'decide',
    from: source,
    name,
    commands,
    events,
    f: decide,
    remember: remembering(graph, name, options),
    onError,
  })
  const id = graph.add({
    kind: 'aggregate',
    from,
    name,
    keyspace: commands.key,
    window: undefined,
    fold: 'decide',
    version,
    state,
    init: initial,
    f: evolve,
    onError,
  })
  return { events: from, state: id }
}

/** What the store of outcomes is called. */
export function outcomeStoreName(name: string): string {
  return `${name}-outcomes`
}

function remembering(
  graph: Graph,
  name: string,
  {
    remember = rememberDefault,
    rememberBytesMax: bytesMax = rememberBytesDefault,
  }: Pick<DeciderOptions, 'remember' | 'rememberBytesMax'>,
): DecideNode['remember'] {
  const ms = durationMs(remember)
  const check = (option: string, value: number, least: number, most: number): void => {
    if (Number.isInteger(value) && value >= least && value <= most) return
    throw graph.refuse(
      `'${name}' has ${option} ${value}: give a whole number from ${least} to ${most}`,
    )
  }
  check('remember in milliseconds', ms, 1, rememberMsMax)
  check('rememberBytesMax', bytesMax, rememberBytesLeast, rememberBytesMost)
  return { ms, bytesMax }
}

function checkCommands(graph: Graph, name: string, commands: AnyCommand): void {
  const { service } = graph.scope
  if (commands.kind !== 'command') {
    const { name: stream, kind } = commands as AnyEvent
    throw graph.refuse(
      `'${name}' decides stream '${stream}', which is ${kind}: write KIND_COMMAND in its contract`,
    )
  }
  if (commands.owner !== service) {
    throw graph.refuse(
      `'${name}' decides commands of stream '${commands.name}', which '${commands.owner}' owns and so ` +
        `decides: let '${commands.owner}' do it, or change the owner in the contract`,
    )
  }
  const outcomes = outcomesTopic(service)
  if ([...graph.scope.reads, ...graph.scope.writes].some(({ name }) => name === outcomes)) {
    throw graph.refuse(
      `a stream is called '${outcomes}', where the service tells what comes of commands: name it otherwise`,
    )
  }
  const other = graph.decider(commands)
  if (other === undefined) return
  throw graph.refuse(
    `stream '${commands.name}' is decided by '${other}' and by '${name}': a command is decided once`,
  )
}
