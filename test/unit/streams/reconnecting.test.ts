/** A service that has lost its broker says so, once, knows no lag, and says once that it is back. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { embedded } from '../../../src/broker/embedded.ts'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import { kafka } from '../../../src/client/security/kafka.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { run } from '../../../src/streams/runtime/run.ts'
import type { ServiceEvent } from '../../../src/streams/runtime/service-event.ts'
import { checkout, desk } from '../cli/modules/shop.ts'
import { until } from '../operations/observed.ts'

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
