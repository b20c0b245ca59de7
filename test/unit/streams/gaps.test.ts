/** Records that are gone before they were read are counted once, however often they are found gone. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { embedded } from '../../../src/broker/embedded.ts'
import { deleteRecords } from '../../../src/client/admin.ts'
import { listTransactions } from '../../../src/client/producer/list-transactions.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import { service } from '../../../src/service/service.ts'
import type { ServiceEvent } from '../../../src/streams/runtime/service-event.ts'
import { Line } from '../../streams-suite/line.ts'
import { connect, createTopicsOf, runThrough, start, write } from '../../streams-suite/place.ts'
import type { Place } from '../../streams-suite/place.ts'
import { payments } from '../../streams-suite/services.ts'
import { Payments } from '../../types/shop.ts'

const counting = service('shipping', {
  reads: [Payments],
  writes: [],
  topology: (s) => ({ counts: s.stream(Payments).count('counts') }),
})

it(
  'a service that goes back before it has committed has skipped nothing twice',
  { timeout: 60_000 },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'headwater-gaps-'))
    const broker = await embedded(directory)
    const place: Place = { broker, close: () => broker.close() }
    await createTopicsOf(place, counting)
    await write(place, Payments, payments(0, 60))
    await runThrough(place, counting)
    await write(place, Payments, payments(60, 120))
    await using cluster = await connect(place)
    const all = Array.from({ length: 12 }, (_, partition) => {
      return { topic: 'payments', partition, offset: -1 }
    })
    await deleteRecords(cluster, all)
    const line = new Line(broker.dial)
    const losing = { ...place, broker: { ...broker, dial: line.dial } }
    const skipped: number[] = []
    const onEvent = (event: ServiceEvent): void => {
      if (event.type === 'skipped') skipped.push(event.records)
    }
    // Its first commit comes too late: another has ended its transaction by then.
    let isLate = false
    line.fate = (api) => (api === 'TxnOffsetCommit' && !isLate ? 'lose' : 'pass')
    const options = { onGap: 'skip', onEvent, requestTimeoutMs: 300 } as const
    await using running = await start(losing, counting, options)
    while (line.asked('TxnOffsetCommit') === 0) await delay(10)
    const [own] = await listTransactions(cluster)
    await using other = new Producer(cluster, { transactionalId: own!.transactionalId })
    await other.init()
    isLate = true
    while (running.stats().repairs === 0) await delay(10)
    await running.caughtUp()
    const total = skipped.reduce((sum, records) => sum + records, 0)
    assert.deepEqual([total, running.stats().recordsSkipped], [60, 60])
    await running.close()
    await broker.close()
    await rm(directory, { recursive: true })
  },
)
