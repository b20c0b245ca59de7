/** A service that has lost its broker says so, once, knows no lag, and says once that it is back. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { embedded } from '../../../src/broker/embedded.ts'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import { kafka } from '../../../src/client/security/kafka.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { readiness } from '../../../src/operations/readiness.ts'
import { run } from '../../../src/streams/runtime/run.ts'
import type { ServiceEvent } from '../../../src/streams/runtime/service-event.ts'
import { checkout, desk } from '../cli/modules/shop.ts'
import { until } from '../operations/observed.ts'

/** Passes on what comes for `port`, until it is frozen: then connections stay, and nobody hears of anything. */
async function freezable(host: string, port: number) {
  const pairs: (readonly [Socket, Socket])[] = []
  const server = createServer((client) => {
    const broker = connect(port, host)
    pairs.push([client, broker])
    client.on('error', () => broker.destroy()).pipe(broker)
    broker.on('error', () => client.destroy()).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    freeze: () => {
      for (const [client, broker] of pairs) {
        client.unpipe()
        broker.unpipe()
      }
    },
    [Symbol.asyncDispose]: async () => {
      server.close()
      for (const each of pairs.flat()) each.destroy()
    },
  }
}

describe('a service whose broker goes away', { timeout: 60_000 }, () => {
  let directory = ''
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'headwater-reconnecting-'))
  })
  after(() => rm(directory, { recursive: true }))

  it('is reconnecting, answers on from its tables, and is running when it is back', async () => {
    const first = await embedded(directory)
    const { host, port } = first.bootstrap[0]
    const events: ServiceEvent[] = []
    const onEvent = (event: ServiceEvent, service: string): void => {
      if (service === 'desk') events.push(event)
    }
    const options = { broker: kafka(`${host}:${port}`), onEvent }
    await using app = await run([checkout, desk], options)
    await app.caughtUp()
    const told = (type: ServiceEvent['type']) => events.filter((event) => event.type === type)
    assert.deepEqual(told('broker-lost'), [])

    await first.close()
    await until(() => app.stats().desk.state === 'reconnecting')
    const { lag, ready, outages } = app.stats().desk
    assert.deepEqual({ lag, ready, outages }, { lag: undefined, ready: true, outages: 1 })
    assert.equal(await app.query.desk.perCustomer.get('ada'), 2)
    const [lost] = told('broker-lost') as Extract<ServiceEvent, { type: 'broker-lost' }>[]
    assert.equal(lost!.error.code, 'connection-failed')

    const second = await embedded(directory, { port })
    await until(() => app.stats().desk.state === 'running')
    await app.caughtUp()
    assert.equal(app.stats().desk.lag, 0)
    assert.equal(told('broker-lost').length, 1)
    assert.equal(told('broker-found').length, 1)
    const states = told('state').map((event) => event.type === 'state' && event.state)
    assert.ok(states.includes('reconnecting'))
    assert.equal(states.at(-1), 'running')
    assert.equal(states.filter((state) => state === 'reconnecting').length, 1)
    await app.close()
    await second.close()
    assert.equal(app.stats().desk.state, 'closed')
  })

  it('is not ready when it has not heard from its group for so long that it answers nothing', async () => {
    await using broker = await embedded(directory)
    const [{ host, port }] = broker.bootstrap
    await using between = await freezable(host, port)
    const { bootstrap, dial } = kafka(`${host}:${port}`)
    await using app = await run([checkout, desk], {
      broker: { bootstrap, dial: () => dial('127.0.0.1', between.port) },
      rebalanceTimeoutMs: 1_000,
      heartbeatIntervalMs: 100,
      closeTimeoutMs: 100,
    })
    await app.caughtUp()
    assert.equal(readiness(app).ready, true)
    between.freeze()
    const { perCustomer } = app.query.desk
    const isRefused = async () => {
      return perCustomer.get('ada').then(
        () => false,
        () => true,
      )
    }
    while (!(await isRefused())) await delay(20)
    const { state, ready } = app.stats().desk
    assert.deepEqual([state, ready], ['running', false])
    const { desk: said } = readiness(app).services
    assert.match(said!.reason!, /has not heard from its group/)
  })

  it('has a broker as long as one of several answers', async () => {
    await using broker = await embedded(directory)
    const [{ host, port }] = broker.bootstrap
    const { bootstrap, dial } = kafka(`127.0.0.1:9,${host}:${port}`)
    const cluster = Cluster.unasked({ bootstrap, dial, clock: nodeClock, random: nodeRandom })
    const outages: unknown[] = []
    cluster.watchContact((outage) => outages.push(outage?.code))
    await cluster.refresh()
    assert.deepEqual(outages, ['connection-failed', undefined], 'until one did, none had')
    // Bootstrap address 0 has the id -1.
    await assert.rejects(cluster.connection(-1))
    await assert.rejects(cluster.connection(-1))
    await cluster.connection(-2, 'another')
    assert.equal(outages.length, 2, 'the other is connected all the time')
    await cluster.close()
  })
})
