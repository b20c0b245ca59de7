/** Stores that are put right while somebody develops: not under those who use them, and on no other broker. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { addressText } from '../../../src/base/address.ts'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { develop } from '../../../src/io/node-process.ts'
import { service } from '../../../src/service/service.ts'
import { mendStores } from '../../../src/streams/identity/mend.ts'
import { planTopology } from '../../../src/streams/plan/plan.ts'
import { connect, createTopicsOf, runThrough, start, write } from '../../streams-suite/place.ts'
import type { Place } from '../../streams-suite/place.ts'
import { Payments } from '../../types/shop.ts'
import { embeddedPlace } from './suite/embedded-place.ts'

/** Counts payments, under this name. */
const counting = (name: string) =>
  service('audit', {
    reads: [Payments],
    writes: [],
    topology: (s) => ({ n: s.stream(Payments).count(name) }),
  })

const payment = { paymentId: 'p', orderId: 'o1', amount: 1, status: 'X' }

describe('stores, while somebody develops', { timeout: 60_000 }, () => {
  let place: Place
  let cluster: Cluster
  const lines: string[] = []
  const tell = (line: string): void => void lines.push(line)

  beforeEach(async () => {
    lines.length = 0
    place = await embeddedPlace()
    cluster = await connect(place)
    await createTopicsOf(place, counting('n'))
    await write(place, Payments, [payment, payment])
  })

  afterEach(async () => {
    await cluster.close()
    await place.close()
  })

  it('stay as they are while members use them, who are waited for so long and no longer', async () => {
    await using running = await start(place, counting('n'))
    await running.caughtUp()
    const plan = planTopology(counting('other').build())
    await mendStores(cluster, plan, { tell, membersMs: 300 })
    assert.equal(lines.length, 1)
    assert.match(lines[0]!, /^service 'audit': waiting until its group misses audit-1-/)
    assert.equal(running.views['n']!.get('o1'), 2)
    assert.equal(running.stats().state, 'running')
  })

  it('are put right on the broker that is developed on, and on no other', async () => {
    await runThrough(place, counting('n'))
    const own = place.broker.bootstrap.map(addressText).join()
    develop({ broker: `${own}0`, tell })
    await assert.rejects(start(place, counting('other')), (error) => {
      return isHeadwaterError(error, 'state-mismatch')
    })
    assert.deepEqual(lines, [])
    develop({ broker: own, tell })
    await using running = await start(place, counting('other'))
    await running.caughtUp()
    assert.equal(running.views['n']!.get('o1'), 2)
    assert.equal(lines[0], "service 'audit' has other stores than when it ran last:")
  })
})
