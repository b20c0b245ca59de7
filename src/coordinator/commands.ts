/**
 * Everything a host can ask the three machines, and everything they ask of the host.
 *
 * A command named like an API carries that API's request body and is answered with its response body.
 * The others are the host's own: their answers are the types at the end of each section. A command
 * with a token is answered exactly once, perhaps by the decision of a later command.
 *
 * What handlers do before asking, because only they can: authorise, resolve topic ids to names, and
 * answer for topics and partitions that do not exist.
 */
import type { ApiName, RequestOf, ResponseInput } from '../protocol/api.ts'

/** A client's request. */
export interface Call<N extends ApiName> {
  readonly type: N
  readonly token: string
  readonly version: number
  readonly clientId: string | null
  /** Where the client is, as Kafka prints it: `/127.0.0.1`. */
  readonly clientHost: string
  readonly request: RequestOf<N>
}

/** What a command is answered with, by its type; `never` for those without a token. */
export type AnswerOf<T extends string> = T extends ApiName
  ? ResponseInput<T>
  : T extends keyof OwnAnswers
    ? OwnAnswers[T]
    : never

interface OwnAnswers {
  readonly 'auto-create': AutoCreated
  readonly 'complete-transaction': undefined
  readonly 'topics-deleted': undefined
  readonly 'enter-transaction': Entered
}

/** Time has come: see `Decision.wakeAt`. */
interface Wake {
  readonly type: 'wake'
}

/** The first command after a replay. */
interface Restart {
  readonly type: 'restart'
}

interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

// ---- topics ----------------------------------------------------------------------------------------

/** `topicIds`: as many fresh random ids as the request has topics. */
export type CreateTopicsCall = Call<'CreateTopics'> & { readonly topicIds: readonly string[] }

/** Creates the missing ones among `names` with default settings, as Metadata does when client and broker
 * both allow it. Answered with `AutoCreated`. */
export interface AutoCreate {
  readonly type: 'auto-create'
  readonly token: string
  readonly names: readonly string[]
  /** As many fresh random ids as there are names. */
  readonly topicIds: readonly string[]
}

export type TopicsCommand =
  | CreateTopicsCall
  | AutoCreate
  | Call<'DeleteTopics'>
  | Call<'CreatePartitions'>
  | Call<'DescribeConfigs'>
  | Call<'AlterConfigs'>
  | Call<'IncrementalAlterConfigs'>
  | Call<'ListConfigResources'>
  | Restart
  | Wake

/** The error code of each name asked for, in order; `NONE` also for those already there. */
interface AutoCreated {
  readonly topics: readonly { readonly name: string; readonly errorCode: number }[]
}

/**
 * Replies of a decision with topic effects leave after those effects are done: a client that has
 * read "created" may write at once.
 */
export type TopicsEffect =
  /** Make these logs, or keep those that are there. After a restart these are all there should be: any
   * other partition's log is left over from a deletion that a crash interrupted. */
  | { readonly type: 'create-logs'; readonly logs: readonly LogPlan[] }
  /** Remove these logs if they are there, and tell the groups machine `topics-deleted` as often as it takes. */
  | {
      readonly type: 'delete-logs'
      readonly topics: readonly string[]
      readonly logNames: readonly string[]
    }
  /** The settings of a topic's logs changed; `configs` is complete, defaults included. */
  | { readonly type: 'configure-logs'; readonly logs: readonly LogPlan[] }
  /** Broker-wide settings changed. */
  | { readonly type: 'configure-broker'; readonly configs: ReadonlyMap<string, string> }

/** A partition's log as the topics machine wants it. */
export interface LogPlan extends TopicPartition {
  readonly topicId: string
  /** The log's name in the log store; it never comes back once deleted. */
  readonly logName: string
  /** Every topic config with the value in force. */
  readonly configs: ReadonlyMap<string, string>
}

// ---- groups ----------------------------------------------------------------------------------------

/** `memberId`: a fresh random id, used if the client has none yet. */
export type JoinGroupCall = Call<'JoinGroup'> & { readonly memberId: string }

export type GroupsCommand =
  | JoinGroupCall
  | Call<'SyncGroup'>
  | Call<'Heartbeat'>
  | Call<'LeaveGroup'>
  | Call<'OffsetCommit'>
  | Call<'OffsetFetch'>
  | Call<'OffsetDelete'>
  | Call<'TxnOffsetCommit'>
  | Call<'DescribeGroups'>
  | Call<'ListGroups'>
  | Call<'DeleteGroups'>
  | CompleteTransaction
  | TopicsDeleted
  | Restart
  | Wake

/** A transaction is decided: its pending offsets count from now on, or never existed.
 * The epoch is that of the markers; answered with `undefined`. */
export interface CompleteTransaction {
  readonly type: 'complete-transaction'
  readonly token: string
  readonly producerId: number
  readonly producerEpoch: number
  readonly commit: boolean
  readonly groups: readonly string[]
}

/** Committed offsets of topics that are gone would point into nothing; answered with `undefined`. */
export interface TopicsDeleted {
  readonly type: 'topics-deleted'
  readonly token: string
  readonly positions: readonly PositionsIn[]
}

/** Topics in which a group has committed offsets. */
export interface PositionsIn {
  readonly groupId: string
  readonly topics: readonly string[]
}

/** The groups machine asks nothing of its host. */
export type GroupsEffect = never

// ---- transactions ----------------------------------------------------------------------------------

export type TransactionsCommand =
  | Call<'InitProducerId'>
  | Call<'AddPartitionsToTxn'>
  | Call<'AddOffsetsToTxn'>
  | Call<'EndTxn'>
  | Call<'DescribeTransactions'>
  | Call<'ListTransactions'>
  | EnterTransaction
  | MarkersWritten
  | Restart
  | Wake

/**
 * A transactional Produce or TxnOffsetCommit is about to be written. With `add` (Produce v12 and up,
 * TxnOffsetCommit v5 and up: KIP-890) what is missing joins the transaction; without, it is refused.
 * Answered with `Entered`, always by the decision itself.
 */
export interface EnterTransaction {
  readonly type: 'enter-transaction'
  readonly token: string
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
  readonly partitions: readonly TopicPartition[]
  /** The group whose offsets are to be written. */
  readonly groupId?: string
  readonly add: boolean
}

export interface Entered {
  readonly errorCode: number
}

/** All markers of one `write-markers` effect are written, in a place the log cannot outlive. */
export interface MarkersWritten {
  readonly type: 'markers-written'
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
}

export type TransactionsEffect =
  /** Append a control batch to each partition (not those whose topic is gone), send the groups machine
   * `complete-transaction`, and come back with `markers-written`. A host with one journal for everything
   * does all of it in the same turn, because what lies before in the journal is durable before; then no
   * client ever finds its transaction between the two. */
  {
    readonly type: 'write-markers'
    readonly transactionalId: string
    readonly producerId: number
    readonly producerEpoch: number
    readonly commit: boolean
    readonly partitions: readonly TopicPartition[]
    readonly groups: readonly string[]
  }
