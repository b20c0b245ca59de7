/** What is done in the turn of a record whose calls outside have not ended, and what calls may not keep. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { nodeClock } from '../../../src/io/node-clock.ts'
import { CallDeadlines } from '../../../src/streams/task/calls/call-deadlines.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { deadLettersOf } from '../../../src/events/dead-letters.ts'
import { service } from '../../../src/service/service.ts'
import { encodeKey } from '../../../src/streams/stores/serde.ts'
import type { Builder, Queries } from '../../../src/streams/topology/builder.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import { TopologyDriver } from '../../../src/testing/topology-driver.ts'
import { CustomerId, Payments, Shipments } from '../../types/shop.ts'

type Topology = Builder<'payments', 'shipments'>
const letters = deadLettersOf('shipping')
const minute = 60_000

/** Keys of one partition. */
const [a, b, c] = ['e', 'i', 'j']
const partition = encodeKey('string', a).hash % Payments.partitions

function shipping(topology: (s: Topology) => Queries): TopologyDriver {
  const reads = [Payments] as const
  return new TopologyDriver(
    service('shipping', { reads, writes: [Shipments], onError: 'deadLetter', topology }),
  )
}

function pay(driver: TopologyDriver, orderId: string, at = 1_000): void {
  driver.send(Payments, { paymentId: 'p', orderId, status: 'X', amount: 1, paidAt: BigInt(at) })
}

function failuresIn(driver: TopologyDriver) {
  return driver.read(letters).map(({ id, fact }) => {
    assert.equal(fact.case, 'failed')
    return { id, ...fact.value }
  })
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const shipment = (orderId: string) => ({ orderId, address: '', amount: 1 })

function refuse(orderId: string, refused: string): void {
  if (orderId === refused) throw new RangeError('refused')
}

describe('a letter of a record behind one whose call is out', () => {
  it('is written once, though the record is read once more after a start', async () => {
    let isHeld = true
    const driver = shipping((s) => {
      s.stream(Payments)
        .filter(({ orderId }) => {
          refuse(orderId, c)
          return true
        })
        .mapAsync('charge', async ({ orderId }) => {
          if (isHeld) await new Promise(() => undefined)
          return shipment(orderId)
        })
        .to(Shipments)
      return {}
    })
    pay(driver, a)
    pay(driver, c)
    const key = Buffer.from(b)
    driver.sendRecord(Payments, { key, value: Uint8Array.of(255), partition })
    driver.settle()
    isHeld = false
    driver.restart()
    await driver.settled()
    assert.deepEqual(
      failuresIn(driver).map(({ operator }) => operator),
      ['filter 1', 'decoding the value'],
    )
    assert.equal(driver.read(Shipments).length, 1)
  })
})

describe('the letter of a record with calls', () => {
  it('has its bytes, whichever operator failed', async () => {
    const driver = shipping((s) => {
      s.stream(Payments)
        .mapAsync('charge', ({ orderId }) => Promise.resolve(orderId), { onError: 'skip' })
        .map((orderId) => {
          refuse(orderId, a)
          return shipment(orderId)
        })
        .to(Shipments)
      return {}
    })
    pay(driver, a)
    await driver.settled()
    const [failed] = failuresIn(driver)
    assert.equal(Payments.codec.decode(failed!.value!).orderId, a)
    assert.equal(failed!.processedInPart, true, 'the call went through')
  })

  it('is one for each that failed, and says that others went out', async () => {
    const driver = shipping((s) => {
      s.stream(Payments)
        .flatMap(() => [1, 2, 3, 4])
        .map((n) => {
          if (n === 2) throw new RangeError('refused')
          return n
        })
        .mapAsync(
          'charge',
          (n) => (n > 2 ? Promise.reject(new Error('closed')) : Promise.resolve(shipment(a))),
          { retry: { attempts: 1 } },
        )
        .to(Shipments)
      return {}
    })
    pay(driver, a)
    await driver.settled()
    const failed = failuresIn(driver)
    assert.equal(new Set(failed.map(({ id }) => id)).size, 3)
    assert.deepEqual(
      failed.map(({ operator, processedInPart }) => [operator, processedInPart]),
      [
        ['map 2', true],
        ["mapAsync 'charge'", true],
        ["mapAsync 'charge'", true],
      ],
    )
  })
})

describe('windows behind calls', () => {
  const window = tumbling('1m', { grace: '0s', retention: '1m' })

  it('stay open for what is out, when it came through an inner topic', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const driver = shipping((s) => {
      const perCustomer = s
        .stream(Payments)
        .rekey('to-charge', CustomerId, () => 'c')
        .mapAsync('charge', async ({ orderId }) => (orderId === a ? promise.then(() => 1) : 1), {
          order: 'none',
        })
        .window(window)
        .count('charged')
      return { perCustomer }
    })
    pay(driver, a)
    for (let i = 0; i < 30; i++) {
      pay(driver, b, 10 * minute)
      driver.settle()
      await sleep(0)
    }
    resolve()
    await driver.settled()
    assert.equal(driver.counts.late, 0)
  })

  it('stay open for what a task has read and called for, and nothing came of yet', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const driver = shipping((s) => {
      const perCustomer = s
        .stream(Payments)
        .mapAsync('charge', async ({ orderId }) => (orderId === a ? promise.then(() => 1) : 1))
        .rekey('by-customer', CustomerId, () => 'c')
        .window(window)
        .count('charged')
      return { perCustomer }
    })
    pay(driver, a)
    const other = Array.from({ length: 100 }, (_, i) => `o${i}`).find((key) => {
      return encodeKey('string', key).hash % Payments.partitions !== partition
    })!
    for (let i = 0; i < 30; i++) {
      pay(driver, other, 10 * minute)
      driver.settle()
      await sleep(0)
    }
    resolve()
    await driver.settled()
    assert.equal(driver.counts.late, 0)
  })
})

describe('calls that are given up', () => {
  it('leave their slots to those who call again', async () => {
    let isHeld = true
    const driver = shipping((s) => {
      s.stream(Payments).forEach('mail', () => (isHeld ? new Promise(() => undefined) : sleep(1)), {
        concurrency: 1,
        order: 'none',
      })
      return {}
    })
    for (let i = 0; i < 64; i++) pay(driver, `o${i}`)
    driver.settle()
    isHeld = false
    driver.restart()
    const done = driver.settled().then(() => true)
    assert.equal(await Promise.race([done, sleep(5_000, false)]), true)
  })
})

describe('a call', () => {
  it('fails with what retry.when throws', async () => {
    const driver = new TopologyDriver(
      service('shipping', {
        reads: [Payments],
        writes: [],
        topology: (s) => {
          const when = (error: unknown): boolean =>
            (error as { response: { status: number } }).response.status > 499
          const closed = (): Promise<never> => Promise.reject(new Error('closed'))
          s.stream(Payments).forEach('mail', closed, { retry: { when } })
          return {}
        },
      }),
    )
    pay(driver, a)
    await assert.rejects(driver.settled(), (error) => {
      return isHeadwaterError(error, 'operator-failed') && /reading 'status'/.test(error.message)
    })
  })

  it('may end at once, however many wait for it', async () => {
    let calls = 0
    const driver = shipping((s) => {
      s.stream(Payments)
        .flatMap(() => Array.from({ length: 5_000 }, (_, i) => i))
        .forEach('mail', () => (calls++ === 0 ? sleep(5) : undefined), { order: 'partition' })
      return {}
    })
    pay(driver, a)
    await driver.settled()
    assert.equal(calls, 5_000)
  })

  it('counts among the 1,024 that have entered, also beside others of one record', () => {
    let taken = 0
    const driver = shipping((s) => {
      s.stream(Payments)
        .flatMap(() => {
          taken++
          return Array.from({ length: 1_000 }, (_, i) => i)
        })
        .forEach('mail', () => new Promise(() => undefined))
      return {}
    })
    for (let i = 0; i < 100; i++) pay(driver, a)
    driver.settle()
    assert.equal(taken, 32)
  })

  it('is watched by its time until it is over, and no longer', async () => {
    const deadlines = new CallDeadlines(nodeClock, 60_000)
    const entries: WeakRef<object>[] = []
    for (let i = 0; i < 5_000; i++) {
      const watched = deadlines.watch({ expire: () => undefined })
      watched.timed = undefined
      entries.push(new WeakRef(watched))
    }
    await sleep(1)
    collectGarbage()
    assert.ok(entries.filter((entry) => entry.deref() !== undefined).length <= 1_024)
    deadlines.stop()
  })

  it('is forgotten once what came of it is done, also while others are out', async () => {
    const results: WeakRef<object>[] = []
    const driver = shipping((s) => {
      s.stream(Payments)
        .mapAsync('charge', ({ orderId }) => {
          if (orderId === b) return new Promise<never>(() => undefined)
          const made = shipment(orderId)
          results.push(new WeakRef(made))
          return Promise.resolve(made)
        })
        .to(Shipments)
      return {}
    })
    for (let i = 0; i < 8; i++) pay(driver, a)
    pay(driver, b)
    for (let i = 0; i < 20; i++) {
      driver.settle()
      await sleep(1)
    }
    collectGarbage()
    assert.equal(driver.read(Shipments).length, 8)
    assert.ok(results.filter((result) => result.deref() !== undefined).length < 2)
  })
})
