/** What befalls a broker that serves clients: one thing after another, drawn from a seed. */
import { setTimeout as sleep } from 'node:timers/promises'
import { drawInteger, type Draw } from '../../src/testing/seed.ts'
import type { BrokerProcess } from '../chaos/broker-process.ts'
import { crowd, neverRead, sendHalf } from '../conformance/bad-clients.ts'
import type { RawClient } from '../conformance/raw-client.ts'
import type { Reader, Writer } from './members.ts'

export interface Scene {
  readonly broker: BrokerProcess
  readonly writers: readonly Writer[]
  readonly readers: readonly Reader[]
  readonly draw: Draw
  /** Told what begins, in words. */
  readonly tell: (line: string) => void
  /** How long each start of the broker took, in milliseconds. */
  readonly startsMs: number[]
}

type Trouble = (scene: Scene) => Promise<void>

const crowdMin = 100
const crowdMax = 600
const startPauseMsMax = 3_000

export const troubles: Readonly<Record<string, Trouble>> = {
  storm: async ({ broker, draw, tell }) => {
    const count = drawInteger(draw, crowdMin, crowdMax)
    tell(`${count} connections at once`)
    const people = await crowd(broker.address.port, count)
    await sleep(drawInteger(draw, 500, 5_000))
    people.close()
  },
  unread: async ({ broker, writers, draw, tell }) => {
    const { topic, partitions } = writers[drawInteger(draw, 0, writers.length - 1)]!
    tell(`four clients ask for ${topic} and read nothing`)
    await stay(draw, 4, () => neverRead(broker.address.port, topic, partitions))
  },
  half: async ({ broker, draw, tell }) => {
    tell('four clients begin requests of 90 MB')
    await stay(draw, 4, () => sendHalf(broker.address.port))
  },
  reader: async ({ readers, draw, tell }) => {
    const reader = readers[drawInteger(draw, 0, readers.length - 1)]!
    tell(`SIGKILL to the reader of ${reader.name}`)
    await reader.replace()
  },
  kill: (scene) => restart(scene, 'SIGKILL'),
  close: (scene) => restart(scene, 'SIGTERM'),
  sleep: async ({ broker, draw, tell }) => {
    const ms = drawInteger(draw, 1_000, 15_000)
    tell(`the broker is suspended for ${ms} ms`)
    process.kill(broker.pid!, 'SIGSTOP')
    await sleep(ms)
    process.kill(broker.pid!, 'SIGCONT')
  },
}

async function stay(draw: Draw, count: number, connect: () => Promise<RawClient>): Promise<void> {
  const clients = await Promise.all(Array.from({ length: count }, connect))
  await sleep(drawInteger(draw, 2_000, 12_000))
  for (const client of clients) client.close()
}

async function restart({ broker, draw, tell, startsMs }: Scene, signal: 'SIGKILL' | 'SIGTERM') {
  const pauseMs = drawInteger(draw, 0, startPauseMsMax)
  tell(`${signal} to the broker, back in ${pauseMs} ms`)
  await broker.end(signal)
  await sleep(pauseMs)
  const begun = performance.now()
  await broker.start()
  startsMs.push(performance.now() - begun)
}
