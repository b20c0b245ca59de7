/** A broker on a disk in memory, reached by clients from inside the process. */
import { Broker, type BrokerOptions } from '../../../src/broker/broker.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { SimDisk } from '../../../src/testing/sim-disk.ts'
import { RawClient } from '../../conformance/raw-client.ts'

export interface OpenBroker {
  readonly broker: Broker
  readonly disk: SimDisk
  client(): Promise<RawClient>
  /** Closes it in good order and opens what it left behind. */
  reopen(): Promise<OpenBroker>
}

export async function openBroker(
  options: Partial<BrokerOptions> = {},
  disk = new SimDisk({ seed: 1 }),
): Promise<OpenBroker> {
  const broker = await Broker.open({
    disk,
    clock: nodeClock,
    random: nodeRandom,
    directory: 'data',
    ...options,
  })
  return {
    broker,
    disk,
    client: async () => new RawClient(await broker.dial('embedded', 9092)),
    reopen: async () => {
      await broker.close()
      return openBroker(options, disk)
    },
  }
}
