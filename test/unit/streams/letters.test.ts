/** Settling dead letters on a broker: each once, those before one that cannot be, and what others make of it. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { alterGroupOffsets, deleteRecords } from '../../../src/client/admin.ts'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import { Writer } from '../../../src/base/bytes.ts'
import { service } from '../../../src/service/service.ts'
import { rebuildStore } from '../../../src/streams/identity/ways-out.ts'
import { lettersOf, readLetters } from '../../../src/streams/letters/letters.ts'
import { dropLetters, replayLetters } from '../../../src/streams/letters/settle.ts'
import { planTopology } from '../../../src/streams/plan/plan.ts'
import {
  connect,
  createTopicsOf,
  runThrough,
  start,
  values,
  write,
} from '../../streams-suite/place.ts'
import type { Place } from '../../streams-suite/place.ts'
import { Payments, Shipments } from '../../types/shop.ts'
import { embeddedPlace } from './suite/embedded-place.ts'

/** Ships each payment, unless it is broken. */
function shipping(isBroken: boolean) {
  return service('shipping', {
    reads: [Payments],
    writes: [Shipments],
    onError: 'deadLetter',
    topology: (s) => {
      s.stream(Payments)
        .map(({ orderId, amount }) => {
          if (isBroken) throw new RangeError(`no ${orderId}`)
          return { orderId, amount, address: '' }
        })
        .to(Shipments)
      return {}
    },
  })
}

function counting(version: number) {
  return service('audit', {
    reads: [Payments],
    writes: [],
    topology: (s) => ({ n: s.stream(Payments).count('n', { version }) }),
  })
}

const payment = { paymentId: 'p', orderId: 'o1', amount: 1, status: 'X' }
const onProgress = (): void => undefined

describe('letters on a broker', { timeout: 60_000 }, () => {
  let place: Place
  let cluster: Cluster

  beforeEach(async () => {
    place = await embeddedPlace()
    cluster = await connect(place)
    await createTopicsOf(place, shipping(true))
  })

  afterEach(async () => {
    await cluster.close()
    await place.close()
  })

  it('that somebody else settled since they were read are not settled again', async () => {
    await write(place, Payments, [payment])
    await runThrough(place, shipping(true))
    const { letters } = await readLetters(cluster, 'shipping')
    const settling = { service: 'shipping', letters, onProgress }
    await replayLetters(cluster, settling)
    await assert.rejects(
      replayLetters(cluster, settling),
      /letter 'payments\/\d+\/0\/0' was settled by somebody else meanwhile: nothing was done/,
    )
    await assert.rejects(dropLetters(cluster, settling, ''), /was settled by somebody else/)
    await runThrough(place, shipping(false))
    assert.equal((await values(place, Shipments)).length, 1)
  })

  it('are read and settled beside what is none of this version', async () => {
    await write(place, Payments, [payment])
    await runThrough(place, shipping(true))
    const producer = new Producer(cluster)
    await producer.init()
    // Nothing, noise, and a letter with another fact (field 15), as a later version may write it.
    const ofLater = [0x0a, 1, 0x41, 0x7a, 0]
    for (const value of [null, Uint8Array.of(0xff, 0xff), Uint8Array.from(ofLater)]) {
      producer.append('shipping-dead-letters', 0, 1, Uint8Array.of(65), value)
    }
    await producer.flush()
    await producer.close()
    const { letters, unreadable } = await readLetters(cluster, 'shipping')
    assert.equal(unreadable, 3)
    assert.equal(letters.length, 1)
    assert.deepEqual(await replayLetters(cluster, { service: 'shipping', letters, onProgress }), [])
    await runThrough(place, shipping(false))
    assert.equal((await values(place, Shipments)).length, 1)
  })

  it('whose record is gone stay as they are, and the others are settled', async () => {
    const large = { ...payment, paymentId: 'p'.repeat(800_000) }
    await write(place, Payments, [large, payment])
    await runThrough(place, shipping(true))
    const { letters } = await readLetters(cluster, 'shipping')
    const [ofLarge, ofSmall] = letters
    const { stream: topic, partition } = ofLarge!
    await deleteRecords(cluster, [{ topic, partition, offset: 1 }])
    const left = await replayLetters(cluster, { service: 'shipping', letters, onProgress })
    assert.deepEqual(
      left.map(({ id }) => id),
      [ofLarge!.id],
    )
    assert.match(left[0]!.why, /the record is not where it was/)
    const open = (await readLetters(cluster, 'shipping')).letters.filter(({ settled }) => !settled)
    assert.deepEqual(
      open.map(({ id }) => id),
      [ofLarge!.id],
    )
    assert.notEqual(ofSmall!.id, ofLarge!.id)
    await runThrough(place, shipping(false))
    assert.equal((await values(place, Shipments)).length, 1)
  })

  it('are read and settled in pieces, by their number and by their bytes', async () => {
    const large = { ...payment, paymentId: 'p'.repeat(700_000) }
    const few = Array.from({ length: 12 }, () => large)
    await write(place, Payments, few)
    await write(
      place,
      Payments,
      Array.from({ length: 401 }, () => payment),
    )
    await runThrough(place, shipping(true))
    const { letters } = await readLetters(cluster, 'shipping')
    assert.equal(letters.length, 413)
    const seen = await Array.fromAsync(lettersOf(cluster, 'shipping', letters))
    // Eleven have 7.7 MB, and the twelfth would be beyond 8 MiB.
    assert.deepEqual(
      seen.map(({ length }) => length),
      [11, 200, 200, 2],
    )
    assert.deepEqual(
      seen.flat().map(({ id }) => id),
      letters.map(({ id }) => id),
    )
    for (const { id, failed } of seen.flat()) assert.equal(id.split('/')[2], String(failed.offset))
    const progress: number[] = []
    const settling = { service: 'shipping', letters, onProgress: (n: number) => progress.push(n) }
    await dropLetters(cluster, settling, 'too many')
    assert.deepEqual(progress, [11, 211, 411, 413])
  })

  it('leave no trace where another service is rebuilt to an offset inside a batch', async () => {
    await createTopicsOf(place, counting(1))
    const producer = new Producer(cluster)
    await producer.init()
    const writer = new Writer()
    Payments.codec.encode(payment, writer)
    const value = writer.finish()
    const headers = [{ key: 'headwater-replay-for', value: Buffer.from('shipping') }]
    for (const each of [undefined, headers, undefined, headers]) {
      producer.append('payments', 0, 1_000, Buffer.from('o1'), value, each)
    }
    await producer.flush()
    await producer.close()
    await runThrough(place, counting(1))
    await alterGroupOffsets(cluster, 'audit', [{ topic: 'payments', partition: 0, offset: 3 }])
    await rebuildStore(cluster, planTopology(counting(2).build()), 'n')
    await using running = await start(place, counting(2))
    await running.caughtUp()
    assert.equal(await running.views['n']!.get('o1'), 2)
  })
})
