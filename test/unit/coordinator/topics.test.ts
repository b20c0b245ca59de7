/** Properties of the topics machine, and the values configs take. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { uuidText } from '../../../src/base/units.ts'
import type { LogPlan, TopicsCommand } from '../../../src/coordinator/commands.ts'
import { configFault, topicConfigs } from '../../../src/coordinator/topics/configs.ts'
import { logPlans } from '../../../src/coordinator/topics/state.ts'
import { topicsMachine } from '../../../src/coordinator/topics/machine.ts'
import type { ApiName, RequestOf, ResponseOf } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { Rehearsal } from './rehearsal.ts'

/** Sequences tried; more of them on demand: `RUNS=5000 node --test ...`. */
const runs = Number(process.env['RUNS'] ?? 200)
const nodeId = 1

/** A host that makes and removes logs as the effects say, and forgets some when it crashes. */
class Play {
  readonly rehearsal = new Rehearsal(
    topicsMachine({ nodeId, defaultPartitions: 2, partitionsMax: 20, brokerConfigs: new Map() }),
    (state) => state,
  )
  readonly logs = new Map<string, LogPlan>()
  /** Names of logs that are gone: they must not come back. */
  readonly gone = new Set<string>()
  #ids = 0
  #tokens = 0

  call<N extends ApiName>(type: N, version: number, request: RequestOf<N>): ResponseOf<N> {
    const token = `t${this.#tokens++}`
    const topicIds = [this.freshId(), this.freshId()]
    const call = { type, token, version, clientId: 'c', clientHost: '/', request, topicIds }
    this.rehearsal.run(call as unknown as TopicsCommand)
    return this.rehearsal.answers.get(token) as ResponseOf<N>
  }

  freshId(): string {
    const bytes = new Uint8Array(16)
    new DataView(bytes.buffer).setUint32(12, ++this.#ids)
    return uuidText(bytes)
  }

  create(name: string, numPartitions: number, policy: string): number {
    const configs = [{ name: 'cleanup.policy', value: policy }]
    const topic = { name, numPartitions, replicationFactor: -1, assignments: [], configs }
    const answer = this.call('CreateTopics', 7, {
      topics: [topic],
      timeoutMs: 0,
      validateOnly: false,
    })
    return answer.topics[0]!.errorCode
  }

  /** Runs the effects so far; a crash loses those it interrupts. */
  runEffects(): void {
    for (const effect of this.rehearsal.effects) {
      if (effect.type === 'configure-broker') continue
      if (effect.type === 'delete-logs') {
        for (const logName of effect.logNames) this.remove(logName)
        continue
      }
      for (const plan of effect.logs) {
        assert(!this.gone.has(plan.logName), 'the name of a log came back')
        this.logs.set(plan.logName, plan)
      }
    }
    this.rehearsal.effects.length = 0
  }

  remove(logName: string): void {
    this.logs.delete(logName)
    this.gone.add(logName)
  }

  /** After a restart the logs asked for are all there should be. */
  restart(shorten: boolean): void {
    this.rehearsal.effects.length = 0
    this.rehearsal.restart(shorten)
    const planned = this.rehearsal.effects.flatMap((effect) =>
      effect.type === 'create-logs' ? effect.logs.map(({ logName }) => logName) : [],
    )
    for (const logName of this.logs.keys()) if (!planned.includes(logName)) this.remove(logName)
  }

  /** The logs are those of the topics there are, with the settings in force. */
  check(): void {
    const { state } = this.rehearsal
    const planned = [...state.topics.values()].flatMap((topic) => logPlans(state, nodeId, topic))
    assert.deepEqual(this.logs, new Map(planned.map((plan) => [plan.logName, plan])))
    assert.equal(state.names.size, state.topics.size)
  }
}

const name = fc.constantFrom('a', 'b', 'c.d', 'c_d')
const policy = fc.constantFrom('delete', 'compact', 'compact,delete')
type Action =
  | { kind: 'create'; name: string; count: number; policy: string }
  | { kind: 'delete'; name: string }
  | { kind: 'grow'; name: string; count: number }
  | { kind: 'set'; name: string; policy: string; ofBroker: boolean }
  | { kind: 'crash'; early: boolean }

const actions: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant('create' as const),
    name,
    count: fc.integer({ min: -1, max: 5 }),
    policy,
  }),
  fc.record({ kind: fc.constant('delete' as const), name }),
  fc.record({ kind: fc.constant('grow' as const), name, count: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ kind: fc.constant('set' as const), name, policy, ofBroker: fc.boolean() }),
  fc.record({ kind: fc.constant('crash' as const), early: fc.boolean() }),
)

function act(play: Play, action: Action): void {
  switch (action.kind) {
    case 'create':
      play.create(action.name, action.count, action.policy)
      break
    case 'delete':
      play.call('DeleteTopics', 5, { topicNames: [action.name], topics: [], timeoutMs: 0 })
      break
    case 'grow': {
      const topics = [{ name: action.name, count: action.count, assignments: null }]
      play.call('CreatePartitions', 3, { topics, timeoutMs: 0, validateOnly: false })
      break
    }
    case 'set': {
      const { ofBroker, policy: value } = action
      const resource = ofBroker
        ? { resourceType: 4, resourceName: '' }
        : { resourceType: 2, resourceName: action.name }
      const config = ofBroker ? 'log.cleanup.policy' : 'cleanup.policy'
      const configs = [{ name: config, configOperation: 0, value }]
      const resources = [{ ...resource, configs }]
      play.call('IncrementalAlterConfigs', 1, { resources, validateOnly: false })
      break
    }
    case 'crash':
      play.restart(action.early)
  }
}

describe('the topics machine', () => {
  it('has the logs it wants, whatever is asked and whenever it crashes', () => {
    fc.assert(
      fc.property(fc.array(actions, { maxLength: 60 }), (script) => {
        const play = new Play()
        for (const [index, action] of script.entries()) {
          act(play, action)
          // A crash may come before the effects of the command before it have run.
          const next = script[index + 1]
          if (next?.kind === 'crash' && next.early) continue
          play.runEffects()
          play.check()
        }
      }),
      { numRuns: runs },
    )
  })

  it('keeps the names of logs short enough for a directory', () => {
    const play = new Play()
    assert.equal(play.create('n'.repeat(249), 1, 'delete'), ErrorCode.NONE)
    assert.equal(play.create('n'.repeat(250), 1, 'delete'), ErrorCode.INVALID_TOPIC_EXCEPTION)
    play.runEffects()
    for (const logName of play.logs.keys()) assert(logName.length <= 255)
  })
})

describe('a topic config', () => {
  it('accepts its own default', () => {
    for (const spec of topicConfigs.values()) {
      assert.equal(configFault(spec, spec.byDefault), undefined, spec.name)
    }
  })

  const table: readonly [name: string, value: string, isFine: boolean][] = [
    ['retention.ms', '-1', true],
    ['retention.ms', '-2', false],
    ['retention.ms', '9223372036854775807', true],
    ['retention.ms', '9223372036854775808', false],
    ['retention.ms', '1e3', false],
    ['segment.bytes', '2147483648', false],
    ['preallocate', 'TRUE', true],
    ['preallocate', 'yes', false],
    ['cleanup.policy', ' compact , delete ', true],
    ['cleanup.policy', 'compact,shred', false],
    ['message.timestamp.type', 'LogAppendTime', true],
    ['message.timestamp.type', 'logappendtime', false],
    ['min.cleanable.dirty.ratio', '0.25', true],
    ['min.cleanable.dirty.ratio', '1.1', false],
    ['min.cleanable.dirty.ratio', '', false],
  ]
  for (const [config, value, isFine] of table) {
    it(`${isFine ? 'takes' : 'refuses'} ${config}=${value}`, () => {
      const fault = configFault(topicConfigs.get(config)!, value)
      assert.equal(fault === undefined, isFine, fault)
    })
  }
})
