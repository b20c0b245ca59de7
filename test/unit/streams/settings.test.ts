/** The times a service runs by: what they are unless said, how they hang together, and what is refused. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { runTopology } from '../../../src/streams/runtime/run-topology.ts'
import { queryAddressOf, settingsOf } from '../../../src/streams/runtime/settings.ts'
import type { Settings } from '../../../src/streams/runtime/settings.ts'
import { shipping } from '../../types/shop.ts'

const dayMs = 86_400_000

describe('the address that others are told', () => {
  it('is one that can be dialled, in one spelling', () => {
    assert.equal(queryAddressOf(undefined), undefined)
    assert.equal(queryAddressOf('10.0.0.5:8092'), '10.0.0.5:8092')
    assert.equal(queryAddressOf('[fd00::5]:8092'), '[fd00::5]:8092')
    assert.equal(queryAddressOf('pod-1.shop:80'), 'pod-1.shop:80')
    assert.throws(() => queryAddressOf('10.0.0.5:6000'), {
      code: 'config-invalid',
      message: /no instance can ask there: fetch refuses port 6000/,
    })
  })

  it('is refused before anybody is dialled when it is none', async () => {
    for (const queryAddress of [
      '',
      '8092',
      'host',
      'host:0',
      '0.0.0.0:8092',
      '[::]:8092',
      'a b:1',
    ]) {
      const running = runTopology(shipping.build(), {
        broker: {
          bootstrap: [{ host: 'nowhere', port: 1 }],
          dial: () => assert.fail('nobody is to be dialled'),
        },
        clock: nodeClock,
        random: nodeRandom,
        queryAddress,
      })
      await assert.rejects(running, {
        code: 'config-invalid',
        message: /queryAddress is '.*': give/,
      })
    }
  })
})

describe('the settings of a service', () => {
  it('have defaults for a session of 15 seconds', () => {
    assert.deepEqual(settingsOf({}), {
      commitIntervalMs: 100,
      purgeIntervalMs: 30_000,
      sessionTimeoutMs: 15_000,
      heartbeatIntervalMs: 1_250,
      rebalanceTimeoutMs: 5_000,
      transactionTimeoutMs: 60_000,
      requestTimeoutMs: 7_500,
      turnMs: 20,
      closeTimeoutMs: 10_000,
      metadataMaxAgeMs: 300_000,
    })
  })

  it('follow the session where they are not given', () => {
    const of = (sessionTimeoutMs: number) => {
      const { heartbeatIntervalMs, rebalanceTimeoutMs, requestTimeoutMs } = settingsOf({
        sessionTimeoutMs,
      })
      return [heartbeatIntervalMs, rebalanceTimeoutMs, requestTimeoutMs]
    }
    assert.deepEqual(of(6_000), [500, 2_000, 3_000])
    assert.deepEqual(of(60_000), [3_000, 20_000, 30_000])
    assert.deepEqual(of(1_000), [84, 1_000, 1_000])
  })

  it('are taken as given', () => {
    const given: Settings = {
      commitIntervalMs: 5,
      purgeIntervalMs: 6,
      sessionTimeoutMs: 900,
      heartbeatIntervalMs: 300,
      rebalanceTimeoutMs: 1_007,
      transactionTimeoutMs: 1_000,
      requestTimeoutMs: 100,
      turnMs: 300,
      closeTimeoutMs: 9,
      metadataMaxAgeMs: 10,
    }
    assert.deepEqual(settingsOf(given), given)
  })

  const bounds: readonly (readonly [keyof Settings, least: number, most: number])[] = [
    ['commitIntervalMs', 0, dayMs / 2],
    ['purgeIntervalMs', 0, dayMs],
    ['sessionTimeoutMs', 100, dayMs],
    ['heartbeatIntervalMs', 1, 5_000],
    ['rebalanceTimeoutMs', 2_500, dayMs],
    ['transactionTimeoutMs', 1_000, dayMs],
    ['requestTimeoutMs', 100, dayMs],
    ['turnMs', 1, 5_000],
    ['closeTimeoutMs', 0, dayMs],
    ['metadataMaxAgeMs', 1, dayMs],
  ]
  for (const [name, least, most] of bounds) {
    it(`refuse ${name} out of its bounds, or not whole, by name`, () => {
      // Around its own bounds all others hold.
      const others = {
        ...(name === 'sessionTimeoutMs' ? { heartbeatIntervalMs: 1, turnMs: 1 } : {}),
        ...(name === 'commitIntervalMs' ? { transactionTimeoutMs: dayMs } : {}),
      }
      for (const fine of [least, most]) settingsOf({ ...others, [name]: fine })
      for (const wrong of [least - 1, most + 1, least + 0.5, NaN, -Infinity]) {
        assert.throws(() => settingsOf({ ...others, [name]: wrong }), {
          code: 'config-invalid',
          message: new RegExp(
            `^${name} is ${wrong}: give whole milliseconds from \\d+ to \\d+( \\(.*\\))?$`,
          ),
        })
      }
    })
  }

  it('keep a transaction open for twice as long as records wait for their commit', () => {
    assert.throws(() => settingsOf({ commitIntervalMs: 5_000, transactionTimeoutMs: 9_999 }), {
      message:
        'transactionTimeoutMs is 9999: give whole milliseconds from 10000 to 86400000 ' +
        '(two commits have to fit into it, of commitIntervalMs, 5000)',
    })
  })

  it('have two heartbeats in each rebalance, or its tables would answer now and then only', () => {
    assert.throws(() => settingsOf({ heartbeatIntervalMs: 3_000, rebalanceTimeoutMs: 5_999 }), {
      code: 'config-invalid',
      message:
        'rebalanceTimeoutMs is 5999: give whole milliseconds from 6000 to 86400000 ' +
        '(two heartbeats have to fit into it, of heartbeatIntervalMs, 3000)',
    })
    settingsOf({ heartbeatIntervalMs: 3_000, rebalanceTimeoutMs: 6_000 })
    assert.equal(settingsOf({ heartbeatIntervalMs: 5_000 }).rebalanceTimeoutMs, 10_000)
  })

  it('have three heartbeats and three turns in each session', () => {
    const session = { sessionTimeoutMs: 6_000 }
    assert.throws(() => settingsOf({ ...session, heartbeatIntervalMs: 2_001 }), {
      message:
        'heartbeatIntervalMs is 2001: give whole milliseconds from 1 to 2000 ' +
        '(three heartbeats have to fit into sessionTimeoutMs, 6000)',
    })
    assert.throws(() => settingsOf({ ...session, turnMs: 2_001 }), {
      message:
        'turnMs is 2001: give whole milliseconds from 1 to 2000 ' +
        '(three turns have to fit into sessionTimeoutMs, 6000)',
    })
  })

  it('are checked before anybody is dialled', async () => {
    const dial = () => assert.fail('dialled')
    const broker = { bootstrap: [{ host: 'nowhere', port: 1 }], dial }
    const options = { broker, clock: nodeClock, random: nodeRandom, turnMs: 6_000 }
    await assert.rejects(runTopology(shipping.build(), options), {
      code: 'config-invalid',
      message: /^turnMs is 6000: give whole milliseconds from 1 to 5000/,
    })
  })
})
