/** How a service ends, or goes on, when something it waits for never comes. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { embedded } from '../../../src/broker/embedded.ts'
import type { EmbeddedBroker } from '../../../src/broker/embedded.ts'
import { BatchBuilder } from '../../../src/records/record.ts'
import { crc32c } from '../../../src/base/checksum.ts'
import { planted } from '../../../src/base/planted.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import type { Clock } from '../../../src/io/ports.ts'
import { service } from '../../../src/service/service.ts'
import { connect, createTopicsOf, start, write } from '../../streams-suite/place.ts'
import { Line } from '../../streams-suite/line.ts'
import type { Place } from '../../streams-suite/place.ts'
import { orders, payments, shipping } from '../../streams-suite/services.ts'
import { Orders, Payments } from '../../types/shop.ts'

/** Far more than any of these endings takes, far less than it takes to try again and again. */
const soonMs = 15_000

describe('a service ends in good time', { timeout: 60_000 }, () => {
  let directory = ''
  let broker: EmbeddedBroker
  let place: Place

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'headwater-endings-'))
    broker = await embedded(directory)
    place = { broker, close: () => broker.close() }
  })

  afterEach(async () => {
    await broker.close()
    await rm(directory, { recursive: true })
  })

  it('and says why, when the broker in its process is closed under it', async () => {
    await createTopicsOf(place, shipping)
    await write(place, Orders, orders(0, 500))
    await write(place, Payments, payments(0, 500))
    await using busy = await start(place, shipping)
    const caughtUp = busy.caughtUp().catch((error: unknown) => error)
    await broker.close()
    const failed = busy.failed.catch((error: unknown) => error)
    await within(failed, async (error) => assert.equal(codeOf(error), 'broker-closed'))
    assert.equal(codeOf(await caughtUp), 'broker-closed')
    assert.equal(busy.stats().state, 'failed')
    await within(busy.close())
  })

  it('when its source is asked for more and has no answer', async () => {
    const quiet = service('billing', {
      reads: [],
      writes: [Payments],
      topology: (s) => {
        s.input('rows', Payments, async function* () {
          const payment = { paymentId: 'p', orderId: 'o1', amount: 1, status: 'X', paidAt: 1n }
          yield { events: [payment], position: 1 }
          await new Promise(() => {})
        })
        return {}
      },
    })
    await using running = await start(place, quiet)
    while (running.stats().inputs['rows']?.records !== 1) await pause(10)
    await within(running.close())
    assert.equal(running.stats().state, 'closed')
  })

  it('with the reason it was given up for, while it waits for an address where nobody answers', async () => {
    const signal = AbortSignal.timeout(100)
    const nowhere = { ...place, broker: { ...broker, dial: () => new Promise<never>(() => {}) } }
    await within(assert.rejects(start(nowhere, shipping, { signal }), { name: 'TimeoutError' }))
  })

  it('when no broker answers for a minute, with what the last attempt failed with', async () => {
    let awayMs = 0
    const clock: Clock = {
      ...nodeClock,
      monotonic: () => awayMs,
      after: (delayMs, callback) => {
        awayMs += delayMs
        return nodeClock.after(0, callback)
      },
    }
    const line = new Line(broker.dial)
    line.break()
    const nowhere = { ...place, broker: { ...broker, dial: line.dial } }
    await within(
      assert.rejects(start(nowhere, shipping, { clock }), {
        code: 'connection-failed',
        message: /out of reach/,
      }),
    )
    assert.ok(awayMs > 50_000 && awayMs < 70_000, `gave up after ${awayMs} ms`)
  })

  it('with the reason it was given up for, while it looks around', async () => {
    const line = new Line(broker.dial)
    line.fate = (api) => (api === 'OffsetFetch' ? 'lose' : 'pass')
    const far = { ...place, broker: { ...broker, dial: line.dial } }
    const giveUp = new AbortController()
    const starting = start(far, shipping, { signal: giveUp.signal })
    starting.catch(() => undefined)
    while (line.asked('OffsetFetch') === 0) await pause(10)
    giveUp.abort(new RangeError('enough'))
    await within(assert.rejects(starting, { message: 'enough' }))
  })

  it('and not before, however often it is closed', async () => {
    await createTopicsOf(place, shipping)
    const line = new Line(broker.dial)
    const far = { ...place, broker: { ...broker, dial: line.dial } }
    const options = { commitIntervalMs: 30_000, closeTimeoutMs: 500 }
    await using running = await start(far, shipping, options)
    await write(place, Orders, orders(0, 50))
    while (running.stats().recordsIn === 0) await pause(10)
    line.fate = (api) => (api === 'TxnOffsetCommit' ? 'lose' : 'pass')
    let hasEnded = false
    const closing = running.close().then(() => (hasEnded = true))
    while (line.asked('TxnOffsetCommit') === 0) await pause(10)
    await within(running.close())
    assert.equal(hasEnded, true)
    await closing
  })

  it('with an error of its own, when a batch has records that are none', async () => {
    await createTopicsOf(place, shipping)
    await writeBroken(place, Payments.name)
    await using running = await start(place, shipping)
    await within(assert.rejects(running.failed))
    assert.equal(running.stats().state, 'failed')
  })
})

async function within<T>(
  work: Promise<T>,
  check: (value: T) => Promise<void> = async () => {},
): Promise<void> {
  const late = AbortSignal.timeout(soonMs)
  const { promise, reject } = Promise.withResolvers<never>()
  late.addEventListener('abort', () => reject(new Error(`not within ${soonMs} ms`)))
  await check(await Promise.race([work, promise]))
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs)
  })
}

/** Writes a batch whose header and checksum are right and whose only record is not: our broker would refuse
 * it, but not every broker looks, and it did not always. */
async function writeBroken(place: Place, topic: string): Promise<void> {
  const builder = new BatchBuilder()
  builder.append(1, null, new Uint8Array(20))
  const batch = builder.finish()
  batch.fill(0x7f, 61)
  new DataView(batch.buffer, batch.byteOffset).setUint32(17, crc32c(batch, 21))
  const cluster = await connect(place)
  const { partitions } = await cluster.topic(topic)
  planted.add('trust-batch-headers')
  const { responses } = await cluster.send(
    partitions[0]!.leaderId,
    'Produce',
    {
      transactionalId: null,
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records: batch }] }],
    },
    { versionMax: 12 },
  )
  planted.delete('trust-batch-headers')
  assert.equal(responses[0]?.partitionResponses[0]?.errorCode, 0)
  await cluster.close()
}
