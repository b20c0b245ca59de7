/**
 * `node bench/turns.ts [items] [rounds] [times] [API]`: for each API the longest turn of the broker's main thread while it
 * answers the longest request there is of it, in milliseconds of its processor time: of that nothing else on
 * the machine takes a part. Garbage collected on the way is counted, and told. A request with more items than
 * the broker takes (`requestHeapBytesMax`) is asked with half of them.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { requestsOfManyItems } from '../test/unit/broker/many/requests.ts'
import { smallWorld, type SmallWorld } from '../test/unit/broker/many/small-world.ts'
import { RawClient } from '../test/conformance/raw-client.ts'
import { freshDirectory } from './headwater.ts'
import { median } from './measure.ts'

const items = Number(process.argv[2] ?? 9_900)
const rounds = Number(process.argv[3] ?? 5)
/** How many more items a request has than there are things: the others are not there. */
const times = Number(process.argv[4] ?? 6)
const only = process.argv[5]

interface Turn {
  readonly longestMs: number
  readonly collectedMs: number
}

const directory = freshDirectory()
const child = fork(new URL('turns/broker-process.ts', import.meta.url), [directory], {
  execArgv: process.env['BROKER_ARGS']?.split(' ') ?? [],
})
const [{ port }] = (await once(child, 'message')) as [{ readonly port: number }]
let client = await RawClient.connect(port)
const world = await smallWorld(() => RawClient.connect(port), items)

for (const { api, what, send } of requestsOfManyItems) {
  if (only !== undefined && api !== only) continue
  const longest: number[] = []
  const collected: number[] = []
  const n = await longestServed(send)
  for (let round = 0; round < rounds; round++) {
    await longestTurn()
    await send({ ...world, n, ask: (...asked) => client.ask(...asked) })
    const { longestMs, collectedMs } = await longestTurn()
    longest.push(longestMs)
    collected.push(collectedMs)
  }
  const most = Math.max(...longest).toFixed(1)
  const collector = `of it collector ${median(collected).toFixed(1)}`
  console.log(
    `${api}: ${median(longest).toFixed(1)} (max ${most}, ${collector}) ms, ${what}, ${n} items`,
  )
}
client.close()
const ended = once(child, 'exit')
child.disconnect()
await ended
rmSync(directory, { recursive: true, force: true })

/** How many items the broker takes in one request; what is asked for the first time is compiled on the way. */
async function longestServed(send: (world: SmallWorld) => Promise<unknown>): Promise<number> {
  for (let n = items * times; ; n = Math.ceil(n / 2)) {
    try {
      await send({ ...world, n, ask: (...asked) => client.ask(...asked) })
      return n
    } catch (error) {
      if (n === 1) throw error
      client = await RawClient.connect(port)
    }
  }
}

async function longestTurn(): Promise<Turn> {
  child.send('')
  const [turn] = (await once(child, 'message')) as [Turn]
  return turn
}
