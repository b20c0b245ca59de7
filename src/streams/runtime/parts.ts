/** What a running service is made of, put together: `Runtime` says what each of them does when. */
import type { Cluster } from '../../client/cluster/cluster.ts'
import { GroupMember, type GroupMemberOptions } from '../../client/group/group-member.ts'
import { operatorCounts, type OperatorCounts } from '../operators/counts.ts'
import type { Plan } from '../plan/plan.ts'
import { keyCodecs } from '../stores/serde.ts'
import { Answering, type InstanceNow } from './answering.ts'
import { CommitPace } from './commit-pace.ts'
import { Committer } from './commit.ts'
import { Condition } from './condition.ts'
import { DiscardNews } from './discard-news.ts'
import { Fetching } from './fetching.ts'
import { instanceIdDefault } from './instance.ts'
import { membershipOf } from './membership.ts'
import { Opener } from './open.ts'
import { Purge } from './purge.ts'
import { RecordLimits } from './record-limits.ts'
import { Repairs } from './repairs.ts'
import type { RunTopologyOptions } from './running.ts'
import { settingsOf, type Settings } from './settings.ts'
import { Sleeper } from './sleeper.ts'
import { StopPlaces } from './stop-places.ts'
import { TaskSet } from './task-set.ts'
import { Turns } from './turn.ts'
import { Waiters } from './waiters.ts'

export interface Parts {
  readonly settings: Settings
  readonly member: GroupMember
  readonly opener: Opener
  readonly set: TaskSet
  readonly fetching: Fetching
  readonly counts: OperatorCounts
  readonly committer: Committer
  readonly limits: RecordLimits
  readonly waiters: Waiters
  readonly pace: CommitPace
  readonly purge: Purge
  readonly turns: Turns
  readonly stops: StopPlaces
  readonly news: DiscardNews
  readonly repairs: Repairs
  readonly sleeper: Sleeper
  readonly answering: Answering
  readonly condition: Condition
}

/** What the group tells, and what those ask who answer queries. */
export interface Hooks extends Required<
  Pick<GroupMemberOptions, 'onAssigned' | 'onRevoked' | 'onLost' | 'onFailed'>
> {
  readonly now: () => InstanceNow
}

export function partsOf(
  cluster: Cluster,
  plan: Plan,
  options: RunTopologyOptions,
  { now, ...ofGroup }: Hooks,
): Parts {
  const { service } = plan.topology
  const { clock, random } = options
  const settings = settingsOf(options)
  const { transactionalId, queryAddress, ...membership } = membershipOf(plan, options)
  const condition = new Condition(cluster, (event) => options.onEvent?.(event, service))
  const { tell } = condition
  const waiters = new Waiters()
  const { transactionTimeoutMs } = settings
  const guarantee = options.guarantee ?? 'exactly-once'
  const limits = new RecordLimits(
    cluster,
    plan.topics.map(({ name }) => name),
  )
  const ofCommitter = { guarantee, transactionalId, transactionTimeoutMs, limits }
  const committer = new Committer(cluster, ofCommitter)
  const member = new GroupMember(cluster, {
    ...settings,
    ...membership,
    ...ofGroup,
    groupId: service,
  })
  const shared = {
    settings,
    committer,
    limits,
    counts: operatorCounts(),
    stops: new StopPlaces(),
    repairs: new Repairs(clock, random, tell),
    sleeper: new Sleeper(clock),
    condition,
  }
  const wake = (): void => shared.sleeper.wake()
  return {
    ...shared,
    ...taskParts(cluster, plan, options, shared),
    member,
    waiters,
    pace: new CommitPace(clock, settings.commitIntervalMs, shared.counts.decisions),
    purge: new Purge(cluster, settings.purgeIntervalMs),
    turns: new Turns({
      ...settings,
      clock,
      service,
      isFull: () => committer.ready() !== undefined,
      onSlow: (slow) => tell({ type: 'slow-record', ...slow }),
    }),
    news: new DiscardNews(clock, tell),
    answering: new Answering({ cluster, member, queryAddress, waiters, wake, now }),
  }
}

/** What opens tasks, holds them and brings them their records. */
function taskParts(
  cluster: Cluster,
  plan: Plan,
  { clock, instanceId = instanceIdDefault, onGap = 'stop' }: RunTopologyOptions,
  shared: Pick<
    Parts,
    'settings' | 'committer' | 'counts' | 'stops' | 'repairs' | 'sleeper' | 'condition'
  >,
): Pick<Parts, 'opener' | 'set' | 'fetching'> {
  const { settings, committer, counts, stops, repairs, sleeper, condition } = shared
  const { stalls } = repairs
  const { transactionTimeoutMs, requestTimeoutMs } = settings
  const wake = (): void => sleeper.wake()
  const opener = new Opener({
    cluster,
    plan,
    context: { partition: 0, keys: keyCodecs(), emit: committer.emit, counts },
    stops,
    stamp: { instanceId, now: () => clock.now() },
    transactionalId: () => committer.transactionalId,
    transactionTimeoutMs,
    onGap,
    stalls,
    onReady: wake,
    onEvent: condition.tell,
  })
  const set = new TaskSet(clock, opener)
  return { opener, set, fetching: new Fetching(cluster, set, requestTimeoutMs, stalls, wake) }
}
