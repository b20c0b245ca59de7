import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import type { Duplex } from '../../../src/io/ports.ts'
import { SimClock } from '../../../src/testing/sim-clock.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { World } from '../../../src/testing/world.ts'

const hourMs = 3_600_000

function collect(duplex: Duplex): { bytes: number[]; closed: boolean; error: Error | undefined } {
  const got = { bytes: [] as number[], closed: false, error: undefined as Error | undefined }
  duplex.onBytes((chunk) => got.bytes.push(...chunk))
  duplex.onClose((error) => Object.assign(got, { closed: true, error }))
  return got
}

/** Two ends of a connection between two processes. */
async function connected(world: World) {
  const server = world.start('server')
  const client = world.start('client')
  const { promise, resolve } = Promise.withResolvers<Duplex>()
  await server.network.listen('server', 1, resolve)
  const near = await world.until(client.network.connect('server', 1), hourMs)
  return { server, client, near, far: await promise }
}

describe('the clock', () => {
  test('runs what is due soon first, then timers by time, then by the order they were set', () => {
    const clock = new SimClock()
    const ran: string[] = []
    clock.after(20, () => ran.push('late'))
    clock.after(10, () => ran.push('first at 10'))
    clock.after(10, () => ran.push('second at 10'))
    clock.after(10, () => ran.push('cancelled')).cancel()
    clock.soon(() => ran.push('soon'))
    for (let next = clock.next(); next !== undefined; next = clock.next()) next()
    assert.deepEqual(ran, ['soon', 'first at 10', 'second at 10', 'late'])
    assert.equal(clock.monotonic(), 20)
  })
})

describe('a world', () => {
  test('gives timers and bytes their turn in a process that is always at work', async () => {
    const world = new World(1)
    const { server, near, far } = await connected(world)
    let isOver = false
    const toil = (): void => {
      server.work(30)
      if (!isOver) server.clock.soon(toil)
    }
    const got = collect(far)
    const rang = sleep(server.clock, 5)
    toil()
    near.write([Uint8Array.of(7)])
    await world.until(rang, 1000)
    const heard = async (): Promise<void> => {
      while (got.bytes.length === 0) await sleep(world.clock, 1)
    }
    await world.until(heard(), 1000)
    isOver = true
  })

  test('never calls a timer that was cancelled while its process was busy', async () => {
    const world = new World(1)
    const process = world.start('process')
    process.clock.after(10, () => late.cancel())
    const late = process.clock.after(20, () => assert.fail('it was cancelled'))
    process.freeze(50)
    await world.until(sleep(world.clock, 100), 1000)
  })

  test('moves time only when nothing else is left to run', async () => {
    const world = new World(1)
    const { clock } = world
    let turns = 0
    const busy = async (): Promise<void> => {
      for (; turns < 1000; turns++) await Promise.resolve()
    }
    const waiting = sleep(clock, 50).then(() => turns)
    assert.equal(
      await world.until(
        Promise.all([waiting, busy()]).then(([seen]) => seen),
        100,
      ),
      1000,
    )
    assert.equal(clock.monotonic(), 50)
  })

  test('says so when what is waited for can never happen, or takes too long', async () => {
    const world = new World(1)
    await assert.rejects(world.until(new Promise(() => {}), 100), /nothing is left to happen/)
    const forever = async (): Promise<void> => {
      for (;;) await sleep(world.clock, 10)
    }
    await assert.rejects(world.until(forever(), 1000), /1000 ms were not enough/)
  })

  test('has one history for one seed, and another for another', async () => {
    const history = async (seed: number): Promise<string> => {
      const world = new World(seed)
      const { near, far } = await connected(world)
      const got = collect(far)
      for (let at = 0; at < 20; at++) near.write([Uint8Array.of(at, at)])
      await world.until(sleep(world.clock, hourMs), hourMs)
      assert.equal(got.bytes.length, 40)
      return world.traceHash
    }
    assert.equal(await history(7), await history(7))
    assert.notEqual(await history(7), await history(8))
  })

  test('never hears again of a process that was killed', async () => {
    const world = new World(3)
    const process = world.start('doomed')
    const disk = new SimDisk({ seed: 1, clock: process.clock, onCrash: () => process.kill() })
    const heard: string[] = []
    process.clock.after(10, () => heard.push('timer'))
    process.clock.soon(() => heard.push('soon'))
    void disk.open('/a', 'create').then(
      () => heard.push('opened'),
      () => heard.push('failed'),
    )
    disk.crash()
    await world.until(sleep(world.clock, 1000), hourMs)
    assert.deepEqual(heard, [])
    assert.equal(process.isAlive, false)
  })
})

describe('an error that nobody awaits', () => {
  test('ends what the world waits for', async () => {
    const world = new World(1)
    world.clock.after(10, () => world.fail(new Error('unawaited')))
    await assert.rejects(world.until(sleep(world.clock, 50), 100), /unawaited/)
  })
})

describe('a wall clock that is set', () => {
  test('is another one at once, for every process, and fires no timer sooner or later', async () => {
    for (const aheadMs of [hourMs, -hourMs]) {
      const world = new World(2)
      const [exact, wrong] = [world.start('exact'), world.start('wrong', 500)]
      const fired: number[] = []
      exact.clock.after(1000, () => fired.push(exact.clock.monotonic()))
      await world.until(sleep(world.clock, 400), hourMs)
      const before = exact.clock.now()
      world.setWall(aheadMs)
      assert.equal(exact.clock.now(), before + aheadMs)
      assert.equal(wrong.clock.now(), before + aheadMs + 500)
      assert.equal(exact.clock.monotonic(), 400)
      world.setWall(0)
      assert.equal(exact.clock.now(), before)
      await world.until(sleep(world.clock, 2000), hourMs)
      assert.deepEqual(fired, [1000])
    }
  })
})

describe('a machine that is suspended', () => {
  test('runs nothing of any process, and finds that time has passed when it wakes up', async () => {
    const world = new World(2)
    const processes = ['a', 'b'].map((name) => world.start(name))
    const fired: number[] = []
    for (const { clock } of processes) clock.after(10, () => fired.push(clock.monotonic()))
    const before = processes[0]!.clock.now()
    world.suspend(hourMs)
    await world.until(sleep(world.clock, hourMs - 1), hourMs)
    assert.deepEqual(fired, [])
    await world.until(sleep(world.clock, 2), hourMs)
    assert.deepEqual(fired, [hourMs, hourMs])
    assert.equal(processes[0]!.clock.now(), before + hourMs + 1)
  })
})

describe('a process that freezes', () => {
  test('runs nothing and hears nothing until it goes on, and then all of it', async () => {
    const world = new World(2)
    const { client, near, far } = await connected(world)
    const got = collect(near)
    const fired: number[] = []
    client.clock.after(10, () => fired.push(world.clock.monotonic()))
    client.freeze(5000)
    far.write([Uint8Array.of(1, 2, 3)])
    await world.until(sleep(world.clock, 4000), hourMs)
    assert.deepEqual([got.bytes, fired], [[], []])
    await world.until(sleep(world.clock, 2000), hourMs)
    assert.deepEqual(got.bytes, [1, 2, 3])
    assert(fired.length === 1 && fired[0]! >= 5000)
  })
})

describe('a process at work', () => {
  test('has its own time, and does nothing else until the world has caught up', async () => {
    const world = new World(3)
    const { client, near, far } = await connected(world)
    const heard = collect(near)
    const seen: number[] = []
    client.clock.after(10, () => {
      const before = client.clock.monotonic()
      client.work(400)
      client.work(100)
      seen.push(client.clock.monotonic() - before)
      near.write([new Uint8Array([1])])
      client.clock.soon(() => seen.push(world.clock.monotonic() - before))
    })
    const arrivals: number[] = []
    far.onBytes(() => arrivals.push(world.clock.monotonic()))
    await world.until(sleep(world.clock, 100), hourMs)
    far.write([new Uint8Array([2])])
    await world.until(sleep(world.clock, 200), hourMs)
    assert.deepEqual([seen, heard.bytes], [[500], []])
    await world.until(sleep(world.clock, 400), hourMs)
    assert.deepEqual([seen, heard.bytes], [[500, 500], [2]])
    assert(arrivals[0]! >= 500, 'what it sent during its work went out before it was done')
  })
})

describe('the network', () => {
  test('delivers bytes in order and once, whatever their boundaries become', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new World(seed)
      const { near, far } = await connected(world)
      const got = collect(far)
      const sent = Array.from({ length: 200 }, (_, at) => at)
      for (let at = 0; at < 200; at += 10) near.write([Uint8Array.from(sent.slice(at, at + 10))])
      near.close()
      await world.until(sleep(world.clock, 1000), hourMs)
      assert.deepEqual(got.bytes, sent)
      assert.deepEqual([got.closed, got.error], [true, undefined])
    }
  })

  test('has delivered some beginning when a connection is cut, and both ends hear of it', async () => {
    const lengths = new Set<number>()
    for (let seed = 1; seed <= 40; seed++) {
      const world = new World(seed)
      const { near, far } = await connected(world)
      const [gotNear, gotFar] = [collect(near), collect(far)]
      const sent = Array.from({ length: 50 }, (_, at) => at)
      for (const byte of sent) near.write([Uint8Array.of(byte)])
      world.network.cutOne()
      await world.until(sleep(world.clock, 1000), hourMs)
      assert.deepEqual(gotFar.bytes, sent.slice(0, gotFar.bytes.length))
      assert(gotNear.error !== undefined && gotFar.error !== undefined)
      assert.equal(world.network.connectionCount, 0)
      lengths.add(gotFar.bytes.length)
    }
    assert(lengths.size > 10, 'the cut is always at the same place')
  })

  test('delivers what was held up, after the sender gave up', async () => {
    let late = 0
    for (let seed = 1; seed <= 20; seed++) {
      const world = new World(seed)
      const { near, far } = await connected(world)
      const got = collect(far)
      near.write([Uint8Array.of(1, 2, 3)])
      world.network.stallOne(5000)
      await world.until(sleep(world.clock, 2000), hourMs)
      assert.deepEqual(got.bytes, [])
      near.destroy()
      await world.until(sleep(world.clock, 4000), hourMs)
      if (got.bytes.length > 0) late++
    }
    assert(late > 0, 'nothing ever came late')
  })

  test('refuses a dial while nobody listens, and after the listener died', async () => {
    const world = new World(1)
    const { server, client } = await connected(world)
    server.kill()
    const again = client.network.connect('server', 1)
    await assert.rejects(world.until(again, hourMs), { code: 'connection-failed', retriable: true })
  })

  test('tells a writer to wait while the reader does not read', async () => {
    const world = new World(1)
    const { near, far } = await connected(world)
    far.pause()
    const got = collect(far)
    assert.equal(near.write([new Uint8Array(100_000)]), false)
    let hasDrained = false
    void near.drained().then(() => (hasDrained = true))
    await world.until(sleep(world.clock, 1000), hourMs)
    assert.deepEqual([got.bytes.length, hasDrained], [0, false])
    far.resume()
    await world.until(sleep(world.clock, 1000), hourMs)
    assert.deepEqual([got.bytes.length, hasDrained], [100_000, true])
  })
})
