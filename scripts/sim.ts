/**
 * `npm run sim -- --seed N --seeds M`: histories of a broker and its clients in a simulated world.
 *
 *   --pass NAME    one pass only, by its name in test/simulation/cluster/passes.ts
 *   --stride K     every K-th point of a pass, beginning with one drawn from the seed
 *   --point P      only this point, counted from 1: what a failure names to be seen again
 *   --repeat       every history twice, to see that one seed is one history
 *
 * The first failure ends it with the seed and the last of what happened. The last line counts histories.
 */
import { parseArgs } from 'node:util'
import { passes } from '../test/simulation/cluster/passes.ts'
import type { PassName } from '../test/simulation/cluster/passes.ts'
import { play } from '../test/simulation/cluster/play.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    pass: { type: 'string' },
    stride: { type: 'string', default: '1' },
    point: { type: 'string' },
    repeat: { type: 'boolean', default: false },
  },
})

const stride = Number(values.stride)
const firstSeed = Number(values.seed)
const names =
  values.pass === undefined ? (Object.keys(passes) as PassName[]) : [passOf(values.pass)]
let here = ''
process.on('unhandledRejection', fail)
process.on('uncaughtException', fail)

let histories = 0
const started = performance.now()
for (let seed = firstSeed; seed < firstSeed + Number(values.seeds); seed++) {
  for (const name of names) histories += await runPass(name, seed)
}
console.log(`${histories} histories came out right`)

async function runPass(name: PassName, seed: number): Promise<number> {
  here = `--seed ${seed} --pass ${name}`
  let ran = 0
  try {
    const points = await passes[name](seed)
    const sampled = seed % Math.min(stride, points.length)
    const first = values.point === undefined ? sampled : Number(values.point) - 1
    const step = values.point === undefined ? stride : points.length
    for (let at = first; at < points.length; at += step) {
      here = `--seed ${seed} --pass ${name} --point ${at + 1}`
      const { traceHash } = await play(points[at]!)
      if (values.repeat) await repeat(points[at]!, traceHash)
      ran++
      report(`${name} ${at + 1}/${points.length}, seed ${seed}`)
    }
  } catch (error) {
    fail(error)
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  console.error(`seed ${seed}, ${name}: ${ran} histories, ${seconds()} s`)
  return ran
}

async function repeat(point: Parameters<typeof play>[0], traceHash: string): Promise<void> {
  const again = await play(point)
  if (again.traceHash !== traceHash) {
    throw new Error(`the same seed gave two histories: ${traceHash} and ${again.traceHash}`)
  }
}

function report(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}, ${seconds()} s`)
}

function seconds(): string {
  return ((performance.now() - started) / 1000).toFixed(0)
}

function passOf(name: string): PassName {
  if (name in passes) return name as PassName
  console.error(`There is no pass ${name}: choose ${Object.keys(passes).join(', ')}.`)
  process.exit(1)
}

function fail(error: unknown): never {
  console.error(`\n${error instanceof Error ? error.stack : String(error)}`)
  console.error(`\nTo see it again: npm run sim -- ${here}`)
  process.exit(1)
}
