/** What a service says while it waits for a partition that cannot be read, and that it goes on trying. */
import assert from 'node:assert/strict'
import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { utf8Bytes } from '../../../src/base/bytes.ts'
import { embedded } from '../../../src/broker/embedded.ts'
import type { EmbeddedBroker } from '../../../src/broker/embedded.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import type { Clock } from '../../../src/io/ports.ts'
import { service } from '../../../src/service/service.ts'
import type { ServiceEvent } from '../../../src/streams/runtime/service-event.ts'
import { connect, createTopicsOf, runThrough, start, write } from '../../streams-suite/place.ts'
import type { Place } from '../../streams-suite/place.ts'
import { orders, payments } from '../../streams-suite/services.ts'
import { Orders, Payments, Shipments } from '../../types/shop.ts'

/** Time runs so much faster for the service than for its broker. */
const pace = 50
const quick: Clock = {
  now: () => nodeClock.now(),
  monotonic: () => nodeClock.monotonic() * pace,
  after: (delayMs, callback) => nodeClock.after(delayMs / pace, callback),
  soon: (callback) => nodeClock.soon(callback),
}
const options = { clock: quick, sessionTimeoutMs: 300_000, requestTimeoutMs: 100_000 }

const joining = service('shipping', {
  reads: [Orders, Payments],
  writes: [Shipments],
  topology: (s) => {
    const known = s.table(Orders, { startup: 'interleave' })
    const paid = s.stream(Payments)
    paid.leftJoin(known, ({ orderId, amount }) => ({ orderId, address: '', amount })).to(Shipments)
    return { known, counts: paid.count('counts') }
  },
})

type Stalled = Extract<ServiceEvent, { type: 'stalled' }>

describe('a service that cannot read a partition', { timeout: 60_000 }, () => {
  let directory = ''
  let broker: EmbeddedBroker
  let place: Place
  let stalled: Stalled[]
  const onEvent = (event: ServiceEvent): void => {
    if (event.type === 'stalled') stalled.push(event)
  }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'headwater-stalls-'))
    stalled = []
    await reopen()
    await createTopicsOf(place, joining)
  })

  afterEach(async () => {
    await broker.close()
    await rm(directory, { recursive: true })
  })

  async function reopen(): Promise<void> {
    broker = await embedded(directory)
    place = { broker, close: () => broker.close() }
  }

  it('names it and why while its state comes back, and goes on trying', async () => {
    await write(place, Orders, orders(0, 60))
    await runThrough(place, joining)
    await broker.close()
    const mend = await damage(directory, /orders-3\D.*\.log$/)
    await reopen()
    const abort = new AbortController()
    const starting = start(place, joining, { ...options, onEvent, signal: abort.signal })
    const ended = starting.catch((error: unknown) => error)
    await until(() => stalled.length > 1)
    const [{ topic, partition, error, ms }] = stalled as [Stalled]
    assert.deepEqual([topic, partition, error.code], ['orders', 3, 'data-corrupt'])
    assert.match(error.message, /could not read orders-3: .*CORRUPT_MESSAGE/)
    assert.ok(ms >= 10_000 && stalled[1]!.ms >= ms + 10_000, 'it is said again, not all the time')
    abort.abort(new Error('enough'))
    assert.equal(((await ended) as Error).message, 'enough')
    await mend()
  })

  it('gives a start up after a minute when it cannot learn what its stores were', async () => {
    await runThrough(place, joining)
    await broker.close()
    await damage(directory, /shipping-stores-0\D.*\.log$/)
    await reopen()
    await assert.rejects(start(place, joining, options), {
      code: 'data-corrupt',
      message: /could not read shipping-stores-0: /,
    })
  })

  it('names it while it runs, and has it among its stats', async () => {
    await write(place, Payments, payments(0, 60))
    await runThrough(place, joining)
    await write(place, Payments, payments(60, 120))
    await broker.close()
    const mend = await damage(directory, /payments-3\D.*\.log$/, 'end')
    await reopen()
    await using running = await start(place, joining, { ...options, onEvent })
    await until(() => stalled.length > 0)
    assert.deepEqual([stalled[0]!.topic, stalled[0]!.partition], ['payments', 3])
    const { state, lastError, repairs, lag } = running.stats()
    assert.deepEqual([state, lastError?.code, repairs], ['running', 'data-corrupt', 0])
    assert.ok(lag! > 0)
    await mend()
  })

  it('names one whose end an open transaction keeps from it', async () => {
    await write(place, Payments, payments(0, 60))
    await runThrough(place, joining)
    await using cluster = await connect(place)
    await using foreign = new Producer(cluster, { transactionalId: 'foreign' })
    await foreign.init()
    foreign.begin()
    foreign.append('shipping-counts-changelog', 0, 1, utf8Bytes('none'), null)
    await foreign.flush()
    const starting = start(place, joining, { ...options, onEvent })
    await until(() => stalled.length > 0)
    const [{ topic, partition, error }] = stalled as [Stalled]
    assert.deepEqual([topic, partition, error.code], ['shipping-counts-changelog', 0, 'timeout'])
    assert.match(error.message, /a transaction over it is open/)
    await foreign.abort()
    await using running = await starting
    assert.equal(running.stats().state, 'running')
  })
})

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(10)
}

/** Turns a byte of a file around; the returned function turns it back. */
async function damage(
  directory: string,
  name: RegExp,
  where: 'beginning' | 'end' = 'beginning',
): Promise<() => Promise<void>> {
  const files = await readdir(directory, { recursive: true })
  const path = join(
    directory,
    files.find((each) => name.test(each))!,
  )
  const turn = async (): Promise<void> => {
    const file = await open(path, 'r+')
    const { size } = await file.stat()
    const at = where === 'end' ? size - 3 : 100
    const byte = new Uint8Array(1)
    await file.read(byte, 0, 1, at)
    byte[0]! ^= 0xff
    await file.write(byte, 0, 1, at)
    await file.close()
  }
  await turn()
  return turn
}
