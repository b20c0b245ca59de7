/** Properties of the transactions machine, and what happens where epochs run out. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type {
  Entered,
  TransactionsCommand,
  TransactionsEffect,
} from '../../../src/coordinator/commands.ts'
import { setting } from '../../../src/coordinator/transactions/changes.ts'
import type { Transaction, TransactionsState } from '../../../src/coordinator/transactions/state.ts'
import { transactionsDefaults } from '../../../src/coordinator/transactions/options.ts'
import { transactionsMachine } from '../../../src/coordinator/transactions/machine.ts'
import type { ApiName, RequestOf, ResponseOf } from '../../../src/protocol/api.ts'
import { ErrorCode } from '../../../src/protocol/errors.ts'
import { Rehearsal } from './rehearsal.ts'

/** Sequences tried; more of them on demand: `RUNS=5000 node --test ...`. */
const runs = Number(process.env['RUNS'] ?? 300)
const timeoutMs = 5_000
const lastEpoch = 32_766

type Action =
  | { kind: 'init'; slot: number; named: boolean }
  | { kind: 'write'; slot: number; partition: number }
  | { kind: 'end' | 'end again'; slot: number; commit: boolean }
  | { kind: 'set clock'; aheadMs: number }
  | { kind: 'markers' | 'pass' | 'restart' }

const slot = fc.nat(2)
const actions: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('init' as const), slot, named: fc.boolean() }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('write' as const), slot, partition: fc.nat(2) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom('end' as const, 'end again' as const),
      slot,
      commit: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('set clock' as const),
      aheadMs: fc.integer({ min: -3_600_000, max: 3_600_000 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('markers' as const, 'pass', 'restart') }),
  },
)

/** A producer as far as it knows itself. Slots 0 and 1 share a transactional id: one is a zombie. */
interface Producer {
  readonly transactionalId: string
  producerId: number
  producerEpoch: number
  /** The epoch its last EndTxn went out with. */
  endedEpoch: number
  endedCommit: boolean
  /** Whether a write of its has been let through since. */
  hasWritten: boolean
}

function lasting({ timings: _timings, ...rest }: TransactionsState) {
  return rest
}

type Marker = Extract<TransactionsEffect, { readonly type: 'write-markers' }>

/** `newVersion`: whether the clients speak the second version of transactions. */
class Play {
  readonly rehearsal = new Rehearsal(transactionsMachine(transactionsDefaults), lasting)
  readonly newVersion: boolean
  readonly producers: Producer[] = ['x', 'x', 'y'].map((transactionalId) => ({
    transactionalId,
    producerId: -1,
    producerEpoch: -1,
    endedEpoch: -1,
    endedCommit: false,
    hasWritten: false,
  }))
  /** The highest epoch seen of each producer id, and who owns it. */
  readonly epochs = new Map<number, number>()
  readonly ids = new Map<number, string>()
  /** How each (producer id, marker epoch) was decided. */
  readonly outcomes = new Map<string, boolean>()
  /** Since when each transactional id is in a transaction, or the host up. */
  readonly opened = new Map<string, number>()
  #tokens = 0

  constructor(newVersion: boolean) {
    this.newVersion = newVersion
  }

  act(action: Action): void {
    switch (action.kind) {
      case 'init':
        this.init(this.producers[action.slot]!, action.named)
        break
      case 'write':
        this.write(this.producers[action.slot]!, action.partition)
        break
      case 'end': {
        const producer = this.producers[action.slot]!
        this.end(producer, producer.producerEpoch, action.commit)
        break
      }
      case 'end again': {
        const producer = this.producers[action.slot]!
        this.end(producer, producer.endedEpoch, producer.endedCommit)
        break
      }
      case 'markers':
        this.finishMarkers()
        break
      case 'pass':
        this.rehearsal.now += 2_000
        if ((this.rehearsal.wakeAt ?? Infinity) <= this.rehearsal.now) {
          this.rehearsal.wakeAt = undefined
          this.rehearsal.run({ type: 'wake' })
        }
        this.checkTimeouts()
        break
      case 'set clock':
        this.rehearsal.wallAheadMs = action.aheadMs
        break
      case 'restart': {
        const unfinished = this.prepared()
        this.rehearsal.effects.length = 0
        this.rehearsal.restart(this.rehearsal.now % 4_000 === 0)
        assert.deepEqual(this.markers().map(idOf), unfinished, 'a decided outcome is forgotten')
        this.opened.clear()
      }
    }
    this.check()
  }

  init(producer: Producer, named: boolean): void {
    const { transactionalId, producerId, producerEpoch } = producer
    const answer = this.call('InitProducerId', 5, {
      transactionalId,
      transactionTimeoutMs: timeoutMs,
      producerId: named ? producerId : -1,
      producerEpoch: named ? producerEpoch : -1,
    })
    if (answer.errorCode !== ErrorCode.NONE) return
    this.learn(producer, answer)
    producer.hasWritten = false
  }

  write(producer: Producer, partition: number): void {
    const token = this.token()
    const { transactionalId, producerId, producerEpoch } = producer
    const partitions = [{ topic: 't', partition }]
    const who = { transactionalId, producerId, producerEpoch }
    this.rehearsal.run({ type: 'enter-transaction', token, ...who, partitions, add: true })
    const { errorCode } = this.rehearsal.answers.get(token) as Entered
    if (errorCode !== ErrorCode.NONE) return
    producer.hasWritten = true
    const current = this.rehearsal.state.transactions.get(transactionalId)!
    assert.equal(current.state, 'Ongoing', 'a write is let into a transaction that is decided')
    assert(current.partitions.get('t')?.has(partition), 'a write let through gets no marker')
    assert.equal(current.producerEpoch, producerEpoch, 'a zombie writes')
  }

  end(producer: Producer, producerEpoch: number, committed: boolean): void {
    const { transactionalId, producerId } = producer
    const before = this.rehearsal.state.transactions.get(transactionalId)
    const version = this.newVersion ? 5 : 4
    const request = { transactionalId, producerId, producerEpoch, committed }
    const answer = this.call('EndTxn', version, request)
    if (answer.errorCode !== ErrorCode.NONE) return
    producer.endedEpoch = producerEpoch
    producer.endedCommit = committed
    const after = this.rehearsal.state.transactions.get(transactionalId)!
    const sense = committed ? /Commit$/ : /Abort$/
    assert.match(after.state, sense, 'success was said to an end in the other sense')
    if (committed && before?.state === 'Ongoing') {
      assert(producer.hasWritten, 'a transaction is committed by a producer that did not write')
    }
    if (!this.newVersion) return
    this.learn(producer, answer)
    producer.hasWritten = false
  }

  learn(
    producer: Producer,
    { producerId, producerEpoch }: { readonly producerId: number; readonly producerEpoch: number },
  ): void {
    producer.producerId = producerId
    producer.producerEpoch = producerEpoch
    const owner = this.ids.get(producerId) ?? producer.transactionalId
    assert.equal(owner, producer.transactionalId, 'a producer id belongs to two')
    this.ids.set(producerId, owner)
  }

  finishMarkers(): void {
    for (const marker of this.markers()) {
      const { transactionalId, producerId, producerEpoch } = marker
      const type = 'markers-written'
      this.rehearsal.run({ type, transactionalId, producerId, producerEpoch })
    }
    this.rehearsal.effects.length = 0
  }

  /** After time has passed: what is overdue is aborted, and nothing else. */
  checkTimeouts(): void {
    const { state, now } = this.rehearsal
    for (const [transactionalId, since] of this.opened) {
      const isOpen = state.transactions.get(transactionalId)?.state === 'Ongoing'
      assert.equal(isOpen, now - since < timeoutMs, `${transactionalId} after ${now - since} ms`)
    }
  }

  check(): void {
    for (const transaction of this.rehearsal.state.transactions.values()) {
      const { transactionalId, producerId, producerEpoch } = transaction
      assert(producerEpoch >= (this.epochs.get(producerId) ?? 0), 'an epoch fell')
      this.epochs.set(producerId, producerEpoch)
      if (transaction.state !== 'Ongoing') this.opened.delete(transactionalId)
      else if (!this.opened.has(transactionalId)) {
        this.opened.set(transactionalId, this.rehearsal.now)
      }
    }
    for (const marker of this.markers()) {
      if (!this.newVersion) continue
      const known = this.outcomes.get(idOf(marker)) ?? marker.commit
      assert.equal(marker.commit, known, 'one transaction ends both ways')
      this.outcomes.set(idOf(marker), marker.commit)
    }
  }

  markers(): Marker[] {
    return this.rehearsal.effects.filter((effect) => effect.type === 'write-markers')
  }

  prepared(): string[] {
    const isPrepared = ({ state }: Transaction) => state.startsWith('Prepare')
    return [...this.rehearsal.state.transactions.values()].filter(isPrepared).map(idOf)
  }

  call<N extends ApiName>(type: N, version: number, request: RequestOf<N>): ResponseOf<N> {
    const token = this.token()
    const call = { type, token, version, clientId: 'c', clientHost: '/', request }
    this.rehearsal.run(call as unknown as TransactionsCommand)
    return this.rehearsal.answers.get(token) as ResponseOf<N>
  }

  token(): string {
    return `t${this.#tokens++}`
  }
}

function idOf({
  producerId,
  producerEpoch,
}: {
  readonly producerId: number
  readonly producerEpoch: number
}): string {
  return `${producerId}/${producerEpoch}`
}

/** A play in which x has all but used up its epochs. */
function playAt(producerEpoch: number, state: Transaction['state'] = 'Empty'): Play {
  const play = new Play(true)
  const { rehearsal } = play
  const transaction: Transaction = {
    transactionalId: 'x',
    state,
    producerId: 7,
    producerEpoch,
    lastProducerEpoch: -1,
    previousProducerId: -1,
    nextProducerId: -1,
    timeoutMs,
    partitions: new Map(),
    groups: new Set(),
    startedAt: state === 'Ongoing' ? rehearsal.now : -1,
    updatedAt: rehearsal.now,
  }
  const machine = transactionsMachine(transactionsDefaults)
  const apply = (state: TransactionsState) => {
    machine.apply(state, { type: 'producer-id-allocated', producerId: 7 })
    machine.apply(state, setting(transaction))
  }
  apply(rehearsal.state)
  return play
}

function transactionX(play: Play): Transaction {
  return play.rehearsal.state.transactions.get('x')!
}

const request = { transactionalId: 'x', transactionTimeoutMs: timeoutMs }
const unnamed = { ...request, producerId: -1, producerEpoch: -1 }

describe('the transactions machine', () => {
  for (const newVersion of [false, true]) {
    it(`keeps its promises with clients of version ${newVersion ? 2 : 1}`, () => {
      fc.assert(
        fc.property(fc.array(actions, { minLength: 10, maxLength: 100 }), (script) => {
          const play = new Play(newVersion)
          for (const action of script) play.act(action)
        }),
        { numRuns: runs },
      )
    })
  }

  it('takes a new producer id when the epochs are used up, and knows the retry', () => {
    const play = playAt(lastEpoch)
    const named = { ...request, producerId: 7, producerEpoch: lastEpoch }
    const rotated = play.call('InitProducerId', 5, named)
    assert.deepEqual([rotated.producerId, rotated.producerEpoch], [8, 0])
    assert.deepEqual(play.call('InitProducerId', 5, named), rotated)
    assert.equal(play.rehearsal.state.nextProducerId, 9)
  })

  it('tells a committing producer its next id, and lets only that one write on', () => {
    const play = playAt(lastEpoch, 'Ongoing')
    const who = { transactionalId: 'x', producerId: 7, producerEpoch: lastEpoch }
    const ended = play.call('EndTxn', 5, { ...who, committed: true })
    assert.deepEqual([ended.producerId, ended.producerEpoch], [8, 0])
    assert.deepEqual(play.markers().map(idOf), ['7/32767'])

    const enter = (producerId: number, producerEpoch: number): number => {
      const token = play.token()
      const partitions = [{ topic: 't', partition: 0 }]
      const next = { transactionalId: 'x', producerId, producerEpoch, partitions, add: true }
      play.rehearsal.run({ type: 'enter-transaction', token, ...next })
      return (play.rehearsal.answers.get(token) as Entered).errorCode
    }
    assert.equal(enter(8, 0), ErrorCode.CONCURRENT_TRANSACTIONS)
    play.finishMarkers()
    assert.deepEqual(play.call('EndTxn', 5, { ...who, committed: true }), ended)
    assert.equal(enter(7, lastEpoch), ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    assert.equal(enter(8, 0), ErrorCode.NONE)
  })

  it('fences with the epoch kept back for that, and goes on under a new id', () => {
    const play = playAt(lastEpoch, 'Ongoing')
    const fenced = play.call('InitProducerId', 5, unnamed)
    assert.equal(fenced.errorCode, ErrorCode.CONCURRENT_TRANSACTIONS)
    assert.deepEqual(play.markers().map(idOf), ['7/32767'])
    play.finishMarkers()
    const { producerId, producerEpoch } = play.call('InitProducerId', 5, unnamed)
    assert.deepEqual([producerId, producerEpoch], [8, 0])
  })

  it('never writes an epoch that does not fit, even one that should not be', () => {
    const play = playAt(lastEpoch + 1, 'Ongoing')
    play.call('InitProducerId', 5, unnamed)
    assert.equal(transactionX(play).producerEpoch, lastEpoch + 1)
  })
})
