/** The client's suite against our own broker: over TCP, and through the pipe inside the process. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import { Broker } from '../../../src/broker/broker.ts'
import { nodeClock, nodeRandom } from '../../../src/io/node-clock.ts'
import { nodeDisk } from '../../../src/io/node-disk.ts'
import { nodeNetwork } from '../../../src/io/node-network.ts'
import { groups } from '../../client-suite/groups.ts'
import type { Peer } from '../../client-suite/peer.ts'
import { withoutFeatures } from '../../client-suite/peer.ts'
import { produceAndConsume } from '../../client-suite/produce-consume.ts'
import { restarts } from '../../client-suite/restarts.ts'
import { transactions } from '../../client-suite/transactions.ts'

for (const way of ['over TCP', 'in process'] as const) {
  describe(`the client and the broker ${way}: records`, () => produceAndConsume(embedded(way)))
  describe(`the client and the broker ${way}: transactions`, () => transactions(embedded(way)))
  describe(`the client and the broker ${way}: groups`, () => groups(embedded(way)))
  describe(`the client and the broker ${way}: restarts`, () => restarts(embedded(way)))
}

describe('the client and the broker: transactions, version 1', () => {
  const peer = embedded('in process')
  transactions(() => withoutFeatures(peer()))
})

/** A broker on files of its own, for the tests of the `describe` this is called in. */
function embedded(way: 'over TCP' | 'in process'): () => Peer {
  const directory = mkdtempSync(join(tmpdir(), 'headwater-client-'))
  let broker: Broker
  let port = 0
  const open = async (): Promise<void> => {
    const network = way === 'over TCP' ? { network: nodeNetwork, port } : {}
    broker = await Broker.open({
      disk: nodeDisk,
      clock: nodeClock,
      random: nodeRandom,
      directory,
      durability: 'os',
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
    bootstrap: [{ host: '127.0.0.1', port: way === 'over TCP' ? port : 9092 }],
    dial: (host, at) =>
      way === 'over TCP' ? nodeNetwork.connect(host, at) : broker.dial(host, at),
    restart: async () => {
      await broker.close()
      await open()
    },
  })
}
