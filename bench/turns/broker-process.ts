/**
 * The broker of `bench/turns.ts`, in the directory it is given, with a clock beside it that
 * ticks once each time the event loop comes round. Says its port; then, for each message, the longest turn
 * since the one before.
 */
import { nodeDisk } from '../../src/io/node-disk.ts'
import { nodeNetwork } from '../../src/io/node-network.ts'
import { openBroker } from '../../test/unit/broker/open-broker.ts'

let longestMicros = 0
let before = process.threadCpuUsage()

function tick(): void {
  const { user, system } = process.threadCpuUsage()
  longestMicros = Math.max(longestMicros, user + system - before.user - before.system)
  before = { user, system }
  setImmediate(tick)
}

const { broker } = await openBroker({
  disk: nodeDisk,
  directory: process.argv[2]!,
  durability: 'memory',
  network: nodeNetwork,
  port: 0,
})
process.on('message', () => {
  process.send?.({ longestMs: longestMicros / 1_000 })
  longestMicros = 0
})
process.on('disconnect', () => process.exit())
tick()
process.send?.({ port: broker.address?.port })
