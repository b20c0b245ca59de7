/**
 * Services: one that loads orders, one that loads payments, and two instances of one that joins, counts
 * and writes, exactly once. Whatever ends an instance, another takes its place, as an orchestrator sees
 * to; in the end every payment was shipped once and counted once.
 */
import assert from 'node:assert/strict'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { Consumer } from '../../../src/client/consumer/consumer.ts'
import type { AnyEvent, ValueOf } from '../../../src/events/event.ts'
import { decodeRecords } from '../../../src/records/record.ts'
import type { Runnable } from '../../../src/streams/runtime/run.ts'
import type { RunningTopology } from '../../../src/streams/runtime/running.ts'
import { runTopology } from '../../../src/streams/runtime/run-topology.ts'
import { drawInteger } from '../../../src/testing/seed.ts'
import type { SimProcess } from '../../../src/testing/world.ts'
import { brokerAddress } from './machine.ts'
import type { Drama } from './play.ts'
import {
  billing,
  checkout,
  CustomerWindows,
  expectedShipments,
  expectedWindows,
  Shipments,
  shipping,
} from './shop.ts'
import type { Stage } from './stage.ts'
import { connect } from './stage.ts'

const lookMs = 200
const restartMs = 100
const pauseMsMax = 60
const lifeMsMax = 2500

export const services: Drama = { act, check }

async function act(stage: Stage, disturbances: number): Promise<void> {
  const { world } = stage
  const kills = (): number => (disturbances > 0 ? drawInteger(world.draw, 0, 3) : 0)
  const allRead = ({ inputs }: ReturnType<RunningTopology['stats']>): boolean => {
    const all = Object.values(inputs)
    return all.length > 0 && all.every(({ done }) => done)
  }
  await keepRunning(stage, 'checkout', () => checkout, kills(), allRead)
  const pauseMs = (): number => world.draw() * pauseMsMax
  const shippers = ['a', 'b'].map((instance) =>
    keepRunning(
      stage,
      instance,
      () => shipping,
      kills(),
      () => stage.isOver,
    ),
  )
  const paying = keepRunning(
    stage,
    'bank',
    ({ clock }) => billing(clock, pauseMs),
    kills(),
    allRead,
  )
  const shipped = paying.then(() => untilShipped(stage))
  const over = shipped.then(() => void (stage.isOver = true))
  await Promise.all([over, ...shippers])
}

/** Runs an instance until it is through, and starts another when it fails or is killed. */
async function keepRunning(
  { world }: Stage,
  instanceId: string,
  make: (process: SimProcess) => Runnable,
  kills: number,
  isThrough: (stats: ReturnType<RunningTopology['stats']>) => boolean,
): Promise<void> {
  for (let left = kills; ; left--) {
    const process = world.start(`instance-${instanceId}`)
    const life = live(process, make(process), instanceId, isThrough)
    const killed =
      left > 0 ? sleep(world.clock, world.draw() * lifeMsMax) : new Promise<never>(() => {})
    const how = await Promise.race([life, killed])
    if (how === 'through') return
    process.kill()
    await sleep(world.clock, restartMs)
  }
}

async function live(
  process: SimProcess,
  service: Runnable,
  instanceId: string,
  isThrough: (stats: ReturnType<RunningTopology['stats']>) => boolean,
): Promise<'through' | 'failed'> {
  try {
    const running = await runTopology(service.build(), {
      broker: {
        bootstrap: [brokerAddress],
        dial: (host, port) => process.network.connect(host, port),
      },
      clock: process.clock,
      random: process.random,
      commitIntervalMs: 20,
      sessionTimeoutMs: 6000,
      instanceId,
    })
    while (!isThrough(running.stats())) {
      await Promise.race([sleep(process.clock, lookMs), running.failed])
    }
    await running.caughtUp()
    await running.close()
    return 'through'
  } catch (error) {
    assert(isHeadwaterError(error), (error as Error).stack)
    return 'failed'
  }
}

async function untilShipped(stage: Stage): Promise<void> {
  const cluster = await connect(stage.world.start('clerk'))
  for (;;) {
    const shipments = await read(cluster, stage, 'clerk', Shipments)
    const windows = await countsOf(cluster, stage, 'clerk')
    if (shipments.length >= expectedShipments().length) {
      if (JSON.stringify(windows) === JSON.stringify(sorted(expectedWindows()))) break
    }
    await sleep(stage.world.clock, lookMs)
  }
  await cluster.close()
}

async function check(stage: Stage, reader: string): Promise<void> {
  const process = stage.world.start(reader)
  const cluster = await connect(process)
  const shipments = await read(cluster, stage, reader, Shipments)
  const found = shipments.map(({ orderId, amount }) => `${orderId} ${amount}`).toSorted()
  assert.deepEqual(found, expectedShipments(), 'a payment was not shipped exactly once')
  assert.deepEqual(await countsOf(cluster, stage, reader), sorted(expectedWindows()))
  await cluster.close()
  process.kill()
}

async function countsOf(cluster: Cluster, stage: Stage, reader: string) {
  const windows = await read(cluster, stage, reader, CustomerWindows)
  return sorted(Object.fromEntries(windows.map(({ id, payments }) => [id, payments])))
}

function sorted(counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** Every committed value of a stream, in order. */
async function read<E extends AnyEvent>(
  cluster: Cluster,
  { ledger, world }: Stage,
  reader: string,
  event: E,
): Promise<ValueOf<E>[]> {
  const partitions = Array.from({ length: event.partitions }, (_, partition) => {
    return { topic: event.name, partition }
  })
  const consumer = new Consumer(cluster, { maxWaitMs: 20 })
  const ends = await consumer.endOffsets(partitions)
  consumer.assign(partitions.map((place) => ({ ...place, offset: 0 })))
  const values: ValueOf<E>[] = []
  const isBehind = (): boolean =>
    consumer.positions().some(({ partition, offset }) => {
      return offset < ends.find((end) => end.partition === partition)!.offset
    })
  while (isBehind()) {
    for (const fetched of await consumer.poll(100)) {
      ledger.watch(reader, fetched)
      for (const { value } of fetched.batches.flatMap(decodeRecords)) {
        if (value !== null) values.push(event.codec.decode(value) as ValueOf<E>)
      }
    }
    await sleep(world.clock, 1)
  }
  await consumer.close()
  return values
}
