/**
 * `npm run fuzz -- --seconds 600`: real requests of four clients, and one of every API in every version, are
 * mutated and sent to a `headwater broker` on eight connections, while a good client writes beside them.
 *
 *   --seed N        fixes which requests are sent and what is done to them (a new one each time)
 *   --seconds S     how long (600)
 *   --block-max MS  an answer to another client that takes longer, with the broker at work, is a failure (100)
 *   --growth-max M  more MiB resident at the end than at the start are a failure (256)
 *   --json          one line of JSON on standard output
 *
 * Exit codes: 0 everything held, 1 something did not, 2 the test itself could not go on.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { play, type Outcome } from '../test/fuzz/play.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seconds: { type: 'string', default: '600' },
    'block-max': { type: 'string', default: '100' },
    'growth-max': { type: 'string', default: '256' },
    json: { type: 'boolean', default: false },
  },
})
const seed = Number(values.seed ?? Date.now() % 1_000_000)
const growthMax = Number(values['growth-max'])
const directory = mkdtempSync(join(tmpdir(), 'headwater-fuzz-'))
try {
  console.error(`seed ${seed}, ${values.seconds} s`)
  const outcome = await play({
    directory,
    seed,
    seconds: Number(values.seconds),
    blockMsMax: Number(values['block-max']),
    onProgress: everyTenth(console.error),
  })
  const faults = faultsOf(outcome)
  if (values.json) console.log(JSON.stringify({ seed, ...outcome, faults }))
  console.error(summaryOf(outcome))
  for (const fault of faults) console.error(`✗ ${fault}`)
  if (faults.length > 0) console.error(`\nonce more: npm run fuzz -- --seed ${seed}`)
  process.exitCode = faults.length > 0 ? 1 : 0
} catch (error) {
  console.error(error)
  process.exitCode = 2
} finally {
  rmSync(directory, { recursive: true, force: true })
}

function faultsOf(outcome: Outcome): string[] {
  const growth = outcome.rssAfterMiB - outcome.rssBeforeMiB
  return [
    ...outcome.faults,
    ...outcome.blocks.slice(0, 10).map((block) => `blocked for ${block}`),
    ...(growth > growthMax ? [`it grew by ${Math.round(growth)} MiB`] : []),
  ]
}

function summaryOf(outcome: Outcome): string {
  const number = (value: number) => Math.round(value).toLocaleString('en-US')
  return (
    `${number(outcome.sent)} requests on ${number(outcome.connections)} connections, ` +
    `${number(outcome.closedByBroker)} of them closed by the broker; ` +
    `${number(outcome.acknowledged)} records of the ledger; ` +
    `longest block ${number(outcome.longestBlockMs)} ms, ${outcome.blocks.length} over the bound; ` +
    `${number(outcome.rssBeforeMiB)} MiB before, ${number(outcome.rssAfterMiB)} after`
  )
}

function everyTenth(say: (line: string) => void): (line: string) => void {
  let count = 0
  return (line) => {
    if (count++ % 10 === 0) say(line)
  }
}
