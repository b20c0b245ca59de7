import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
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
  const host = await Host.open({ ...options, broker: address })
  await host.start(['one', 'two', 'three'].map(counting))
  await broker.close()
  const from = performance.now()
  await host.close()
  assert.ok(performance.now() - from < endMs, `took ${performance.now() - from} ms`)
  await rm(directory, { recursive: true })
})

function counting(name: string) {
  return service(name, {
    reads: [Orders],
    writes: [],
    topology: (s) => ({ orders: s.table(Orders) }),
  })
}
