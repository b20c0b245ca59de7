/** Properties of the topics machine, and the values configs take. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { uuidText } from '../../../src/base/units.ts'
import type { AnswerOf, LogPlan, TopicsCommand } from '../../../src/coordinator/commands.ts'
import { configFault, topicConfigs } from '../../../src/coordinator/topics/configs.ts'
import { logPlans } from '../../../src/coordinator/topics/state.ts'
import { topicsMachine } from '../../../src/coordinator/topics/machine.ts'
import {
  configBytesMax,
  refusalLengthMax,
  type TopicsOptions,
} from '../../../src/coordinator/topics/options.ts'
import type { ApiName, RequestOf, ResponseOf } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { Rehearsal } from './rehearsal.ts'

/** Sequences tried; more of them on demand: `RUNS=5000 node --test ...`. */
const runs = Number(process.env['RUNS'] ?? 200)
const nodeId = 1

/** A host that makes and removes logs as the effects say, and forgets some when it crashes. */
class Play {
  readonly rehearsal
  readonly logs = new Map<string, LogPlan>()
  /** Names of logs that are gone: they must not come back. */
  readonly gone = new Set<string>()
  #ids = 0
  #tokens = 0

  constructor(options: Partial<TopicsOptions> = {}) {
    const machine = topicsMachine({
      nodeId,
      defaultPartitions: 2,
      partitionsMax: 20,
      autoCreatePartitionsMax: 12,
      brokerConfigs: new Map(),
      ...options,
    })
    this.rehearsal = new Rehearsal(machine, (state) => state)
  }

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

  /** The codes of topics that Metadata asks for. */
  autoCreate(names: readonly string[]): number[] {
    const token = `t${this.#tokens++}`
    const topicIds = names.map(() => this.freshId())
    this.rehearsal.run({ type: 'auto-create', token, names, topicIds })
    const { topics } = this.rehearsal.answers.get(token) as AnswerOf<'auto-create'>
    return topics.map(({ errorCode }) => errorCode)
  }

  get partitionCount(): number {
    const counts = this.rehearsal.state.topics.values().map((topic) => topic.partitionCount)
    return counts.reduce((sum, count) => sum + count, 0)
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

describe('partitions', () => {
  const many = { partitionsMax: 20_000, autoCreatePartitionsMax: 20_000 }
  const { NONE, POLICY_VIOLATION } = ErrorCode

  it('leave room for topics made on purpose, whatever clients look for', () => {
    const play = new Play()
    const names = Array.from({ length: 10 }, (_, n) => `t${n}`)
    const codes = play.autoCreate(names)
    assert.deepEqual(codes, [...Array(6).fill(NONE), ...Array(4).fill(POLICY_VIOLATION)])
    assert.equal(play.create('wanted', 8, 'delete'), NONE)
    assert.equal(play.create('one-more', 1, 'delete'), POLICY_VIOLATION)
    assert.deepEqual(play.autoCreate(['t0', 'another']), [NONE, POLICY_VIOLATION])
  })

  it('are at most ten thousand a request, or none of them is made', () => {
    const play = new Play({ ...many, defaultPartitions: 4 })
    const names = Array.from({ length: 2_501 }, (_, n) => `t${n}`)
    assert.deepEqual(new Set(play.autoCreate(names)), new Set([POLICY_VIOLATION]))
    assert.equal(play.partitionCount, 0)
    assert.deepEqual(new Set(play.autoCreate(names.slice(1))), new Set([NONE]))
    assert.equal(play.partitionCount, 10_000)
  })

  it('of CreateTopics are counted by number, default and assignment, and each name once', () => {
    const assignment = (count: number) =>
      Array.from({ length: count }, (_, partitionIndex) => ({
        partitionIndex,
        brokerIds: [nodeId],
      }))
    const asked = (name: string, numPartitions: number, assigned = 0) => {
      const assignments = assignment(assigned)
      return { name, numPartitions, replicationFactor: -1, assignments, configs: [] }
    }
    const ask = (topics: ReturnType<typeof asked>[]) =>
      new Play(many)
        .call('CreateTopics', 7, { topics, timeoutMs: 0, validateOnly: true })
        .topics.map(({ name, errorCode }) => [name, errorCode])
    const full = [asked('a', 9_990), asked('b', -1), asked('c', -1, 7), asked('d', 0)]
    const codes = [...Array(3).fill(NONE), ErrorCode.INVALID_PARTITIONS]
    assert.deepEqual(
      ask([...full, asked('e', 1)]).map(([, code]) => code),
      [...codes, NONE],
    )
    // A name that is there twice is none that is made.
    const twice = ask([...full, asked('e', 2), asked('a', 5)])
    assert.deepEqual(
      twice.map(([, code]) => code),
      [ErrorCode.INVALID_REQUEST, NONE, NONE, ErrorCode.INVALID_PARTITIONS, NONE],
    )
    assert.deepEqual(
      ask([...full, asked('e', 2)]),
      ['a', 'b', 'c', 'd', 'e'].map((name) => [name, POLICY_VIOLATION]),
    )
  })

  it('of CreatePartitions are so, too', () => {
    const play = new Play(many)
    for (const name of ['a', 'b']) assert.equal(play.create(name, 1, 'delete'), NONE)
    const grow = (a: number, b: number) => {
      const topics = [
        { name: 'a', count: a, assignments: null },
        { name: 'b', count: b, assignments: null },
      ]
      const request = { topics, timeoutMs: 0, validateOnly: true }
      const { results } = play.call('CreatePartitions', 3, request)
      // What a decision leaves out is what the protocol has for it.
      return results.map((result) => (result.errorCode as number | undefined) ?? NONE)
    }
    assert.deepEqual(grow(6_001, 4_001), [NONE, NONE])
    assert.deepEqual(grow(6_001, 4_002), [NONE, POLICY_VIOLATION])
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
    ['retention.ms', `+${'0'.repeat(30)}7`, true],
    ['retention.ms', `-${'0'.repeat(30)}2`, false],
    ['retention.ms', '9223372036854775808', false],
    ['retention.ms', '9'.repeat(30), false],
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

describe('a list of a topic', () => {
  const list = 'follower.replication.throttled.replicas'
  const { NONE, INVALID_CONFIG } = ErrorCode

  function withTopic() {
    const play = new Play()
    play.create('t', 1, 'delete')
    return play
  }

  function change(play: Play, configOperation: number, value: string, version = 1) {
    const configs = [{ name: list, configOperation, value }]
    const resources = [{ resourceType: 2, resourceName: 't', configs }]
    const request = { resources, validateOnly: false }
    return play.call('IncrementalAlterConfigs', version, request).responses[0]!
  }

  function valueOf(play: Play): string | null {
    const resources = [{ resourceType: 2, resourceName: 't', configurationKeys: [list] }]
    const request = { resources, includeSynonyms: false, includeDocumentation: false }
    return play.call('DescribeConfigs', 4, request).results[0]!.configs[0]!.value
  }

  it('grows by appending as far as every client can be told, and no further', () => {
    const play = withTopic()
    const longest = 'x'.repeat(configBytesMax)
    assert.equal(change(play, 0, longest.slice(2)).errorCode, NONE)
    assert.equal(change(play, 2, 'y').errorCode, NONE)
    assert.equal(valueOf(play)!.length, configBytesMax)
    const { errorCode, errorMessage } = change(play, 2, 'z')
    assert.equal(errorCode, INVALID_CONFIG)
    assert.match(errorMessage!, new RegExp(`${list} .*more than ${configBytesMax} bytes`))
    assert.equal(valueOf(play)!.length, configBytesMax)
    assert.equal(change(play, 3, 'y').errorCode, NONE, 'what is that long can be made shorter')
  })

  it('is set to nothing longer either, counted in bytes', () => {
    const play = withTopic()
    assert.equal(change(play, 0, 'ä'.repeat((configBytesMax - 1) / 2)).errorCode, NONE)
    assert.equal(change(play, 0, 'ä'.repeat((configBytesMax + 1) / 2)).errorCode, INVALID_CONFIG)
    const configs = [{ name: list, value: 'x'.repeat(configBytesMax + 1) }]
    const topic = { name: 'u', numPartitions: 1, replicationFactor: -1, assignments: [], configs }
    const request = { topics: [topic], timeoutMs: 0, validateOnly: false }
    assert.equal(play.call('CreateTopics', 7, request).topics[0]!.errorCode, INVALID_CONFIG)
  })

  it('is refused in words that every version can tell, however long what they repeat', () => {
    const play = withTopic()
    const configs = [{ name: 'n'.repeat(configBytesMax), configOperation: 0, value: '' }]
    const resources = [{ resourceType: 2, resourceName: 't', configs }]
    const { responses } = play.call('IncrementalAlterConfigs', 0, {
      resources,
      validateOnly: false,
    })
    assert.equal(responses[0]!.errorMessage!.length, refusalLengthMax + 1)
  })
})
