import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { addressText } from '../../../src/base/address.ts'
import { embedded } from '../../../src/broker/embedded.ts'
import { Host } from '../../../src/cli/host.ts'
import { service } from '../../../src/service/service.ts'
import { Orders } from '../../types/shop.ts'

/** More than one service may take to end without its broker, less than three one after the other. */
const endMs = 22_000

test('services whose broker is gone end side by side', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-host-'))
  const broker = await embedded(directory)
  const [address] = broker.bootstrap
  const options = { dir: directory, port: 0, queryPort: 0, durability: 'os' } as const
  const host = await Host.open({ ...options, broker: addressText(address) })
  await host.start(['one', 'two', 'three'].map(counting))
  await broker.close()
  const from = performance.now()
  await host.close()
  assert.ok(performance.now() - from < endMs, `took ${performance.now() - from} ms`)
  await rm(directory, { recursive: true })
})

test('a query of a service that has failed is answered with 503 and what stopped it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-host-'))
  await using host = await Host.open({ dir: directory, port: 0, queryPort: 0, durability: 'os' })
  const failing = service('checkout', {
    reads: [Orders],
    writes: [Orders],
    topology: (s) => {
      s.input('till', Orders, async function* () {
        const order = { orderId: 'o1', customerId: 'c1', address: '', total: 1 }
        yield { events: [order], position: 1 }
        throw new RangeError('the till is empty')
      })
      return { orders: s.table(Orders) }
    },
  })
  await host.start([failing])
  await assert.rejects(host.failed)
  const response = await fetch(`${host.queryUrl}/v1/checkout/orders/o1`)
  assert.equal(response.status, 503)
  const { error } = (await response.json()) as { error: { code: string; message: string } }
  assert.equal(error.code, 'service-ended')
  assert.match(error.message, /'checkout' has ended \([a-z-]+\): .*the till is empty/)
  await host.close()
  await rm(directory, { recursive: true })
})

test('a query of a service that is starting is answered with 503 and when to ask again', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-host-'))
  await using host = await Host.open({ dir: directory, port: 0, queryPort: 0, durability: 'os' })
  const started = host.start([counting('early')])
  const response = await fetch(`${host.queryUrl}/v1/early/orders?key=o1`)
  const { error } = (await response.json()) as { error: { code: string; message: string } }
  assert.deepEqual([response.status, error.code], [503, 'not-ready'])
  assert.match(error.message, /service 'early' is starting/)
  assert.equal(response.headers.get('retry-after'), '1')
  await started
  assert.equal((await fetch(`${host.queryUrl}/v1/early/orders?key=o1`)).status, 404)
  await host.close()
  await rm(directory, { recursive: true })
})

test('two hosts of one service answer for each other', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-host-'))
  const broker = await embedded(directory)
  const options = { dir: directory, port: 0, queryPort: 0, durability: 'os' } as const
  const outside = { ...options, broker: addressText(broker.bootstrap[0]) }
  {
    await using a = await Host.open({ ...outside, instanceId: 'a' })
    await using b = await Host.open({ ...outside, instanceId: 'b' })
    assert.equal(`http://${a.queryAddress}`, a.queryUrl)
    const apps = await Promise.all([a.start([counting('twice')]), b.start([counting('twice')])])
    for (const host of [a, b]) {
      for (let n = 0; n < 20; n++) {
        const { status, error } = await ask(`${host.queryUrl}/v1/twice/orders?key=o${n}`)
        assert.deepEqual([status, error.code], [404, 'no-value'], error.message)
      }
    }
    const [first, second] = apps.map((app) => app.stats().twice!.assignment!.tasks.length)
    assert.ok(first! > 0 && second! > 0, `${first} and ${second} tasks`)
  }
  await broker.close()
  await rm(directory, { recursive: true })
})

/** The refusal of a query, once it is no longer that partitions move. */
async function ask(url: string) {
  for (const from = performance.now(); ;) {
    const response = await fetch(url)
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    if (response.status !== 503) return { status: response.status, error }
    assert.ok(performance.now() - from < 20_000, error.message)
    await delay(20)
  }
}

function counting(name: string) {
  return service(name, {
    reads: [Orders],
    writes: [],
    topology: (s) => ({ orders: s.table(Orders) }),
  })
}
