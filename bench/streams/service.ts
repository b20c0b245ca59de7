/**
 * One of our services in a process of its own: `node service.ts filter|count HOST:PORT [DIRECTORY]`, from
 * the checkout in a directory, or this one.
 *
 * It says `ready`, starts at the line `go`, says `running`; at the line `tell` it tells in JSON how long it
 * took to start, how much memory it holds and the digest of its counts; at the end of its input it closes.
 */
import { createInterface } from 'node:readline'
import { contracts, here } from './contracts.ts'
import { digest } from './digest.ts'

const [what, address, home = here] = process.argv.slice(2)
const { doors, Payments, Shipments } = await contracts(home)

const filtering = doors.service('shipping', {
  reads: [Payments],
  writes: [Shipments],
  topology: (s) => {
    s.stream(Payments)
      .filter(({ status }) => status === 'CAPTURED')
      .to(Shipments, ({ orderId, paymentId, amount }) => ({ orderId, address: paymentId, amount }))
    return {}
  },
})

const counting = doors.service('counting', {
  reads: [Payments],
  writes: [],
  topology: (s) => ({ counts: s.stream(Payments).count('counts') }),
})

const broker = doors.kafka(address!)
const lines = createInterface(process.stdin)[Symbol.asyncIterator]()
await say('ready', 'go')
const started = performance.now()
if (what === 'filter') {
  await using running = await doors.run(filtering, { broker })
  await say('running', 'tell')
  await say(JSON.stringify(running.stats()))
} else {
  await using running = await doors.run(counting, { broker })
  const ms = performance.now() - started
  await say('running', 'tell')
  const memory = heldBytes()
  const rows: [string, number][] = []
  for await (const row of running.query.counts.scan()) rows.push([...row])
  await say(JSON.stringify({ ms, memory, digest: digest(rows) }))
}

/** Says a line and waits for the answer, or without one for the end of the input. */
async function say(line: string, answer?: string): Promise<void> {
  console.log(line)
  for (;;) {
    const { value, done } = await lines.next()
    if (done === true || value === answer) return
  }
}

/** Heap and memory outside it, after everything that is garbage has gone; 0 without `--expose-gc`. */
function heldBytes(): number {
  if (globalThis.gc === undefined) return 0
  for (let i = 0; i < 4; i++) globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
