/**
 * Every metric there is, with where its value comes from. Nothing is counted for them: they are read when
 * somebody asks. `docs/operations/metrics.md` has the same table.
 */
import type { BrokerStats } from '../broker/stats.ts'
import type { AskStats } from '../streams/commands/ask-counts.ts'
import type { RunningStats } from '../streams/runtime/run.ts'
import type { ServiceStats } from '../streams/runtime/running.ts'
import type { ServiceState } from '../streams/runtime/service-event.ts'
import type { ObservedService } from './readiness.ts'

/** What a metric is at one moment: its values by the values of its labels. */
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number]

/** A metric over sources of type `S`. */
export interface Metric<S> {
  readonly name: string
  readonly type: 'counter' | 'gauge'
  readonly help: string
  readonly labels: readonly string[]
  samples(source: S): Iterable<Sample>
}

/** Of sinks: how often, and for how long, they were without their database. */
interface DatabaseStats {
  readonly databaseOutages: number
  readonly databaseAwayMs: number
  readonly databaseRetries: number
}

/** A service or a sink that has begun, and what it says of itself. */
export interface ServiceSource extends ObservedService {
  readonly now: ServiceStats & Partial<Pick<RunningStats, 'sends' | 'asks'> & DatabaseStats>
}

const states: readonly ServiceState[] = [
  'starting',
  'restoring',
  'running',
  'reconnecting',
  'failed',
  'closed',
]

/** Not `instance`, which Prometheus itself adds to say whom it has asked. */
const ofInstance = ['service', 'instance_id'] as const

function instanceOf({ service, instanceId }: ServiceSource): Readonly<Record<string, string>> {
  return { service, ...(instanceId && { instance_id: instanceId }) }
}

/** One value a service; nothing where that is not known. */
function ofService(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  value: (source: ServiceSource) => number | undefined,
): Metric<ServiceSource> {
  return {
    name: `headwater_service_${name}`,
    type,
    help,
    labels: ofInstance,
    samples: (source) => {
      const found = value(source)
      return found === undefined ? [] : [[instanceOf(source), found]]
    },
  }
}

/** Several values a service, by one more label. */
function ofServiceBy(
  type: 'counter' | 'gauge',
  name: string,
  label: string,
  help: string,
  values: (source: ServiceSource) => Iterable<readonly [string, number]>,
): Metric<ServiceSource> {
  return {
    name: `headwater_service_${name}`,
    type,
    help,
    labels: [...ofInstance, label],
    samples: (source) => {
      const labels = instanceOf(source)
      return Array.from(values(source), ([of, value]): Sample => [
        { ...labels, [label]: of },
        value,
      ])
    },
  }
}

const peerHelp = {
  asked: 'Questions about tables that were passed on to another instance.',
  answered: 'Those that it answered.',
  refused: 'Those that it did not: refused, late, or nobody was there.',
}

const decisionOutcomes = ['accepted', 'rejected', 'repeated', 'failed'] as const

function askOutcomes({ accepted, rejected, answered, failed, inDoubt }: AskStats) {
  const all = Object.values(rejected).reduce((sum, count) => sum + count, 0)
  const notDecided = answered - accepted - all
  return Object.entries({ accepted, rejected: all, notDecided, failed, inDoubt })
}

export const serviceMetrics: readonly Metric<ServiceSource>[] = [
  ofService('counter', 'records_total', 'Records processed.', ({ now }) => now.recordsIn),
  ofService(
    'counter',
    'records_written_total',
    'Records written to streams and inner topics.',
    ({ now }) => now.recordsOut,
  ),
  ofServiceBy(
    'counter',
    'records_dropped_total',
    'reason',
    'Records dropped by rule: noKey, noValue, noTime, late for their window, or unmatched in a join.',
    ({ now }) => Object.entries(now.drops),
  ),
  ofServiceBy(
    'counter',
    'records_failed_total',
    'outcome',
    'Records that failed: skipped, or deadLettered.',
    ({ now }) => Object.entries(now.failures),
  ),
  ofServiceBy(
    'counter',
    'commands_total',
    'outcome',
    'Commands decided: accepted, or rejected; repeated, and answered as before; or failed, and not decided.',
    ({ now: { decisions } }) => decisionOutcomes.map((of) => [of, decisions[of]] as const),
  ),
  ofServiceBy(
    'counter',
    'commands_rejected_total',
    'reason',
    'Commands rejected, by the reason of the contract.',
    ({ now }) => Object.entries(now.decisions.reasons),
  ),
  ofService(
    'counter',
    'commands_forgotten_total',
    'Outcomes forgotten before their time, for want of memory: those asked again are decided anew.',
    ({ now }) => now.decisions.forgotten,
  ),
  ofService(
    'gauge',
    'commands_remembered',
    'Commands whose outcome is remembered, for who asks again.',
    ({ now }) => now.remembered.commands,
  ),
  ofService(
    'gauge',
    'commands_remembered_bytes',
    'The memory that these outcomes take.',
    ({ now }) => now.remembered.bytes,
  ),
  ofService(
    'counter',
    'records_skipped_total',
    "Records that were gone before they were read, with onGap: 'skip'.",
    ({ now }) => now.recordsSkipped,
  ),
  ofServiceBy(
    'counter',
    'input_records_total',
    'input',
    'Events of an input, since it was read first; told by whoever reads it, of its splits together.',
    ({ now }) => Object.entries(now.inputs).map(([name, { records }]) => [name, records] as const),
  ),
  ofService(
    'gauge',
    'lag_records',
    'Records before this instance; absent while that is not known.',
    ({ now }) => now.lag,
  ),
  ofServiceBy('gauge', 'state', 'state', '1 for the state the service is in.', ({ now }) =>
    states.map((state) => [state, now.state === state ? 1 : 0] as const),
  ),
  ofService('gauge', 'ready', '1 when its tables are restored and answer.', ({ now }) =>
    now.ready ? 1 : 0,
  ),
  ofService(
    'gauge',
    'tasks',
    'Tasks of this instance.',
    ({ now }) => now.assignment?.tasks.length ?? 0,
  ),
  ofService(
    'gauge',
    'generation',
    'The generation of its group; absent while it holds nothing.',
    ({ now }) => now.assignment?.generation,
  ),
  ofService(
    'counter',
    'rebalances_total',
    'Times the group gave it partitions.',
    ({ now }) => now.rebalances,
  ),
  ofService('counter', 'commits_total', 'Commits.', ({ now }) => now.commits),
  ofService(
    'counter',
    'repairs_total',
    'Times it went back to what is committed.',
    ({ now }) => now.repairs,
  ),
  ofService('counter', 'outages_total', 'Times it lost its broker.', ({ now }) => now.outages),
  ofService(
    'counter',
    'slow_records_total',
    'Records whose functions took long.',
    ({ now }) => now.slowRecords,
  ),
  ofService('counter', 'opens_total', 'Times its tasks were opened.', ({ now }) => now.opens.count),
  ofService(
    'counter',
    'open_seconds_total',
    'How long that took, restoring included.',
    ({ now }) => now.opens.ms / 1000,
  ),
  ofService(
    'counter',
    'restored_tasks_total',
    'Tasks that came back from their changelogs.',
    ({ now }) => now.opens.restoredTasks,
  ),
  ofService(
    'counter',
    'sends_total',
    'Events sent by app.send and its siblings that are durable.',
    ({ now }) => now.sends?.count,
  ),
  ofService(
    'gauge',
    'sends_waiting',
    'Events sent that nobody knows of yet.',
    ({ now }) => now.sends?.waiting,
  ),
  ofService(
    'counter',
    'sends_rejected_total',
    'Events refused or given up.',
    ({ now }) => now.sends?.rejected,
  ),
  ofService(
    'counter',
    'database_outages_total',
    'Times a sink lost its database.',
    ({ now }) => now.databaseOutages,
  ),
  ofService(
    'counter',
    'database_away_seconds_total',
    'How long it was without it, an outage that goes on with them.',
    ({ now }) => (now.databaseAwayMs !== undefined ? now.databaseAwayMs / 1000 : undefined),
  ),
  ofService(
    'counter',
    'database_retries_total',
    'Attempts in vain to use it meanwhile.',
    ({ now }) => now.databaseRetries,
  ),
  ofService(
    'counter',
    'asks_total',
    'Commands that app.ask was given here; of several services, the first has those of others, too.',
    ({ now }) => now.asks?.asked,
  ),
  ofServiceBy(
    'counter',
    'asks_ended_total',
    'outcome',
    'Those that have ended: accepted, rejected, notDecided, failed before they were sent, or inDoubt.',
    ({ now }) => (now.asks === undefined ? [] : askOutcomes(now.asks)),
  ),
  ofService(
    'counter',
    'asks_timed_out_total',
    'Those whose time was up: they have failed, or are in doubt.',
    ({ now }) => now.asks?.timedOut,
  ),
  ofService(
    'gauge',
    'asks_waiting',
    'Those whose outcome is waited for.',
    ({ now }) => now.asks?.waiting,
  ),
  ...(['asked', 'answered', 'refused'] as const).map((what) =>
    ofServiceBy('counter', `peer_questions_${what}_total`, 'peer', peerHelp[what], ({ now }) =>
      Object.entries(now.peers).map(([peer, counts]) => [peer, counts[what]] as const),
    ),
  ),
  ofServiceBy(
    'gauge',
    'view_rows',
    'view',
    'Rows of a table this instance holds; absent while it cannot answer.',
    ({ now, views = {} }) =>
      now.ready ? Object.entries(views).map(([name, view]) => [name, view.size()] as const) : [],
  ),
]

function ofBroker(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  value: (stats: BrokerStats) => number,
): Metric<BrokerStats> {
  return {
    name: `headwater_broker_${name}`,
    type,
    help,
    labels: [],
    samples: (stats) => [[{}, value(stats)]],
  }
}

function ofBrokerBy(
  type: 'counter' | 'gauge',
  name: string,
  label: string,
  help: string,
  values: (stats: BrokerStats) => Iterable<readonly [string, number]>,
): Metric<BrokerStats> {
  return {
    name: `headwater_broker_${name}`,
    type,
    help,
    labels: [label],
    samples: (stats) =>
      Array.from(values(stats), ([of, value]): Sample => [{ [label]: of }, value]),
  }
}

export const brokerMetrics: readonly Metric<BrokerStats>[] = [
  ofBroker('gauge', 'connections', 'Connections open.', ({ connections }) => connections.open),
  ofBroker(
    'counter',
    'connections_accepted_total',
    'Connections taken.',
    ({ connections }) => connections.accepted,
  ),
  ofBrokerBy(
    'counter',
    'connections_ended_total',
    'cause',
    "Connections the broker ended or did not take: refused for a fault of the client's, or idle.",
    ({ connections: { refused, idle } }) => [
      ['refused', refused],
      ['idle', idle],
    ],
  ),
  ofBrokerBy('counter', 'requests_total', 'api', 'Requests.', ({ requests }) => requests),
  ofBroker(
    'counter',
    'received_bytes_total',
    'Bytes of requests.',
    ({ receivedBytes }) => receivedBytes,
  ),
  ofBroker('counter', 'sent_bytes_total', 'Bytes of answers.', ({ sentBytes }) => sentBytes),
  ofBroker('gauge', 'topics', 'Topics.', ({ topics }) => topics),
  ofBroker('gauge', 'partitions', 'Partitions of all topics.', ({ partitions }) => partitions),
  ofBroker('gauge', 'log_bytes', 'Bytes of records in all partitions.', ({ logBytes }) => logBytes),
  ofBroker(
    'gauge',
    'unwritten_bytes',
    'Bytes accepted that are not in segment files yet.',
    ({ unwrittenBytes }) => unwrittenBytes,
  ),
  ofBrokerBy('gauge', 'memory_bytes', 'of', 'What requests and answers hold.', ({ memory }) => [
    ['requests', memory.requests.bytes],
    ['answers', memory.answers.bytes],
  ]),
  ofBrokerBy('gauge', 'memory_max_bytes', 'of', 'What they may hold.', ({ memory }) => [
    ['requests', memory.requests.bytesMax],
    ['answers', memory.answers.bytesMax],
  ]),
  ofBrokerBy('gauge', 'groups', 'state', 'Consumer groups.', ({ groups }) => groups),
  ofBroker('gauge', 'group_members', 'Members of all groups.', ({ groupMembers }) => groupMembers),
  ofBroker(
    'gauge',
    'open_transactions',
    'Transactions neither committed nor aborted.',
    ({ openTransactions }) => openTransactions,
  ),
  ofBroker('gauge', 'disk_full', '1 while the disk is full.', ({ isDiskFull }) =>
    Number(isDiskFull),
  ),
  ofBroker(
    'gauge',
    'descriptors_short',
    '1 while the system has no descriptors left.',
    ({ isShortOfDescriptors }) => Number(isShortOfDescriptors),
  ),
]
