/** Who fences the transactional ids of others has asked the group first, and lately. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { HeadwaterError, isHeadwaterError } from '../../../src/base/errors.ts'
import { embedded } from '../../../src/broker/embedded.ts'
import type { EmbeddedBroker } from '../../../src/broker/embedded.ts'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { nonMember } from '../../../src/client/group/ownership.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import { Orphans } from '../../../src/streams/runtime/orphans.ts'
import { connect } from '../../streams-suite/place.ts'

const transactionTimeoutMs = 10_000

describe('the producers of instances that left', () => {
  let directory = ''
  let broker: EmbeddedBroker
  let cluster: Cluster
  let other: Producer

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'headwater-orphans-'))
    broker = await embedded(directory, { durability: 'os' })
    cluster = await connect({ broker, close: () => broker.close() })
    other = new Producer(cluster, { transactionalId: 'tally/b-1', transactionTimeoutMs })
    await other.init()
  })

  afterEach(async () => {
    await other.close()
    await cluster.close()
    await broker.close()
    await rm(directory, { recursive: true, force: true })
  })

  const end = (confirm: () => Promise<void>): Promise<readonly string[]> => {
    const orphans = new Orphans(cluster, transactionTimeoutMs)
    return orphans.end({ own: 'tally/a-1', peers: ['tally/a-1'], assertWanted, confirm })
  }
  const isFenced = async (): Promise<boolean> => {
    other.begin()
    try {
      await other.sendOffsets(nonMember('g'), [{ topic: 'none', partition: 0, offset: 0 }])
      await other.abort()
      return false
    } catch (error) {
      return isHeadwaterError(error, 'fenced')
    }
  }

  it('are fenced by a member', async () => {
    await end(() => Promise.resolve())
    assert.equal(await isFenced(), true)
  })

  it('are left alone by one that is none any more', async () => {
    const gone = new HeadwaterError('stale-member', 'gone')
    await assert.rejects(
      end(() => Promise.reject(gone)),
      gone,
    )
    assert.equal(await isFenced(), false)
  })

  it('are fenced when the answer is no older than a second; else the group is asked again', async () => {
    let asked = 0
    await end(async () => {
      if (++asked === 1) await sleep(1_050)
    })
    assert.equal(asked, 2)
  })

  it('wait for an answer in time three times at most', async () => {
    let asked = 0
    await end(async () => {
      asked++
      await sleep(1_050)
    })
    assert.equal(asked, 3)
    assert.equal(await isFenced(), true)
  })
})

function assertWanted(): void {
  return undefined
}
