import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import type { SimDiskCall } from '../../../src/testing/sim-disk.ts'
import { batchOf, openStore, stored } from './batches.ts'

/** A store with one log whose second batch got as far as the disk call of this kind, which then fails. */
async function interruptedAt(kind: SimDiskCall, fault: 'killed' | 'failed'): Promise<SimDisk> {
  const failAt = new Map<number, 'disk-failed'>()
  let mustFail = false
  const disk: SimDisk = new SimDisk({
    seed: 3,
    failAt,
    onCall: (call, called) => {
      if (!mustFail || called !== kind) return
      if (fault === 'failed') failAt.set(call, 'disk-failed')
      else disk.crash()
    },
  })
  const store = await openStore({ disk })
  const log = await store.create('flights-0')
  await stored(log, batchOf(10))
  mustFail = true
  await assert.rejects(stored(log, batchOf(10)), { code: 'disk-failed' })
  return disk
}

describe('a group that was written and never synced', () => {
  for (const fault of ['killed', 'failed'] as const) {
    test(`counts when it is read again after a sync that ${fault}, so it survives the next power cut`, async () => {
      const disk = (await interruptedAt('sync', fault)).afterKill({ seed: 4 })
      const again = await openStore({ disk })
      assert.equal(again.get('flights-0')!.highWatermark, 20, 'readers see it')
      for (let seed = 1; seed <= 10; seed++) {
        const later = await openStore({ disk: disk.afterCrash({ seed }) })
        assert.equal(
          later.get('flights-0')!.highWatermark,
          20,
          `readers have seen it, seed ${seed}`,
        )
      }
    })

    test(`is no damage in front of those synced after it, ${fault}`, async () => {
      const disk = (await interruptedAt('sync', fault)).afterKill({ seed: 4 })
      const again = await openStore({ disk })
      await stored(again.get('flights-0')!, batchOf(10))
      for (let seed = 1; seed <= 10; seed++) {
        const later = await openStore({ disk: disk.afterCrash({ seed }) })
        assert.equal(later.get('flights-0')!.highWatermark, 30)
      }
    })
  }
})
