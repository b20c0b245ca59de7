/**
 * Compiles one sub-topology for one partition: stores, and nested closures from each source topic to
 * every place where its records end.
 *
 * Changes of state do not flow on with the record that made them. They wait in their store, once per row,
 * and leave in `flush`: to the changelog and to the streams the table is written to.
 */
import { HeadwaterError, assert } from '../../base/errors.ts'
import { aggregate } from '../operators/aggregate.ts'
import { decide, refuserOf } from '../operators/decide.ts'
import { Outcomes } from '../operators/outcomes.ts'
import { joinTable } from '../operators/join.ts'
import { fanOut } from '../operators/operator.ts'
import type { OperatorContext, Push } from '../operators/operator.ts'
import { to, toFromTable, toFromWindow } from '../operators/sink.ts'
import { filter, flatMap, map, rekey } from '../operators/stateless.ts'
import { windowedAggregate } from '../operators/window.ts'
import type { Plan, SourcePlan, StorePlan, SubTopology } from '../plan/plan.ts'
import { rekeyCodec, repartitionTopic } from '../plan/plan.ts'
import { AggregateStore } from '../stores/aggregate-store.ts'
import type { WrittenRow } from '../stores/aggregate-store.ts'
import { Changelog } from '../stores/changelog.ts'
import { OutcomeStore } from '../stores/outcome-store.ts'
import type { Key } from '../stores/serde.ts'
import type { RestorableStore } from '../stores/store.ts'
import { TableStore } from '../stores/table-store.ts'
import type {
  AggregateNode,
  AsyncNode,
  DecideNode,
  ToNode,
  TopologyNode,
} from '../topology/topology.ts'
import { CallStage } from './calls/call-stage.ts'
import type { CallsContext } from './calls/call-stage.ts'
import { OwnEvents } from './own-events.ts'
import { TaskTimes } from './times.ts'

export interface Pipeline {
  /** By source topic: takes a decoded record of it. */
  readonly enter: ReadonlyMap<string, Push>
  /** By node. */
  readonly tables: ReadonlyMap<number, TableStore>
  readonly aggregates: ReadonlyMap<number, AggregateStore>
  /** By decider. */
  readonly remembered: ReadonlyMap<number, OutcomeStore>
  /** By topic: the stores rebuilt from it. */
  readonly restored: ReadonlyMap<string, readonly RestorableStore[]>
  readonly times: TaskTimes
  /** By source topic: the calls outside that its records lead to. */
  readonly stages: ReadonlyMap<string, CallStage>
  /** Of each decider. */
  readonly ownEvents: readonly OwnEvents[]
  /** By source topic: tells who asked for the record at hand why it cannot be decided. */
  readonly refusers: ReadonlyMap<string, Refuse>
  /** Whether outcomes wait for the places of events that are on their way. */
  awaitsPlaces(): boolean
  /** Rows waiting for `flush`. */
  waiting(): number
  /**
   * Writes about `limit` waiting rows out; true when none is left.
   * @param unread topics outside the service that hold what the task has not processed
   */
  flush(limit: number, unread: ReadonlySet<string>): boolean
  /** Shows queries what has been flushed since the last call: its transaction is committed. */
  committed(): void
}

type Refuse = (error: HeadwaterError) => void

export function compilePipeline(
  plan: Plan,
  subTopology: SubTopology,
  context: OperatorContext,
  calls?: CallsContext,
): Pipeline {
  return new Compiler(plan, subTopology, context, calls).compile()
}

/** State that has changed and must leave. */
interface Outlet {
  waiting(): number
  /** Writes up to `limit` rows and says how many. */
  flush(limit: number): number
}

class Compiler {
  readonly #plan: Plan
  readonly #subTopology: SubTopology
  readonly #context: OperatorContext
  readonly #tables = new Map<number, TableStore>()
  readonly #aggregates = new Map<number, AggregateStore>()
  readonly #remembered = new Map<number, OutcomeStore>()
  readonly #restored = new Map<string, RestorableStore[]>()
  readonly #times: TaskTimes
  readonly #outlets: Outlet[] = []
  readonly #calls: CallsContext | undefined
  readonly #stages = new Map<string, CallStage>()
  readonly #ownEvents: OwnEvents[] = []
  readonly #refusers = new Map<string, Refuse>()
  /** Of all deciders; undefined when there is none. */
  #outcomes: Outcomes | undefined
  /** The topic whose records are being followed. */
  #topic = ''

  constructor(
    plan: Plan,
    subTopology: SubTopology,
    context: OperatorContext,
    calls: CallsContext | undefined,
  ) {
    this.#calls = calls
    this.#plan = plan
    this.#subTopology = subTopology
    this.#context = context
    this.#times = new TaskTimes(plan, subTopology, context)
  }

  compile(): Pipeline {
    for (const store of this.#subTopology.stores) this.#openStore(store)
    const enter = new Map<string, Push>()
    for (const source of this.#subTopology.sources) enter.set(source.topic, this.#source(source))
    const { progressTopic } = this.#plan
    if (this.#times.isKept) this.#restored.set(progressTopic!, [this.#times.store!])
    const outlets = this.#outlets
    return {
      enter,
      tables: this.#tables,
      aggregates: this.#aggregates,
      remembered: this.#remembered,
      restored: this.#restored,
      times: this.#times,
      stages: this.#stages,
      ownEvents: this.#ownEvents,
      refusers: this.#refusers,
      awaitsPlaces: () => this.#outcomes?.isPlacing ?? false,
      waiting: () => outlets.reduce((sum, outlet) => sum + outlet.waiting(), 0),
      flush: (limit, unread) => {
        let left = limit
        for (const outlet of outlets) {
          left -= outlet.flush(left)
          if (left <= 0) return false
        }
        this.#times.flush(unread)
        return true
      },
      committed: () => {
        for (const stores of this.#restored.values()) for (const store of stores) store.committed()
      },
    }
  }

  #openStore(plan: StorePlan): void {
    const { topic } = plan
    this.#restored.set(topic, [...(this.#restored.get(topic) ?? []), this.#storeOf(plan)])
  }

  #storeOf(plan: StorePlan): RestorableStore {
    switch (plan.kind) {
      case 'table':
        return this.#openTable(plan)
      case 'outcomes':
        return this.#openRemembered(plan)
      case 'aggregate':
        return this.#openAggregate(plan)
    }
  }

  #openTable({ node, keys, values, isTolerant }: StorePlan): TableStore {
    const store = new TableStore(this.#context.keys[keys], values, isTolerant)
    this.#tables.set(node, store)
    return store
  }

  #openAggregate({ node, name, topic, keys, values, window }: StorePlan): AggregateStore {
    const codec = this.#context.keys[keys]
    const windowed = window !== undefined
    const changelog = new Changelog({ store: name, topic, keys: codec, values, windowed })
    const store = new AggregateStore(changelog, window)
    this.#aggregates.set(node, store)
    this.#outlets.push(this.#aggregateOutlet(this.#sinks(node), store, window?.sizeMs))
    return store
  }

  #openRemembered({ node: id, name, topic, keys, values }: StorePlan): OutcomeStore {
    const node = this.#plan.topology.nodes[id]!
    assert(node.kind === 'decide', `a ${node.kind} has outcomes`)
    const { emit, partition, counts } = this.#context
    const codec = this.#context.keys[keys]
    const { remember } = node
    const onForgotten = (): void => {
      counts.decisions.forgotten++
    }
    const store = new OutcomeStore({
      store: name,
      topic,
      keys: codec,
      values,
      remember,
      onForgotten,
    })
    this.#remembered.set(id, store)
    this.#outlets.push({
      waiting: () => store.waiting,
      flush: (limit) => store.write(emit, partition, limit),
    })
    return store
  }

  #source({ topic, tables, streams }: SourcePlan): Push {
    this.#topic = topic
    const puts = tables.map((id) => this.#table(id, topic))
    // A deletion means something to a table only; streams are of events.
    const nexts = streams.filter((id) => !tables.includes(id)).flatMap((id) => this.#after(id))
    const onward = fanOut(nexts)
    const noValue = this.#context.discards.drop('noValue', `stream '${topic}'`)
    const refuse = this.#refusers.get(topic)
    const stream: Push = (key, value, timestamp) => {
      if (value !== null) return onward(key, value, timestamp)
      noValue()
      refuse?.(noCommand())
    }
    return fanOut(nexts.length === 0 ? puts : [...puts, stream])
  }

  #table(id: number, topic: string): Push {
    const table = this.#tables.get(id)!
    const noKey = this.#context.discards.drop('noKey', `table '${topic}'`)
    const changes = this.#tableOutlet(id, topic, table)
    return (key, value, timestamp) => {
      if (key === null) return noKey()
      table.put(key, value)
      changes?.set(key, timestamp)
    }
  }

  /** Keys changed since the last flush with their times; undefined when nothing follows the table. */
  #tableOutlet(id: number, topic: string, table: TableStore): Map<Key, number> | undefined {
    const nexts = this.#sinks(id).map((node) => toFromTable(node, topic, this.#context))
    if (nexts.length === 0) return undefined
    const forward = fanOut(nexts)
    const changes = new Map<Key, number>()
    this.#outlets.push({
      waiting: () => changes.size,
      flush: (limit) => {
        let count = 0
        for (const [key, timestamp] of changes) {
          if (count === limit) break
          changes.delete(key)
          forward(key, table.live(key) ?? null, timestamp)
          count++
        }
        return count
      },
    })
    return changes
  }

  #aggregateOutlet(
    sinks: readonly ToNode[],
    store: AggregateStore,
    sizeMs: number | undefined,
  ): Outlet {
    const { emit, partition } = this.#context
    const { topic } = store.changelog
    const visits = sinks.map((node) => this.#emitRows(node, topic, sizeMs))
    const visit = (row: WrittenRow): void => {
      for (const each of visits) each(row)
    }
    return {
      waiting: () => store.waiting,
      flush: (limit) => store.write(emit, partition, limit, visit),
    }
  }

  /** The streams a table is written to. */
  #sinks(id: number): ToNode[] {
    return this.#followers(id).map((node) => {
      assert(node.kind === 'to', `a ${node.kind} follows table ${id}`)
      return node
    })
  }

  /** A decider's followers take its events, but for the node that names its state. */
  #decider(node: DecideNode): Push {
    const context = this.#context
    const state = this.#stateOf(node)
    const outcomes = (this.#outcomes ??= this.#openOutcomes())
    const states = this.#aggregates.get(state.id)!
    const remembered = this.#remembered.get(node.id)!
    const next = fanOut(this.#after(node.id))
    this.#ownEvents.push(new OwnEvents(node, state, states, context.keys[node.commands.key.type]))
    this.#refusers.set(this.#topic, refuserOf({ node, outcomes }, context))
    return decide({ node, state, states, remembered, outcomes, next }, context)
  }

  #openOutcomes(): Outcomes {
    const { emit, now } = this.#context
    const outcomes = new Outcomes(this.#plan.topology.service, emit, now)
    this.#outlets.push({
      waiting: () => outcomes.waiting,
      flush: (limit) => outcomes.flush(limit),
    })
    return outcomes
  }

  #stateOf({ id }: DecideNode): AggregateNode {
    const state = this.#plan.topology.nodes.find((node) => {
      return node.kind === 'aggregate' && node.fold === 'decide' && node.from === id
    })
    assert(state?.kind === 'aggregate', `decider ${id} has no state`)
    return state
  }

  #emitRows(node: ToNode, topic: string, sizeMs: number | undefined): (row: WrittenRow) => void {
    if (sizeMs !== undefined) return toFromWindow(node, topic, sizeMs, this.#context)
    const write = toFromTable(node, topic, this.#context)
    return ({ key, value, timestamp }) => write(key, value ?? null, timestamp)
  }

  /** What takes the records that leave node `id`. */
  #after(id: number): Push[] {
    return this.#followers(id).map((node) => this.#operator(node))
  }

  #followers(id: number): TopologyNode[] {
    return this.#plan.topology.nodes.filter((node) => {
      if (node.kind === 'merge') return node.from.includes(id)
      // The state of a decider is folded by the decider.
      if (node.kind === 'aggregate' && node.fold === 'decide') return false
      return 'from' in node && node.from === id
    })
  }

  #stage(node: AsyncNode): Push {
    const calls = this.#calls
    assert(calls, `'${node.name}' reaches outside, where nothing may`)
    const { moment } = this.#times
    const { service } = this.#plan.topology
    const next = fanOut(this.#after(node.id))
    const stage = new CallStage({ node, service, context: this.#context, calls, moment, next })
    this.#stages.set(this.#topic, stage)
    return stage.enter
  }

  #operator(node: TopologyNode): Push {
    const context = this.#context
    switch (node.kind) {
      case 'filter':
        return filter(node, context, fanOut(this.#after(node.id)))
      case 'map':
        return map(node, context, fanOut(this.#after(node.id)))
      case 'flatMap':
        return flatMap(node, context, fanOut(this.#after(node.id)))
      case 'merge':
        return fanOut(this.#after(node.id))
      case 'join': {
        const table = this.#tables.get(node.table) ?? this.#aggregates.get(node.table)
        assert(table, `join ${node.id} has no table ${node.table} in its task`)
        return joinTable(node, table, context, fanOut(this.#after(node.id)))
      }
      case 'async':
        return this.#stage(node)
      case 'decide':
        return this.#decider(node)
      case 'rekey': {
        const topic = repartitionTopic(this.#plan.topology.service, node)
        const { moment } = this.#times
        const timed = { progress: this.#times.addRekey(node), moment }
        return rekey(node, topic, rekeyCodec(node), context, timed)
      }
      case 'aggregate': {
        const store = this.#aggregates.get(node.id)!
        if (node.window === undefined) return aggregate(node, store, context)
        const { moment } = this.#times
        const timed = { progress: this.#times.addWindow(node, store), moment }
        return windowedAggregate(node, node.window, store, context, timed)
      }
      case 'to':
        return to(node, context)
      case 'source':
      case 'table':
      case 'input':
        throw new TypeError(`a ${node.kind} follows no other node`)
    }
  }
}

function noCommand(): HeadwaterError {
  return new HeadwaterError('record-invalid', 'it has no message: send the command with one')
}
