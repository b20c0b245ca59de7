/**
 * `node bench/turns.ts [items] [rounds] [times] [API]`: for each API the longest turn of the broker's main thread while it
 * answers the longest request there is of it, in milliseconds of its processor time: of that nothing else on
 * the machine takes a part. Garbage collected on the way is counted.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { requestsOfManyItems } from '../test/unit/broker/many/requests.ts'
import { smallWorld } from '../test/unit/broker/many/small-world.ts'
import { RawClient } from '../test/conformance/raw-client.ts'
import { freshDirectory } from './headwater.ts'
import { median } from './measure.ts'

const items = Number(process.argv[2] ?? 9_900)
const rounds = Number(process.argv[3] ?? 5)
/** How many more items a request has than there are things: the others are not there. */
const times = Number(process.argv[4] ?? 6)
const only = process.argv[5]

const directory = freshDirectory()
const child = fork(new URL('turns/broker-process.ts', import.meta.url), [directory], {
  execArgv: process.env['BROKER_ARGS']?.split(' ') ?? [],
})
const [{ port }] = (await once(child, 'message')) as [{ readonly port: number }]
const world = await smallWorld(() => RawClient.connect(port), items)

const byApi = new Map<string, string[]>()
for (const { api, what, send } of requestsOfManyItems) {
  if (only !== undefined && api !== only) continue
  const longest: number[] = []
  for (let round = 0; round <= rounds; round++) {
    await longestMs()
    await send({ ...world, n: world.n * times })
    const ms = await longestMs()
    // What is run for the first time is compiled on the way.
    if (round > 0) longest.push(ms)
  }
  const text = `${median(longest).toFixed(1)} (max ${Math.max(...longest).toFixed(1)}) ms, ${what}`
  byApi.set(api, [...(byApi.get(api) ?? []), text])
  console.log(`${api}: ${text}`)
}
const ended = once(child, 'exit')
child.disconnect()
await ended
rmSync(directory, { recursive: true, force: true })

async function longestMs(): Promise<number> {
  child.send('')
  const [{ longestMs: ms }] = (await once(child, 'message')) as [{ readonly longestMs: number }]
  return ms
}
