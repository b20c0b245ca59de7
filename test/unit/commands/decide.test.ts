/** Decisions, by the topology driver: no broker, and everything within the call. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Writer, utf8Bytes } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { commandHeaders } from '../../../src/events/commands.ts'
import { deadLettersOf } from '../../../src/events/dead-letters.ts'
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

  it('knows the last 16 commands of a key that had an id', () => {
    const driver = new TopologyDriver(ordering())
    driver.ask(OrderCommands, place('o-1'), { id: 'place' })
    for (let n = 0; n < 15; n++) driver.ask(OrderCommands, change('o-1'), { id: `change-${n}` })
    driver.ask(OrderCommands, place('o-1'), { id: 'place' })
    assert.equal(driver.read(OrderEvents).length, 16, 'the first of 16 is known')
    driver.ask(OrderCommands, change('o-1'), { id: 'one more' })
    const again = driver.ask(OrderCommands, place('o-1'), { id: 'place' })
    assert.equal(!again.accepted && again.reason, 'already-placed', 'it is decided anew')
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
