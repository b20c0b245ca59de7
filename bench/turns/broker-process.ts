/**
 * The broker of `bench/turns.ts`, in the directory it is given, with a clock beside it that
 * ticks once each time the event loop comes round. Says its port; then, for each message, the longest turn
 * since the one before, and how much of it was garbage collection.
 */
import { PerformanceObserver, type PerformanceEntry } from 'node:perf_hooks'
import { nodeDisk } from '../../src/io/node-disk.ts'
import { nodeNetwork } from '../../src/io/node-network.ts'
import { openBroker } from '../../test/unit/broker/open-broker.ts'

let longest = { micros: 0, begun: 0, ended: 0 }
let before = process.threadCpuUsage()
let begun = performance.now()
let collections: PerformanceEntry[] = []

function tick(): void {
  const { user, system } = process.threadCpuUsage()
  const ended = performance.now()
  const micros = user + system - before.user - before.system
  if (micros > longest.micros) longest = { micros, begun, ended }
  before = { user, system }
  begun = ended
  setImmediate(tick)
}

/** Milliseconds of the longest turn in which garbage was collected. */
function collectedMs(): number {
  const within = collections.filter(
    ({ startTime, duration }) => startTime < longest.ended && startTime + duration > longest.begun,
  )
  return within.reduce((sum, { duration }) => sum + duration, 0)
}

const { broker } = await openBroker({
  disk: nodeDisk,
  directory: process.argv[2]!,
  durability: 'memory',
  network: nodeNetwork,
  port: 0,
})
const observer = new PerformanceObserver((list) => collections.push(...list.getEntries()))
observer.observe({ entryTypes: ['gc'] })
process.on('message', () => {
  collections.push(...observer.takeRecords())
  process.send?.({ longestMs: longest.micros / 1_000, collectedMs: collectedMs() })
  longest = { micros: 0, begun: 0, ended: 0 }
  collections = []
})
process.on('disconnect', () => process.exit())
tick()
process.send?.({ port: broker.address?.port })
