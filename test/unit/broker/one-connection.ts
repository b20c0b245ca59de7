/** One connection of the broker, with a client at its other end and no broker behind it. */
import { setImmediate as turn } from 'node:timers/promises'
import { MemoryPool } from '../../../src/broker/memory.ts'
import type { Answer, Beginning, RequestMemory } from '../../../src/broker/server/answer.ts'
import { Connection, type ConnectionOptions } from '../../../src/broker/server/connection.ts'
import { Rounds } from '../../../src/broker/server/rounds.ts'
import { Traffic } from '../../../src/broker/server/traffic.ts'
import { nodeClock } from '../../../src/io/node-clock.ts'
import type { Clock, Duplex } from '../../../src/io/ports.ts'
import { pipe, type PipeOptions } from '../../../src/io/pipe.ts'
import type { SimClock } from '../../../src/testing/sim-clock.ts'

export interface Client {
  readonly duplex: Duplex
  readonly received: number[]
  readonly closed: (string | undefined)[]
  readonly connection: Connection
}

export type Dispatch = (
  value: number,
  memory: RequestMemory,
) => Answer | Promise<Answer> | Beginning

export const patienceMs = 10_000

/** Memory for requests and for answers. */
export function memoryOf(bytesMax: number, clock: Clock = nodeClock): ConnectionOptions['memory'] {
  const pool = (): MemoryPool => new MemoryPool({ bytesMax, patienceMs, clock })
  return { requests: pool(), answers: pool() }
}

/** @param dispatch is given the first byte of each request */
export function connect(
  dispatch: Dispatch,
  options: Partial<ConnectionOptions> & { pipe?: PipeOptions } = {},
): Client {
  const [ours, theirs] = pipe(options.pipe)
  const received: number[] = []
  const closed: (string | undefined)[] = []
  theirs.onBytes((chunk) => {
    for (const byte of chunk) received.push(byte)
  })
  const connection = new Connection(ours, {
    frameBytesMax: 1000,
    requestsInFlightMax: 4,
    requestBytesInFlightMax: 1000,
    stallMsMax: 60_000,
    requestStallMsMax: 60_000,
    memory: memoryOf(1e9),
    traffic: new Traffic(),
    rounds: new Rounds(nodeClock, 1e9),
    clock: nodeClock,
    onClosed: (_connection, ending) => closed.push(ending?.reason),
    ...options,
    dispatch: (bytes, _peer, memory) => dispatch(bytes[0]!, memory),
  })
  return { duplex: theirs, received, closed, connection }
}

/** A frame of `size` bytes behind its length, the first of which is `value`. */
export function frameOf(value: number, size = 1): Uint8Array {
  const frame = new Uint8Array(4 + size)
  new DataView(frame.buffer).setInt32(0, size)
  frame[4] = value
  return frame
}

/** Lets what is under way come to rest. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 5; turns++) await turn()
}

/** Lets simulated time pass. */
export async function pass(clock: SimClock, ms: number): Promise<void> {
  let isOver = false
  clock.after(ms, () => (isOver = true))
  await settle()
  while (!isOver) {
    clock.next()?.()
    await settle()
  }
}
