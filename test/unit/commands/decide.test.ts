/** Decisions, by the topology driver: no broker, and everything within the call. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Writer, utf8Bytes } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { commandHeaders } from '../../../src/events/commands.ts'
import { deadLettersOf } from '../../../src/events/dead-letters.ts'
import { service } from '../../../src/service/service.ts'
import type { DecideOptions } from '../../../src/streams/topology/builder.ts'
import { TopologyDriver } from '../../../src/testing/topology-driver.ts'
import {
  OrderCommands,
  OrderEvents,
  cancel,
  change,
  ordering,
  place,
} from '../../types/ordering.ts'

describe('a decider', () => {
  it('accepts with events, of which its state is made', () => {
    const driver = new TopologyDriver(ordering())
    const answer = driver.ask(OrderCommands, place('o-1', 40), { id: 'a' })
    assert.ok(answer.accepted)
    const [receipt] = answer.events
    assert.deepEqual([answer.id, answer.events.length, receipt?.stream], ['a', 1, 'order-events'])
    driver.ask(OrderCommands, change('o-1', 2))
    assert.deepEqual(driver.get('orders', 'o-1'), { total: 42, changes: 1 })
    assert.deepEqual(
      driver.read(OrderEvents).map(({ event }) => event.case),
      ['placed', 'changed'],
    )
    assert.equal(driver.get('events', 'o-1'), 2)
  })

  it('says where each event is', () => {
    const driver = new TopologyDriver(ordering())
    driver.ask(OrderCommands, place('o-1'))
    const { events } = accepted(driver.ask(OrderCommands, change('o-1')))
    const { partition, offset } = events[0]!
    const stored = driver.readRecords(OrderEvents)
    assert.deepEqual([stored.length, offset], [2, 1])
    assert.ok(partition >= 0 && partition < 12)
  })

  it('rejects for a reason of the contract, and changes nothing', () => {
    const driver = new TopologyDriver(ordering())
    assert.deepEqual(driver.ask(OrderCommands, change('o-1'), { id: 'a' }), {
      accepted: false,
      id: 'a',
      reason: 'not-placed',
      details: undefined,
    })
    const tooMuch = driver.ask(OrderCommands, place('o-1', 5_000))
    assert.deepEqual(!tooMuch.accepted && [tooMuch.reason, tooMuch.details], [
      'too-much',
      { most: 1_000 },
    ])
    assert.deepEqual(driver.read(OrderEvents), [])
    assert.deepEqual(driver.rows('orders'), [])
  })

  it('takes each command of a key after those before it', () => {
    const driver = new TopologyDriver(ordering())
    driver.send(OrderCommands, place('o-1'))
    driver.send(OrderCommands, place('o-1'))
    driver.send(OrderCommands, cancel('o-1'))
    driver.send(OrderCommands, change('o-1'))
    driver.send(OrderCommands, place('o-1', 7))
    driver.settle()
    assert.deepEqual(
      driver.read(OrderEvents).map(({ event }) => event.case),
      ['placed', 'cancelled', 'placed'],
    )
    assert.deepEqual(driver.get('orders', 'o-1'), { total: 7, changes: 0 })
  })

  it('decides a command that comes again once, and says again what came of it', () => {
    const driver = new TopologyDriver(ordering())
    driver.ask(OrderCommands, place('o-1'), { id: 'place' })
    const first = driver.ask(OrderCommands, change('o-1', 5), { id: 'a' })
    const rejected = driver.ask(OrderCommands, place('o-1'), { id: 'b' })
    driver.ask(OrderCommands, cancel('o-1'), { id: 'c' })
    driver.restart()
    assert.deepEqual(driver.ask(OrderCommands, change('o-1', 5), { id: 'a' }), first)
    assert.deepEqual(driver.ask(OrderCommands, place('o-1'), { id: 'b' }), rejected)
    assert.equal(driver.read(OrderEvents).length, 3)
  })

  it('takes what is no id, or no place to answer to, as none', () => {
    const driver = new TopologyDriver(ordering())
    const record = encoded(change('o-1'))
    for (const header of ['9', '-1', '1e3', '', 'x']) {
      const headers = [
        { key: 'headwater-command-id', value: new Uint8Array(300).fill(97) },
        { key: 'headwater-reply-partition', value: new TextEncoder().encode(header) },
      ]
      driver.sendRecord(OrderCommands, { ...record, headers })
      driver.sendRecord(OrderCommands, { ...record, headers: [...commandHeaders('a', 8)] })
    }
    driver.settle()
    assert.equal(driver.counts.dropped, 0)
    assert.throws(() => driver.ask(OrderCommands, change('o-1'), { id: '' }), /no outcome/)
  })

  it('drops a command without a key, which is about nothing', () => {
    const driver = new TopologyDriver(ordering())
    driver.sendRecord(OrderCommands, { ...encoded(place('o-1')), key: null })
    driver.settle()
    assert.equal(driver.counts.drops.noKey, 1)
  })
})

describe('a decision that fails', () => {
  it('stops the service unless told otherwise', () => {
    const driver = new TopologyDriver(ordering())
    driver.ask(OrderCommands, place('o-1'))
    assert.throws(
      () => driver.ask(OrderCommands, change('o-1', 13)),
      (error) =>
        isHeadwaterError(error) && /decide 'orders' threw: by thirteen/.test(error.message),
    )
  })

  it('is told to who asked, changes nothing, and is decided anew when it comes again', () => {
    const driver = new TopologyDriver(ordering('deadLetter'))
    driver.ask(OrderCommands, place('o-1'))
    for (const by of [13, 14]) {
      assert.throws(
        () => driver.ask(OrderCommands, change('o-1', by), { id: 'a' }),
        (error) =>
          isHeadwaterError(error, 'operator-failed') && /changed nothing/.test(error.message),
      )
    }
    assert.equal(driver.read(deadLettersOf('ordering')).length, 2)
    assert.equal(driver.read(OrderEvents).length, 1)
    assert.ok(driver.ask(OrderCommands, change('o-1', 1), { id: 'a' }).accepted)
    assert.deepEqual(driver.get('orders', 'o-1'), { total: 11, changes: 1 })
  })

  it('names an event that is about another thing', () => {
    const driver = new TopologyDriver(ordering())
    driver.ask(OrderCommands, place('o-1'))
    assert.throws(
      () => driver.ask(OrderCommands, change('o-1', 14)),
      /an event of stream 'order-events' about 'another', and the command is about 'o-1'/,
    )
  })
})

function accepted<A extends { readonly accepted: boolean }>(answer: A) {
  assert.ok(answer.accepted, JSON.stringify(answer))
  return answer as Extract<A, { accepted: true }>
}

function encoded(message: ReturnType<typeof change> | ReturnType<typeof place>) {
  const writer = new Writer()
  OrderCommands.codec.encode(message, writer)
  return { key: utf8Bytes(message.orderId), value: writer.finish() }
}

describe('a decision that is not what it should be', () => {
  const cases: Readonly<Record<string, readonly [decide: Decide, why: RegExp]>> = {
    'gives a reason that the contract has not': [
      (_command, _state, { reject }) => reject('other' as never),
      /rejects for 'other', and the contract of 'order-commands' names 'already-placed'/,
    ],
    'gives a bigint as details': [
      (_command, _state, { reject }) => reject('too-much', { at: [{ most: 1n }] } as never),
      /the details of its rejection are no JSON: \.at\[0\]\.most is a bigint/,
    ],
    'gives a Date as details': [
      (_command, _state, { reject }) => reject('too-much', { at: new Date() } as never),
      /\.at is no plain object/,
    ],
    'gives NaN as details': [
      (_command, _state, { reject }) => reject('too-much', { at: NaN }),
      /\.at is NaN/,
    ],
    'gives details that hold themselves': [
      (_command, _state, { reject }) => {
        const details: Record<string, never> = {}
        details['self'] = details as never
        return reject('too-much', details)
      },
      /is too deep/,
    ],
    'returns nothing': [() => undefined as never, /it has returned none/],
    'returns a promise': [(async () => ({})) as never, /it has returned a promise/],
    'has an event that does not encode': [
      ({ orderId }, _state, { accept }) =>
        accept({ orderId, event: { case: 'placed', value: { total: 'x' as never } } }),
      /total/,
    ],
  }
  for (const [what, [decide, why]] of Object.entries(cases)) {
    it(`is refused, and changes nothing: it ${what}`, () => {
      const driver = new TopologyDriver(deciding(decide))
      assert.throws(() => driver.ask(OrderCommands, place('o-1')), why)
      assert.deepEqual([driver.read(OrderEvents), driver.rows('state')], [[], []])
      assert.equal(driver.counts.failures.skipped, 1)
    })
  }

  it('writes none of its events when one of them cannot be', () => {
    const driver = new TopologyDriver(
      deciding(({ orderId }, _state, { accept }) => accept(changed(orderId), changed('another'))),
    )
    assert.throws(() => driver.ask(OrderCommands, place('o-1')), /about 'another'/)
    assert.deepEqual([driver.read(OrderEvents), driver.rows('state')], [[], []])
  })

  it('leaves the state as it was when a fold has changed it and throws', () => {
    const driver = new TopologyDriver(
      deciding(({ orderId, command }, _state, { accept }) => {
        const events =
          command.case === 'place'
            ? [changed(orderId)]
            : [changed(orderId, 2), changed(orderId, 13)]
        return accept(...events)
      }),
    )
    driver.ask(OrderCommands, place('o-1'))
    assert.throws(() => driver.ask(OrderCommands, change('o-1')), /thirteen/)
    assert.deepEqual(driver.get('state', 'o-1'), { sum: 1 })
    driver.ask(OrderCommands, place('o-1'))
    assert.deepEqual(driver.get('state', 'o-1'), { sum: 2 })
  })

  it('changes no state by changing what it was given', () => {
    const driver = new TopologyDriver(
      deciding(({ orderId, command }, state, { accept, reject }) => {
        if (command.case === 'place') return accept(changed(orderId))
        state.sum = 1_000
        return reject('too-much')
      }, 'stop'),
    )
    driver.ask(OrderCommands, place('o-1'))
    driver.ask(OrderCommands, change('o-1'))
    driver.ask(OrderCommands, place('o-1'))
    assert.deepEqual(driver.get('state', 'o-1'), { sum: 2 })
  })

  it('is asked with what it may know of its command', () => {
    const seen: unknown[] = []
    const driver = new TopologyDriver(
      deciding((_command, state, { key, id, timestamp, accept }) => {
        seen.push({ key, id, timestamp, state })
        return accept()
      }),
    )
    const answer = driver.ask(OrderCommands, place('o-1'), { id: 'a', at: 77 })
    assert.deepEqual(seen, [{ key: 'o-1', id: 'a', timestamp: 77, state: { sum: 0 } }])
    assert.deepEqual(answer, { accepted: true, id: 'a', events: [] })
    assert.deepEqual(driver.rows('state'), [])
  })
})

interface Sum {
  sum: number
}

type Decide = DecideOptions<typeof OrderCommands, typeof OrderEvents, Sum, 'order-events'>['decide']

function deciding(decide: Decide, onError: 'skip' | 'stop' = 'skip') {
  return service('ordering', {
    reads: [OrderCommands],
    writes: [OrderEvents],
    onError,
    topology: (s) => {
      const { state } = s.decide('sums', OrderCommands, {
        events: OrderEvents,
        initial: (): Sum => ({ sum: 0 }),
        decide,
        evolve: (sum, { event }) => {
          const by = event.case === 'changed' ? event.value.by : 0
          sum.sum += by
          if (by === 13) throw new RangeError('thirteen')
          return sum
        },
      })
      return { state }
    },
  })
}

function changed(orderId: string, by = 1) {
  return { orderId, event: { case: 'changed' as const, value: { by } } }
}
