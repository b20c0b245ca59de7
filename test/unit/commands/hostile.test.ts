/** Commands and decisions that nobody should make, by the topology driver. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Writer, utf8Bytes } from '../../../src/base/bytes.ts'
import type { AnyEvent } from '../../../src/events/event.ts'
import { service } from '../../../src/service/service.ts'
import type { DecideOptions } from '../../../src/streams/topology/builder.ts'
import { TopologyDriver } from '../../../src/testing/topology-driver.ts'
import { OrderCommands, OrderEvents, change, ordering, place } from '../../types/ordering.ts'

describe('the id of a command that another program wrote', () => {
  const decidedOf = (ids: readonly Uint8Array[]): number => {
    const driver = new TopologyDriver(ordering())
    const placed = driver.ask(OrderCommands, place('o-1'))
    const partition = placed.accepted ? placed.events[0]!.partition : -1
    const writer = new Writer()
    OrderCommands.codec.encode(change('o-1'), writer)
    const record = { key: utf8Bytes('o-1'), value: writer.finish(), partition }
    for (const id of ids) {
      const headers = [{ key: 'headwater-command-id', value: id }]
      driver.sendRecord(OrderCommands, { ...record, headers })
    }
    driver.settle()
    return driver.read(OrderEvents).length - 1
  }

  it('is what tells it from others', () => {
    assert.equal(decidedOf([utf8Bytes('a'), utf8Bytes('a'), utf8Bytes('b')]), 2)
  })

  it('is none when its bytes are no text, so that no two of them are taken for one', () => {
    assert.equal(decidedOf([new Uint8Array([0xff]), new Uint8Array([0xfe])]), 2)
  })

  it('is none when it has a megabyte', () => {
    const long = new Uint8Array(1_000_000).fill(97)
    assert.equal(decidedOf([long, long]), 2)
  })

  it('may have any 200 characters', () => {
    const long = utf8Bytes('€'.repeat(200))
    assert.equal(decidedOf([long, long]), 1)
  })
})

it('the headers of a command are bounded, as each of its events has them', () => {
  const driver = new TopologyDriver(ordering())
  const writer = new Writer()
  OrderCommands.codec.encode(place('o-1'), writer)
  const headers = [{ key: 'note', value: new Uint8Array(64 * 1024) }]
  const record = { key: utf8Bytes('o-1'), value: writer.finish(), headers }
  driver.sendRecord(OrderCommands, record)
  assert.throws(() => driver.settle(), /decide '.*threw: the record has 1 headers of 65556 bytes/)
  assert.deepEqual(driver.read(OrderEvents), [])
})

describe('a decision', () => {
  it('begins from what is new, also when that is the same each time', () => {
    const nothing: Sum = { sum: 0 }
    const driver = new TopologyDriver(
      deciding(
        ({ orderId }, state, { accept }) => {
          state.sum += 100
          return accept(changed(orderId))
        },
        () => nothing,
      ),
    )
    for (const id of ['o-1', 'o-2']) driver.ask(OrderCommands, place(id))
    assert.deepEqual(
      [driver.get('state', 'o-1'), driver.get('state', 'o-2')],
      [{ sum: 1 }, { sum: 1 }],
    )
    assert.deepEqual(nothing, { sum: 0 })
  })

  it('that is a promise which rejects ends nothing but itself', async () => {
    const failing = async (): Promise<never> => {
      throw new Error('later')
    }
    const driver = new TopologyDriver(deciding(failing as never))
    assert.throws(() => driver.ask(OrderCommands, place('o-1')), /it has returned a promise/)
    // What nobody looked after would be known by now.
    await new Promise((resolve) => setImmediate(resolve))
  })

  it('may not say more than is told', () => {
    const decide: Decide = ({ command }, _state, { reject }) => {
      const total = command.case === 'place' ? command.value.total : 0
      return reject('too-much', { why: 'x'.repeat(total) })
    }
    const driver = new TopologyDriver(deciding(decide))
    assert.throws(
      () => driver.ask(OrderCommands, place('o-1', 60_000)),
      /the details of its rejection have 60\d\d\d bytes, and at most 60000 are told/,
    )
    driver.ask(OrderCommands, place('o-1', 59_900))
    assert.ok(largestRemembered(driver) > 59_900)
  })

  it('may not have more events than can be told of', () => {
    const decide: Decide = ({ orderId, command }, _state, { accept }) => {
      const count = command.case === 'place' ? command.value.total : 0
      return accept(...Array.from({ length: count }, () => changed(orderId)))
    }
    const driver = new TopologyDriver(deciding(decide))
    const asking = (count: number) => driver.ask(OrderCommands, place('o-1', count))
    assert.throws(() => asking(1_251), /accepts with 1251 events.*of 'order-events' it may be 1250/)
    assert.deepEqual([driver.read(OrderEvents).length, driver.rows('state')], [0, []])
    assert.ok(asking(1_250).accepted)
    assert.deepEqual(driver.get('state', 'o-1'), { sum: 1_250 })
    assert.ok(largestRemembered(driver) <= 60_000)
  })

  it('that fails with many words is told with some of them', () => {
    const driver = new TopologyDriver(
      deciding(() => {
        throw new Error('x'.repeat(2_000_000))
      }),
    )
    assert.throws(
      () => driver.ask(OrderCommands, place('o-1')),
      ({ message }: Error) => message.length > 4_096 && message.length < 5_000,
    )
  })
})

/** Bytes of the largest outcome that is remembered. */
function largestRemembered(driver: TopologyDriver): number {
  const kept = { name: 'ordering-sums-outcomes-changelog' } as AnyEvent
  return Math.max(...driver.readRecords(kept).map(({ value }) => value?.length ?? 0))
}

interface Sum {
  sum: number
}

type Decide = DecideOptions<typeof OrderCommands, typeof OrderEvents, Sum, 'order-events'>['decide']

function deciding(decide: Decide, initial = (): Sum => ({ sum: 0 })) {
  return service('ordering', {
    reads: [OrderCommands],
    writes: [OrderEvents],
    onError: 'skip',
    topology: (s) => {
      const { state } = s.decide('sums', OrderCommands, {
        events: OrderEvents,
        initial,
        decide,
        evolve: (sum) => {
          sum.sum++
          return sum
        },
      })
      return { state }
    },
  })
}

function changed(orderId: string) {
  return { orderId, event: { case: 'changed' as const, value: { by: 1 } } }
}
