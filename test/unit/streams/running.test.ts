/** A service on a broker with short sessions: what takes long in here is told from what is dead. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { embedded } from '../../../src/broker/embedded.ts'
import { groupsDefaults } from '../../../src/coordinator/groups/options.ts'
import { service } from '../../../src/service/service.ts'
import { inPlace, start, values, write } from '../../streams-suite/place.ts'
import type { OpenPlace } from '../../streams-suite/place.ts'
import { createTopicsOf } from '../../streams-suite/place.ts'
import { payments } from '../../streams-suite/services.ts'
import { Payments, Shipments } from '../../types/shop.ts'

const sessionTimeoutMs = 1_000
const records = 2_000

it('a function of 2 ms a record is called about once for each, in a backlog of several sessions', () =>
  inPlace(openPlace, async (place) => {
    let calls = 0
    const slow = service('shipping', {
      reads: [Payments],
      writes: [Shipments],
      topology: (s) => {
        const copies = s.stream(Payments).map(({ orderId, amount }) => {
          calls++
          busyFor(2)
          return { orderId, address: '', amount }
        })
        copies.to(Shipments)
        return {}
      },
    })
    await createTopicsOf(place, slow)
    await write(place, Payments, payments(0, records))
    await using running = await start(place, slow, { sessionTimeoutMs })
    await running.caughtUp()
    assert.equal((await values(place, Shipments)).length, records)
    assert.ok(calls < records * 1.5, `${calls} calls`)
    assert.equal(running.stats().state, 'running')
  }))

const openPlace: OpenPlace = async () => {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-running-'))
  const groups = { ...groupsDefaults, sessionTimeoutMsMin: 500 }
  const broker = await embedded(directory, { durability: 'os', config: { groups } })
  return {
    broker,
    close: async () => {
      await broker.close()
      await rm(directory, { recursive: true })
    },
  }
}

function busyFor(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}
