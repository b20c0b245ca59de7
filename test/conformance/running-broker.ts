/** A broker on a free port and a directory of its own, for clients that know nothing of us. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrokerEvent } from '../../src/broker/broker-event.ts'
import { Broker, type BrokerOptions } from '../../src/broker/broker.ts'
import { nodeClock, nodeRandom } from '../../src/io/node-clock.ts'
import { nodeDisk } from '../../src/io/node-disk.ts'
import { nodeNetwork } from '../../src/io/node-network.ts'

export interface RunningBroker {
  readonly broker: Broker
  readonly address: string
  readonly port: number
  readonly directory: string
  readonly events: BrokerEvent[]
  close(): Promise<void>
}

/** @param directory one to open again; otherwise a fresh one that goes with the broker */
export async function runBroker(
  options: Partial<BrokerOptions> = {},
  directory?: string,
): Promise<RunningBroker> {
  const path = directory ?? (await mkdtemp(join(tmpdir(), 'headwater-')))
  const events: BrokerEvent[] = []
  const broker = await Broker.open({
    disk: nodeDisk,
    clock: nodeClock,
    random: nodeRandom,
    network: nodeNetwork,
    directory: path,
    report: (event) => {
      // Every start says that it was one.
      if (event.type !== 'started') events.push(event)
    },
    ...options,
  })
  const { host, port } = broker.address!
  return {
    broker,
    address: `${host}:${port}`,
    port,
    directory: path,
    events,
    close: async () => {
      await broker.close()
      if (directory === undefined) await rm(path, { recursive: true, force: true })
    },
  }
}

/** Waits for a condition that other processes or sockets bring about. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
