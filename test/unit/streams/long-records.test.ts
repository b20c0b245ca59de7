/** A function that takes longer for one record than a transaction may last, in a simulated world. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import { service } from '../../../src/service/service.ts'
import { runTopology } from '../../../src/streams/runtime/run-topology.ts'
import { World } from '../../../src/testing/world.ts'
import type { SimProcess } from '../../../src/testing/world.ts'
import { BrokerMachine, brokerAddress } from '../../simulation/cluster/machine.ts'
import { connect } from '../../simulation/cluster/stage.ts'
import { Copies, Facts } from '../../simulation/groups/contracts.ts'
import { Feed } from '../../simulation/groups/feed.ts'

const facts = 100
/** In the middle of what one commit would take. */
const slowFact = 'f56'
const slowMs = 70_000
const fastMs = 25

const copying = (process: SimProcess) =>
  service('tally', {
    reads: [Facts],
    writes: [Copies],
    topology: (s) => {
      s.stream(Facts)
        .map(({ account, id }) => {
          process.work(id === slowFact ? slowMs : fastMs)
          return { account, id }
        })
        .to(Copies)
      return {}
    },
  })

it('a service gets through a record that outlasts its transactions, and not its session', async () => {
  const world = new World(1)
  const machine = new BrokerMachine(world, { isRoomy: true, plan: () => ({}) })
  void machine.run()
  const act = async (): Promise<void> => {
    const cluster = await connect(world.start('outside'))
    const feed = await Feed.open(cluster)
    await feed.write(facts)
    const process = world.start('a')
    const running = await runTopology(copying(process).build(), {
      broker: {
        bootstrap: [brokerAddress],
        dial: (host, port) => process.network.connect(host, port),
      },
      clock: process.clock,
      random: process.random,
      sessionTimeoutMs: 200_000,
      transactionTimeoutMs: 60_000,
      commitIntervalMs: 1_000,
    })
    await running.caughtUp()
    const { repairs, lastError } = running.stats()
    assert.deepEqual([repairs, lastError?.code], [1, 'fenced'], 'it met an open transaction once')
    await running.close()
    await feed.close()
    await cluster.close()
    await sleep(world.clock, 1)
    await machine.close()
  }
  await world.until(act(), 600_000)
})
