/** The times a service runs by: what is refused, and that short ones cost nothing. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { embedded } from '../../../src/broker/embedded.ts'
import { settingsOf } from '../../../src/streams/runtime/settings.ts'
import { start } from '../../streams-suite/place.ts'
import { shipping } from '../../streams-suite/services.ts'

describe('the settings of a service', () => {
  const refused = [
    { sessionTimeoutMs: 99 },
    { sessionTimeoutMs: 86_400_001 },
    { heartbeatIntervalMs: 5_001 },
    { requestTimeoutMs: 99 },
    { turnMs: 0 },
    { commitIntervalMs: 1.5 },
    { transactionTimeoutMs: 999 },
    { transactionTimeoutMs: 9_999, commitIntervalMs: 5_000 },
  ]
  for (const options of refused) {
    const [name] = Object.keys(options)
    it(`do not take ${JSON.stringify(options)}`, () => {
      assert.throws(() => settingsOf(options), { code: 'config-invalid', message: RegExp(name!) })
    })
  }

  it('fit each other with a session of 100 ms and with one of a day', () => {
    const [short, long] = [
      settingsOf({ sessionTimeoutMs: 100 }),
      settingsOf({ sessionTimeoutMs: 86_400_000 }),
    ]
    assert.ok(short.heartbeatIntervalMs * 3 <= 100)
    assert.ok(long.heartbeatIntervalMs <= 3_000)
    assert.ok(long.rebalanceTimeoutMs <= 60_000)
  })

  it('keep connections when there is nothing to read, however short a request may take', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'headwater-settings-'))
    await using broker = await embedded(directory)
    let dials = 0
    const dial: typeof broker.dial = (host, port) => {
      dials++
      return broker.dial(host, port)
    }
    const place = { broker: { ...broker, dial }, close: async () => undefined }
    const running = await start(place, shipping, { requestTimeoutMs: 200 })
    const before = dials
    await delay(1_500)
    assert.ok(dials - before <= 1, `${dials - before} connections were opened anew`)
    await running.close()
    await broker.close()
    await rm(directory, { recursive: true })
  })
})
