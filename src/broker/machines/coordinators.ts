/**
 * The three machines at work: their hosts, and the effects that tie them together.
 *
 * A topic's logs follow the topics machine. A transaction's end is an effect of the transactions machine:
 * a control batch goes to every partition of the transaction, the groups machine is told, and the
 * transactions machine hears `markers-written`. It hears so before the markers are durable: all logs share
 * one journal, so a "written" that survives a crash has its markers before it. Replay repeats an effect
 * that was cut short; a second marker of a transaction that has ended changes nothing for readers. What was
 * to follow a topic's deletion is found at the start: positions in topics that are gone are forgotten then.
 */
import { assert, type HeadwaterError } from '../../base/errors.ts'
import type { Steps } from '../../base/steps.ts'
import type {
  GroupsCommand,
  GroupsEffect,
  TopicsCommand,
  TopicsEffect,
  TransactionsCommand,
  TransactionsEffect,
} from '../../coordinator/commands.ts'
import type { GroupsChange } from '../../coordinator/groups/changes.ts'
import type { GroupsState } from '../../coordinator/groups/state.ts'
import { groupsMachine } from '../../coordinator/groups/machine.ts'
import { positionsIn, topicsWithOffsets } from '../../coordinator/groups/offsets.ts'
import type { TopicsChange } from '../../coordinator/topics/changes.ts'
import type { TopicsState } from '../../coordinator/topics/state.ts'
import { topicsMachine } from '../../coordinator/topics/machine.ts'
import type { TransactionsChange } from '../../coordinator/transactions/changes.ts'
import type { TransactionsState } from '../../coordinator/transactions/state.ts'
import { transactionsMachine } from '../../coordinator/transactions/machine.ts'
import type { Clock } from '../../io/ports.ts'
import type { Log } from '../../log/log.ts'
import type { LogStore } from '../../log/store/log-store.ts'
import { encodeControlBatch } from '../../records/record.ts'
import type { BrokerEvent } from '../broker-event.ts'
import type { Catalog } from '../serving/catalog.ts'
import type { BrokerConfig } from '../config.ts'
import type { Turns } from '../turns.ts'
import { MachineHost } from './machine-host.ts'

export interface Coordinators {
  readonly topics: MachineHost<TopicsState, TopicsCommand, TopicsChange, TopicsEffect>
  readonly groups: MachineHost<GroupsState, GroupsCommand, GroupsChange, GroupsEffect>
  readonly transactions: MachineHost<
    TransactionsState,
    TransactionsCommand,
    TransactionsChange,
    TransactionsEffect
  >
}

export interface CoordinatorsOptions {
  readonly store: LogStore
  readonly catalog: Catalog
  readonly clock: Clock
  readonly config: BrokerConfig
  readonly turns: Turns
  readonly report: (event: BrokerEvent) => void
  /** Broker settings fixed while it runs, for DescribeConfigs. */
  readonly fixedConfigs: ReadonlyMap<string, string>
}

/** Replays all three, and takes up what they left unfinished once every partition's log is open. */
export async function openCoordinators(options: CoordinatorsOptions): Promise<Coordinators> {
  const { store, catalog, clock, config, turns, fixedConfigs } = options
  const shared = {
    store,
    clock,
    turns,
    logBytesMax: config.coordinatorLogBytesMax,
    onUnreadable: (error: HeadwaterError) => options.report(unreadable(error)),
  }
  const topics = await MachineHost.open(
    topicsMachine({
      nodeId: config.nodeId,
      defaultPartitions: config.partitionCountDefault,
      partitionsMax: config.partitionsMax,
      autoCreatePartitionsMax: config.autoCreatePartitionsMax,
      brokerConfigs: fixedConfigs,
    }),
    { ...shared, runEffect: (effect) => runTopicsEffect(effect, options, coordinators) },
  )
  const groups = await MachineHost.open(groupsMachine(config.groups), {
    ...shared,
    runEffect: () => {},
    onDamage: (error) => options.report(halted('groups and of committed offsets', error)),
  })
  const transactions = await MachineHost.open(transactionsMachine(config.transactions), {
    ...shared,
    runEffect: (effect) => turns.run(runTransactionsEffect(effect, options, coordinators)),
    onDamage: (error) => options.report(halted('transactions and of producer ids', error)),
  })
  const coordinators: Coordinators = { topics, groups, transactions }
  topics.start()
  await catalog.settled()
  groups.start()
  // Topics that were lost in a repair are not gone: see `stray-logs.ts`.
  if (!topics.hasLostChanges && groups.damage === undefined) {
    await forgetGoneTopics(coordinators, turns)
  }
  transactions.start()
  return coordinators
}

/** What is halted costs its clients alone; topics and their records are served. */
function halted(what: string, error: HeadwaterError): BrokerEvent {
  const text = `${error.message}. Until then this broker is not the coordinator of ${what}: clients that need it wait, all others are served`
  return { type: 'directory-finding', kind: 'damaged', text }
}

/** What is in memory is whole, so nobody has to wait before the next start. */
function unreadable({ message }: HeadwaterError): BrokerEvent {
  const text = `${message}. The coordinator whose log it is goes on until this broker stops; the log is not shortened`
  return { type: 'directory-finding', kind: 'damaged', text }
}

/** A crash may have come between the end of a topic and that of the positions in it: one made anew under
 * its name must not find them. */
function forgetGoneTopics({ topics, groups }: Coordinators, turns: Turns): Promise<void> {
  const known = topics.state.topics
  const gone = [...topicsWithOffsets(groups.state)].filter((name) => !known.has(name))
  return forgetPositions(groups, gone, turns)
}

/** Positions that are forgotten in one decision. */
const forgottenMax = 500

async function forgetPositions(
  groups: Coordinators['groups'],
  topics: readonly string[],
  turns: Turns,
): Promise<void> {
  const pieces = await turns.run(positionsIn(groups.state, new Set(topics), forgottenMax))
  for (const positions of pieces) {
    await groups.call((token) => ({ type: 'topics-deleted', token, positions }))
  }
}

async function runTopicsEffect(
  effect: TopicsEffect,
  { catalog, turns }: CoordinatorsOptions,
  { groups }: Coordinators,
): Promise<void> {
  // What a broker-wide setting means for topics comes as `configure-logs`.
  if (effect.type === 'configure-broker') return
  if (effect.type !== 'delete-logs' || groups.damage !== undefined) return catalog.run(effect)
  // Before a topic is made anew under one of these names.
  await catalog.run(effect, () => forgetPositions(groups, effect.topics, turns))
}

/** What a marker costs, and a group that is told, beside items that are only looked up. */
const markerItems = 4
const groupItems = 16

/** The markers of a wide transaction take turns; clients find it prepared meanwhile, and ask again. */
function* runTransactionsEffect(
  effect: TransactionsEffect,
  { catalog, clock, report }: CoordinatorsOptions,
  { groups, transactions }: Coordinators,
): Steps<void> {
  const { transactionalId, producerId, producerEpoch, commit } = effect
  const kind = commit ? 'commit' : 'abort'
  const timestamp = clock.now()
  for (const { topic, partition } of effect.partitions) {
    const marker = { kind, producerId, producerEpoch, coordinatorEpoch: 0, timestamp } as const
    const reason = appendMarker(catalog.partition(topic, partition)?.log, marker)
    if (reason !== undefined) {
      report({ type: 'marker-skipped', transactionalId, topic, partition, reason })
    }
    yield markerItems
  }
  // It stays as it is, and the first start that has groups again ends it.
  if (effect.groups.length > 0 && groups.damage !== undefined) return
  for (const groupId of effect.groups) {
    groups.ask((token) => ({
      type: 'complete-transaction',
      token,
      producerId,
      producerEpoch,
      commit,
      groups: [groupId],
    }))
    yield groupItems
  }
  transactions.tell({ type: 'markers-written', transactionalId, producerId, producerEpoch })
}

/** Why the marker is not in the log; nothing when it is. Readers of a log never wait for a marker then. */
function appendMarker(
  log: Log | undefined,
  marker: Parameters<typeof encodeControlBatch>[0],
): string | undefined {
  if (log === undefined) return 'the partition is gone'
  const result = log.append(encodeControlBatch(marker))
  if (result.kind !== 'refused') return undefined
  const open = log.producerState(marker.producerId)?.transactionStart ?? -1
  assert(open === -1, 'a log refused the marker of a transaction that is open in it')
  return result.reason
}
