import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8Bytes } from '../../../src/base/bytes.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { Broker } from '../../../src/broker/broker.ts'
import type { BrokerEvent } from '../../../src/broker/broker-event.ts'
import { createTopics } from '../../../src/client/admin.ts'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'

const store = { writeBehindBytes: 100, cacheBytes: 100, reserveBytes: 0 }

function open(disk: SimDisk, report: (event: BrokerEvent) => void = () => {}): Promise<Broker> {
  const ports = { disk, clock: nodeClock, random: nodeRandom }
  return Broker.open({ ...ports, directory: '/data', store, report })
}

function connect(broker: Broker): Promise<Cluster> {
  const ports = { dial: broker.dial, clock: nodeClock, random: nodeRandom }
  return Cluster.connect({ ...ports, bootstrap: [{ host: 'here', port: 1 }], retryTimeoutMs: 200 })
}

/** The disk of a broker that was killed with records in its journal that no segment has. */
async function leftBehind(): Promise<SimDisk> {
  const disk = new SimDisk({ seed: 1 })
  const cluster = await connect(await open(disk))
  await createTopics(cluster, [{ name: 'flights', partitions: 2 }])
  const producer = new Producer(cluster)
  await producer.init()
  for (let n = 0; n < 10; n++) producer.append('flights', n % 2, 1, null, utf8Bytes(`${n}`))
  await producer.flush()
  disk.crash()
  return disk
}

test('a broker whose disk fails while it starts does not start, or says so', async () => {
  let refused = 0
  for (let call = 1; ; call++) {
    const disk = (await leftBehind()).afterKill({ seed: 1, failAt: new Map([[call, 'disk-full']]) })
    const events: BrokerEvent[] = []
    let broker: Broker
    try {
      broker = await open(disk, (event) => events.push(event))
    } catch (error) {
      assert(isHeadwaterError(error, 'disk-full'), (error as Error).stack)
      refused++
      continue
    }
    const isOver = disk.calls < call
    try {
      await using cluster = await connect(broker)
      await createTopics(cluster, [{ name: 'airports', partitions: 1 }])
    } catch (error) {
      const isTold = events.some(({ type }) => type === 'broker-failed')
      assert(isTold, `call ${call}: ${(error as Error).stack}`)
    }
    if (isOver) break
    disk.crash()
  }
  assert(refused > 10, `${refused} starts were refused`)
})
