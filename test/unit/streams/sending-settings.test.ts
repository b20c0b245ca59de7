/** What sending is bounded by: what it is unless said, and what is refused before anybody is dialled. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { kafka } from '../../../src/client/security/kafka.ts'
import { run } from '../../../src/streams/runtime/run.ts'
import { producer } from '../../../src/streams/runtime/producer.ts'
import { sendSettings } from '../../../src/streams/sending/settings.ts'
import type { SendOptions } from '../../../src/streams/sending/settings.ts'
import { checkout } from '../../streams-suite/sending.ts'

describe('the bounds of sending', () => {
  it('have defaults', () => {
    assert.deepEqual(sendSettings({}), {
      deliveryTimeoutMs: 30_000,
      bufferBytesMax: 33_554_432,
      messageBytesMax: 1_048_576,
      transactionsWaitingMax: 1_000,
      closeTimeoutMs: 10_000,
    })
  })

  const wrong: readonly [SendOptions, RegExp][] = [
    [
      { deliveryTimeoutMs: 99 },
      /^deliveryTimeoutMs is 99: give a whole number from 100 to 86400000$/,
    ],
    [{ deliveryTimeoutMs: 1.5e9 }, /^deliveryTimeoutMs is 1500000000: /],
    [{ bufferBytesMax: 1_023 }, /^bufferBytesMax is 1023: .*from 1024 to 2147483648$/],
    [{ messageBytesMax: 0 }, /^messageBytesMax is 0: .*from 1 to 104857600$/],
    [{ transactionsWaitingMax: -1 }, /^transactionsWaitingMax is -1: /],
    [{ closeTimeoutMs: Number.NaN }, /^closeTimeoutMs is NaN: /],
  ]
  for (const [options, message] of wrong) {
    it(`refuse ${JSON.stringify(options)}`, async () => {
      const broker = kafka('127.0.0.1:9')
      assert.throws(() => producer(checkout, { broker, ...options }), {
        code: 'config-invalid',
        message,
      })
      await assert.rejects(run(checkout, { broker, sending: options }), {
        code: 'config-invalid',
        message,
      })
    })
  }
})

describe('who runs a service, or sends for one', () => {
  const is = (what: string) => ({
    code: 'config-invalid',
    message:
      `broker is ${what}: give what kafka('host:port') returns, or what embedded(directory) has ` +
      'opened',
  })

  it('hears that there is no broker, and nothing of what was given', async () => {
    for (const [options, what] of [
      [undefined, 'missing'],
      [{}, 'missing'],
      [{ broker: null }, 'missing'],
      [{ broker: { host: 'h' } }, 'of type object'],
      [{ broker: 'kafka+ssl://user:secret@host:9093' }, 'of type string'],
    ] as const) {
      assert.throws(() => producer(checkout, options as never), is(what))
      await assert.rejects(run(checkout, options as never), is(what))
    }
  })

  it('hears that a name is no event', async () => {
    await using sender = producer(checkout, { broker: kafka('127.0.0.1:9') })
    for (const [event, what] of [
      ['orders', "'orders'"],
      [undefined, 'of type undefined'],
    ]) {
      await assert.rejects(sender.send(event as never, {} as never), {
        code: 'config-invalid',
        outcome: 'not-written',
        message:
          `what is to be sent to is ${what} and no event: give the event itself, as contracts ` +
          'declare it and `headwater gen` writes it',
      })
    }
  })
})
