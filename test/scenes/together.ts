/**
 * The three machines of a broker in one scene, with their effects delivered as the broker delivers them: a
 * deleted topic's offsets are forgotten; a transaction's markers are taken for written, the groups machine
 * completes its offsets, and the transactions machine hears of both in the same turn.
 *
 * All store in one journal, so a crash takes the end of it away, whoever wrote that:
 *
 *     crash 2      the last two stored changes never reached the disk; all state is built anew
 */
import assert from 'node:assert/strict'
import { finish } from '../../src/base/steps.ts'
import type {
  CompleteTransaction,
  MarkersWritten,
  TopicsDeleted,
  TopicsEffect,
  TransactionsEffect,
} from '../../src/coordinator/commands.ts'
import { positionsIn, topicsWithOffsets } from '../../src/coordinator/groups/offsets.ts'
import type { GroupsState } from '../../src/coordinator/groups/state.ts'
import type { TopicsState } from '../../src/coordinator/topics/state.ts'
import type { Command, Effect, Setting, Stage } from './stage.ts'

const topicsCommands = new Set([
  'CreateTopics',
  'auto-create',
  'DeleteTopics',
  'CreatePartitions',
  'DescribeConfigs',
  'AlterConfigs',
  'IncrementalAlterConfigs',
  'ListConfigResources',
])
const transactionsCommands = new Set([
  'InitProducerId',
  'AddPartitionsToTxn',
  'AddOffsetsToTxn',
  'EndTxn',
  'DescribeTransactions',
  'ListTransactions',
  'enter-transaction',
  'markers-written',
])

export class Together {
  readonly #setting: Setting
  readonly #topics: Stage
  readonly #groups: Stage
  readonly #transactions: Stage
  /** Who stored each change, in the order of the journal. */
  #journal: Stage[] = []

  constructor(setting: Setting, topics: Stage, groups: Stage, transactions: Stage) {
    this.#setting = setting
    this.#topics = topics
    this.#groups = groups
    this.#transactions = transactions
  }

  play(line: string): string[] {
    const crash = /^crash (\d+)$/.exec(line)
    if (crash !== null || line === 'restart') return this.#restart(Number(crash?.[1] ?? 0))
    if (line === 'wake') return this.#all.flatMap((stage) => this.#run(stage, { type: 'wake' }))
    const command = this.#setting.commandOf(line)
    return this.#run(this.#stageOf(command), command)
  }

  checkReplay(): void {
    for (const stage of this.#all) stage.checkReplay()
  }

  get #all(): readonly Stage[] {
    return [this.#topics, this.#groups, this.#transactions]
  }

  #stageOf({ type }: Command): Stage {
    if (topicsCommands.has(type)) return this.#topics
    return transactionsCommands.has(type) ? this.#transactions : this.#groups
  }

  #restart(lost: number): string[] {
    assert(lost <= this.#journal.length, 'a crash loses more than was stored')
    this.#journal = this.#journal.slice(0, this.#journal.length - lost)
    const commands = this.#all.map((stage) => {
      const count = this.#journal.filter((each) => each === stage).length
      return [stage, stage.restart(count)] as const
    })
    return commands.flatMap(([stage, first]) => [
      ...first.flatMap((command) => this.#run(stage, command)),
      ...(stage === this.#groups ? this.#forgetGoneTopics() : []),
    ])
  }

  #forgetGoneTopics(): string[] {
    const { topics: known } = this.#topics.state as TopicsState
    const held = topicsWithOffsets(this.#groups.state as GroupsState)
    const gone = [...held].filter((name) => !known.has(name))
    return gone.length === 0 ? [] : this.#run(this.#groups, this.#topicsDeleted(gone))
  }

  #topicsDeleted(topics: readonly string[]): TopicsDeleted {
    const state = this.#groups.state as GroupsState
    const positions = finish(positionsIn(state, new Set(topics), Infinity)).flat()
    return { type: 'topics-deleted', token: this.#setting.nextToken(), positions }
  }

  #run(stage: Stage, command: Command): string[] {
    const before = stage.storedCount
    const { lines, effects } = stage.run(command)
    for (let at = before; at < stage.storedCount; at++) this.#journal.push(stage)
    const named = lines.map((line) => `${stage.name}: ${line}`)
    return [...named, ...effects.flatMap((effect) => this.#deliver(effect))]
  }

  #deliver(effect: Effect): string[] {
    const given = effect as TopicsEffect | TransactionsEffect
    if (given.type === 'delete-logs') {
      return this.#run(this.#groups, this.#topicsDeleted(given.topics))
    }
    if (given.type !== 'write-markers') return []
    const { transactionalId, producerId, producerEpoch, commit, groups } = given
    const completing: CompleteTransaction = {
      type: 'complete-transaction',
      token: this.#setting.nextToken(),
      producerId,
      producerEpoch,
      commit,
      groups,
    }
    const told = groups.length === 0 ? [] : this.#run(this.#groups, completing)
    const written: MarkersWritten = {
      type: 'markers-written',
      transactionalId,
      producerId,
      producerEpoch,
    }
    return [...told, ...this.#run(this.#transactions, written)]
  }
}
