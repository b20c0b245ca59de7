/** Our broker as the client's suite needs it: over TCP, or through the pipe inside the process. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { Broker } from '../../../src/broker/broker.ts'
import { groupsDefaults } from '../../../src/coordinator/groups/options.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { nodeDisk } from '../../../src/io/node-disk.ts'
import { nodeNetwork } from '../../../src/io/node-network.ts'
import type { Peer } from '../../client-suite/peer.ts'

/** A broker on files of its own, for the tests of the `describe` this is called in. */
export function embedded(way: 'over TCP' | 'in process'): () => Peer {
  const directory = mkdtempSync(join(tmpdir(), 'headwater-client-'))
  let broker: Broker
  let opened = Promise.resolve()
  let port = 0
  const open = async (): Promise<void> => {
    const network = way === 'over TCP' ? { network: nodeNetwork, port } : {}
    broker = await Broker.open({
      disk: nodeDisk,
      clock: nodeClock,
      random: nodeRandom,
      directory,
      durability: 'os',
      config: { groups: { ...groupsDefaults, sessionTimeoutMsMin: 500 } },
      ...network,
    })
    port = broker.address?.port ?? 0
  }
  before(open)
  after(async () => {
    await broker.close()
    rmSync(directory, { recursive: true })
  })
  return () => ({
    sessionTimeoutMs: 1_500,
    bootstrap: [{ host: '127.0.0.1', port: way === 'over TCP' ? port : 9092 }],
    // Between two lives nobody is there; a `dial` of one life says that it is over for good.
    dial: (host, at) =>
      way === 'over TCP' ? nodeNetwork.connect(host, at) : opened.then(() => broker.dial(host, at)),
    restart: () => {
      opened = broker.close().then(open)
      return opened
    },
  })
}
