/** How long a command is remembered that was decided, by the topology driver. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Writer, utf8Bytes } from '../../../src/base/bytes.ts'
import { commandHeaders } from '../../../src/events/commands.ts'
import type { AnyEvent } from '../../../src/events/event.ts'
import type { Duration } from '../../../src/base/units.ts'
import { TopologyDriver } from '../../../src/testing/topology-driver.ts'
import { OrderCommands, OrderEvents, change, ordering, place } from '../../types/ordering.ts'

const minute = 60_000
const changelog = { name: 'ordering-orders-outcomes-changelog' } as AnyEvent

describe('a command that comes again', () => {
  for (const others of [16, 100, 1_000]) {
    it(`after ${others} others of its key is answered as before, also after a restart`, () => {
      const driver = new TopologyDriver(ordering())
      const first = driver.ask(OrderCommands, place('o-1'), { id: 'place' })
      assert.ok(first.accepted)
      for (let n = 0; n < others; n++) {
        assert.ok(driver.ask(OrderCommands, change('o-1'), { id: `change-${n}` }).accepted)
      }
      const again = () => driver.ask(OrderCommands, place('o-1'), { id: 'place' })
      assert.deepEqual(again(), first)
      driver.restart()
      assert.deepEqual(again(), first)
      assert.equal(driver.read(OrderEvents).length, 1 + others)
    })
  }

  it('before the first is committed is decided once', () => {
    const driver = new TopologyDriver(ordering())
    const placed = driver.ask(OrderCommands, place('o-1'))
    const partition = placed.accepted ? placed.events[0]!.partition : -1
    for (let n = 0; n < 200; n++) send(driver, partition, `change-${n % 100}`)
    driver.settle()
    assert.deepEqual(driver.get('orders', 'o-1'), { total: 110, changes: 100 })
    assert.equal(rowsOf(driver).length, 101)
  })

  it('is written once, whatever else is decided of its key', () => {
    const driver = new TopologyDriver(ordering())
    for (let n = 0; n < 50; n++) driver.ask(OrderCommands, change('o-1'), { id: `${n % 25}` })
    assert.deepEqual(rowsOf(driver), Array<boolean>(25).fill(true))
  })

  it('under an id and a key that end alike is another', () => {
    const driver = new TopologyDriver(ordering())
    for (const [key, id] of [
      ['ab', 'c'],
      ['a', 'bc'],
    ] as const) {
      assert.ok(driver.ask(OrderCommands, place(key), { id }).accepted)
    }
    assert.equal(driver.read(OrderEvents).length, 2)
  })

  const forgottenAfter = (remember: Duration | undefined, ms: number): void => {
    const placing = (driver: TopologyDriver, at: number) =>
      driver.ask(OrderCommands, place('o-1'), { id: 'place', at })
    const began = 1_000_000_000
    const options = remember === undefined ? {} : { remember }
    for (const isRestarted of [false, true]) {
      const driver = new TopologyDriver(ordering('stop', options))
      const first = placing(driver, began)
      assert.deepEqual(placing(driver, began + ms - 1), first)
      if (isRestarted) driver.restart()
      const anew = placing(driver, began + ms)
      assert.equal(!anew.accepted && anew.reason, 'already-placed', 'it is decided anew')
      // What came of it anew is remembered anew.
      assert.deepEqual(placing(driver, began + 2 * ms - 1), anew)
    }
  }

  it('is decided anew after ten minutes', () => {
    forgottenAfter(undefined, 10 * minute)
  })

  it('is decided anew after the time that the decider says', () => {
    forgottenAfter('2s', 2_000)
    forgottenAfter('7d', 7 * 1_440 * minute)
  })
})

describe('a command that is forgotten', () => {
  it('leaves a null in the changelog, once, and nothing in what is rebuilt of it', () => {
    const driver = new TopologyDriver(ordering('stop', { remember: '1s' }))
    driver.ask(OrderCommands, change('o-1'), { id: 'a', at: 0 })
    driver.ask(OrderCommands, change('o-1'), { id: 'b', at: 500 })
    driver.ask(OrderCommands, change('o-1'), { id: 'c', at: 1_000 })
    assert.deepEqual(rowsOf(driver), [true, true, true, false])
    driver.restart()
    driver.ask(OrderCommands, change('o-1'), { id: 'd', at: 1_500 })
    assert.deepEqual(rowsOf(driver), [true, true, true, false, true, false])
  })

  it('and decided anew in the same moment leaves no null behind its row', () => {
    const driver = new TopologyDriver(ordering('stop', { remember: '1s' }))
    driver.ask(OrderCommands, change('o-1'), { id: 'a', at: 0 })
    const again = driver.ask(OrderCommands, change('o-1'), { id: 'a', at: 1_000 })
    assert.deepEqual(rowsOf(driver), [true, true])
    driver.restart()
    assert.deepEqual(driver.ask(OrderCommands, change('o-1'), { id: 'a', at: 1_999 }), again)
  })

  it('goes when its partition remembers more than it may, the oldest first', () => {
    const driver = new TopologyDriver(ordering('stop', { rememberBytesMax: 1024 * 1024 }))
    driver.ask(OrderCommands, place('o-1'), { id: 'place' })
    const known = () => {
      const again = driver.ask(OrderCommands, place('o-1'), { id: 'place' })
      return again.accepted
    }
    let others = 0
    for (; known(); others++) {
      driver.ask(OrderCommands, change('o-1'), { id: `${others}`.padEnd(200, '-') })
    }
    // Twice the key and the id, the outcome, and what a row costs.
    assert.ok(others > 1_500 && others < 2_200, String(others))
    const last = `${others - 1}`.padEnd(200, '-')
    const events = driver.read(OrderEvents).length
    driver.restart()
    assert.ok(driver.ask(OrderCommands, change('o-1'), { id: last }).accepted)
    assert.equal(driver.read(OrderEvents).length, events, 'the latest are remembered')
  })
})

/** Of each record of the changelog, whether it has a value. */
function rowsOf(driver: TopologyDriver): boolean[] {
  return driver.readRecords(changelog).map(({ value }) => value !== null)
}

function send(driver: TopologyDriver, partition: number, id: string): void {
  const writer = new Writer()
  OrderCommands.codec.encode(change('o-1'), writer)
  const record = { key: utf8Bytes('o-1'), value: writer.finish(), partition }
  driver.sendRecord(OrderCommands, { ...record, headers: commandHeaders(id, 0) })
}
