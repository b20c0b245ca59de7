/**
 * A broker whose wall clock is set, that is suspended, or that starts again with another time of day: who
 * is there stays, and what was left is ended when its time has passed.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../../src/base/bytes.ts'
import { Broker } from '../../../src/broker/broker.ts'
import { createTopics } from '../../../src/client/admin.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import { Cluster } from '../../../src/client/cluster/cluster.ts'
import { GroupMember } from '../../../src/client/group/group-member.ts'
import { Producer } from '../../../src/client/producer/producer.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import type { SimProcess } from '../../../src/testing/world.ts'
import { World } from '../../../src/testing/world.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const address = { host: 'broker', port: 9092 }
const sessionTimeoutMs = 6000
const transactionTimeoutMs = 10_000

class Place {
  readonly world = new World(1)
  readonly lost: string[] = []
  readonly #disk = new SimDisk({ seed: 1 })
  process: SimProcess | undefined
  #broker: Broker | undefined
  #asked: Cluster | undefined

  /** Starts the broker, for the first time or again. */
  async start(): Promise<void> {
    this.process = this.world.start('broker')
    const { clock, random, network } = this.process
    const ports = { disk: this.#disk, clock, random, network }
    this.#broker = await Broker.open({ ...ports, directory: '/data', ...address })
  }

  stop(): Promise<void> {
    return this.#broker!.close()
  }

  connect(process: SimProcess): Promise<Cluster> {
    const { clock, random, network } = process
    const dial = (host: string, port: number) => network.connect(host, port)
    return Cluster.connect({ bootstrap: [address], dial, clock, random, clientId: process.name })
  }

  /** A client of its own for questions. */
  async ask(): Promise<Cluster> {
    this.#asked ??= await this.connect(this.world.start('asker'))
    return this.#asked
  }

  async join(
    name: string,
  ): Promise<{ readonly process: SimProcess; readonly member: GroupMember }> {
    const process = this.world.start(name)
    const hear = async (): Promise<void> => void this.lost.push(name)
    const member = new GroupMember(await this.connect(process), {
      groupId: 'crew',
      topics: ['t'],
      sessionTimeoutMs,
      heartbeatIntervalMs: 1000,
      onAssigned: async () => undefined,
      onRevoked: async () => undefined,
      onLost: hear,
      onFailed: () => void hear(),
    })
    await member.join()
    return { process, member }
  }

  /** A transaction with one record in it, stored. */
  async begin(transactionalId: string) {
    const process = this.world.start(transactionalId)
    const options = { transactionalId, transactionTimeoutMs, lingerMs: 0 }
    const producer = new Producer(await this.connect(process), options)
    await producer.init()
    producer.begin()
    producer.append('t', 0, 0, null, utf8Bytes('one'))
    await producer.flush()
    return { process, producer }
  }

  async memberCount(): Promise<number> {
    const cluster = await this.ask()
    const { groups } = await cluster.request('DescribeGroups', { groups: ['crew'] })
    return groups[0]!.members.length
  }

  async stateOf(transactionalId: string): Promise<string | undefined> {
    const cluster = await this.ask()
    const { transactionStates } = await cluster.request('ListTransactions', {})
    return transactionStates.find((each) => each.transactionalId === transactionalId)
      ?.transactionState
  }

  pass(ms: number): Promise<void> {
    return sleep(this.world.clock, ms)
  }
}

/** Plays in a world of its own with a broker and the topic `t`. */
async function play(script: (place: Place) => Promise<void>): Promise<void> {
  const place = new Place()
  const whole = async (): Promise<void> => {
    await place.start()
    await createTopics(await place.ask(), [{ name: 't', partitions: 4 }])
    await script(place)
  }
  await place.world.until(whole(), 10 * dayMs)
}

for (const [step, stepMs] of [
  ['an hour forward', hourMs],
  ['an hour back', -hourMs],
  ['a month forward', 30 * dayMs],
  ['a month back', -30 * dayMs],
] as const) {
  describe(`a wall clock that is set ${step}`, () => {
    it('throws out no member, and aborts no transaction before its time', async () => {
      await play(async (place) => {
        for (const name of ['a', 'b']) await place.join(name)
        const { producer } = await place.begin('x')
        await place.pass(2000)
        place.world.setWall(stepMs)
        await place.pass(6000)
        assert.deepEqual(place.lost, [])
        assert.equal(await place.memberCount(), 2)
        await producer.commit()
      })
    })

    it('keeps no member that is dead, and no transaction that nobody ends', async () => {
      await play(async (place) => {
        await place.join('a')
        const { process } = await place.join('b')
        const abandoned = await place.begin('x')
        await place.pass(3000)
        process.kill()
        abandoned.process.kill()
        await place.pass(500)
        place.world.setWall(stepMs)
        await place.pass(4000)
        assert.equal(await place.memberCount(), 2)
        assert.equal(await place.stateOf('x'), 'Ongoing')
        await place.pass(4000)
        assert.equal(await place.memberCount(), 1)
        assert.equal(await place.stateOf('x'), 'CompleteAbort')
        assert.deepEqual(place.lost, [])
      })
    })
  })

  describe(`a broker that starts again with its wall clock set ${step}`, () => {
    it('gives members their session, and transactions their timeout, from the beginning', async () => {
      await play(async (place) => {
        const { process } = await place.join('a')
        const { process: gone } = await place.begin('x')
        const going = await place.begin('y')
        process.kill()
        gone.kill()
        await place.pass(5000)
        await place.stop()
        place.world.setWall(stepMs)
        await place.start()
        await place.pass(5500)
        assert.equal(await place.memberCount(), 1)
        await place.pass(3000)
        assert.equal(await place.memberCount(), 0)
        assert.equal(await place.stateOf('x'), 'Ongoing')
        await going.producer.commit()
        await place.pass(2000)
        assert.equal(await place.stateOf('x'), 'CompleteAbort')
        assert.equal(await place.stateOf('y'), 'CompleteCommit')
      })
    })
  })
}

describe('a machine that was suspended for a day', () => {
  it('wakes up with everybody in place, and misses who died before', async () => {
    await play(async (place) => {
      await place.join('a')
      const { process } = await place.join('b')
      const { producer } = await place.begin('x')
      const abandoned = await place.begin('y')
      await place.pass(2000)
      process.kill()
      abandoned.process.kill()
      place.world.suspend(dayMs)
      await place.pass(dayMs + 2000)
      assert.equal(await place.memberCount(), 2)
      assert.equal(await place.stateOf('y'), 'Ongoing')
      await producer.commit()
      await place.pass(6000)
      assert.equal(await place.memberCount(), 1)
      assert.equal(await place.stateOf('y'), 'CompleteAbort')
      assert.deepEqual(place.lost, [])
    })
  })
})

describe('a broker that was stopped for a minute', () => {
  it('hears first who has spoken meanwhile', async () => {
    await play(async (place) => {
      for (const name of ['a', 'b']) await place.join(name)
      await place.pass(2000)
      place.process!.freeze(60_000)
      await place.pass(70_000)
      assert.equal(await place.memberCount(), 2)
      assert.deepEqual(place.lost, [])
    })
  })
})
