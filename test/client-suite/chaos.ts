/** Everything at once: members that transform in transactions, connections that break, restarts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Producer } from '../../src/client/producer/producer.ts'
import type { Peer } from './peer.ts'
import {
  apiKeyOf,
  bytes,
  connect,
  cutting,
  freshName,
  freshTopic,
  generator,
  keepAwake,
  readAll,
  readStable,
  values,
} from './peer.ts'
import { startTransform } from './transform.ts'

const partitions = 4
const count = 8_000

export function chaos(peer: () => Peer, seeds: readonly number[]): void {
  keepAwake()

  for (const seed of seeds) {
    test(`a transform over broken connections writes every record once (seed ${seed})`, async () => {
      const random = generator(seed)
      await using cluster = await connect(peer())
      const [from, to] = [
        await freshTopic(cluster, partitions),
        await freshTopic(cluster, partitions),
      ]
      let isOn = true
      const breaks = (): boolean => isOn && random() < 0.03
      const dial = cutting((host, port) => peer().dial(host, port), {
        onRequest: (chunks) => {
          if (apiKeyOf(chunks) === 18 || !breaks()) return 'pass'
          return random() < 0.5 ? 'half' : 'cut'
        },
        onResponse: () => (breaks() ? 'cut' : 'pass'),
      })
      const broken: Peer = { ...peer(), dial }
      await using source = new Producer(cluster, { batchBytes: 300 })
      await source.init()
      for (let i = 0; i < count; i++) {
        source.append(from, i % partitions, i, null, bytes(String(i)))
      }
      const groupId = freshName('group')
      const start = () => startTransform(broken, { groupId, from, to })
      const workers = [await start(), await start()]
      await source.flush()
      let most = -1
      let deadline = 0
      for (let turn = 0; ; turn++) {
        const read = await readStable(cluster, to)
        // However slow the machine is, what goes on is not stuck.
        if (read.length > most) deadline = Date.now() + 60_000
        most = read.length
        assert.ok(read.length <= count, `${read.length} of ${count}`)
        if (read.length === count) break
        if (Date.now() > deadline) {
          const doing = workers.map((each) => each.describe()).join('\n')
          throw new Error(`stuck at ${read.length}: ${doing}`)
        }
        await new Promise((resolve) => setTimeout(resolve, 100))
        if (turn % 10 === 3) await peer().restart?.()
        if (turn % 10 === 7) {
          await workers.shift()!.die()
          workers.push(await start())
        }
      }
      isOn = false
      await Promise.all(workers.map((each) => each.stop()))
      const read = await readAll(cluster, to)
      for (let partition = 0; partition < partitions; partition++) {
        const expected = Array.from({ length: count / partitions }, (_, i) =>
          String(partitions * i + partition),
        )
        assert.deepEqual(values(read.filter((record) => record.partition === partition)), expected)
      }
    })
  }
}
