/** Commands whose bytes are no message of their stream: whoever asked is told at once, where nobody stops for them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { commandHeaders, outcomeCodec, outcomesTopic } from '../../../src/events/commands.ts'
import { deadLettersOf } from '../../../src/events/dead-letters.ts'
import type { AnyEvent } from '../../../src/events/event.ts'
import { CommandInDoubt } from '../../../src/streams/commands/answer.ts'
import { asker } from '../../../src/streams/runtime/asker.ts'
import { TopologyDriver } from '../../../src/testing/topology-driver.ts'
import { OrderCommands, change, ordering, place } from '../../types/ordering.ts'
import { asked } from '../query/asked.ts'

const nonsense = new Uint8Array([0xff, 0xff, 0xff])

/** What a caller has whose contract has gone another way: it writes what the service cannot read. */
const Others: typeof OrderCommands = {
  ...OrderCommands,
  codec: { ...OrderCommands.codec, encode: (_message, writer) => writer.append(nonsense) },
}

const outcomes = { name: outcomesTopic('ordering') } as AnyEvent

function toldBy(driver: TopologyDriver) {
  return driver.readRecords(outcomes).map(({ value }) => outcomeCodec.decode(value!))
}

describe('a command that does not decode', () => {
  for (const onError of ['skip', 'deadLetter'] as const) {
    it(`is refused at once (onError: '${onError}'), and those behind it are decided`, async () => {
      await using services = await asked()
      const { app } = await services.start(ordering(onError))
      await using other = asker({ broker: services.broker })
      await assert.rejects(
        other.ask(Others, change('o-1'), { id: 'a', timeout: '50s' }),
        (error) => {
          assert.ok(
            isHeadwaterError(error, 'operator-failed') && !(error instanceof CommandInDoubt),
          )
          assert.match(
            error.message,
            /command 'a' of stream 'order-commands' could not be decided, and changed nothing: the value does not decode/,
          )
          assert.equal(error.outcome, 'not-written')
          return true
        },
      )
      const { decisions, failures } = app.stats()
      assert.equal(decisions.failed, 1)
      assert.deepEqual([failures.skipped + failures.deadLettered], [1])
      // Its id is not remembered: it may come again in words that can be read.
      assert.ok((await other.ask(OrderCommands, place('o-1'), { id: 'a' })).accepted)
    })
  }

  it('is told to who waits for it, by the bytes of its key, also when they are none of its keyspace', () => {
    const driver = new TopologyDriver(ordering('deadLetter'))
    const key = new Uint8Array([0xff])
    driver.sendRecord(OrderCommands, { key, value: nonsense, headers: commandHeaders('a', 3) })
    driver.settle()
    const [told, ...more] = toldBy(driver)
    assert.deepEqual(more, [])
    assert.deepEqual([told!.id, told!.commands], ['a', 'order-commands'])
    assert.deepEqual([...told!.key], [0xff])
    assert.equal(told!.outcome.case, 'failed')
    assert.match((told!.outcome.value as { message: string }).message, /the key does not decode/)
    assert.equal(driver.read(deadLettersOf('ordering')).length, 1)
  })

  it('is refused without any bytes, too', () => {
    const driver = new TopologyDriver(ordering('skip'))
    const key = Buffer.from('o-1')
    driver.sendRecord(OrderCommands, { key, value: null, headers: commandHeaders('a', 0) })
    driver.settle()
    const [told] = toldBy(driver)
    assert.match((told!.outcome.value as { message: string }).message, /it has no message/)
    assert.equal(driver.counts.drops.noValue, 1)
  })

  it('is told to nobody when nobody can be told', () => {
    const driver = new TopologyDriver(ordering('skip'))
    for (const headers of [[], [{ key: 'headwater-command-id', value: nonsense }]]) {
      driver.sendRecord(OrderCommands, { key: Buffer.from('o-1'), value: nonsense, headers })
    }
    driver.sendRecord(OrderCommands, {
      key: null,
      value: nonsense,
      headers: commandHeaders('a', 0),
    })
    driver.settle()
    assert.deepEqual(toldBy(driver), [])
    assert.equal(driver.counts.failures.skipped, 3)
  })
})
