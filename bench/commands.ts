/**
 * `node bench/commands.ts [seconds] [rounds] [disk|memory|HOST:PORT]`: decisions a second, and how long each takes from
 * ask to answer, for 1, 64 and 1,000 callers in one process that ask one command after the other, each of a thing of
 * its own. Callers, service and, unless it runs elsewhere, broker share the process. What the service counts is
 * compared with what was answered before a number is told; how many commits there were is told beside it.
 */
import { rmSync } from 'node:fs'
import { embedded, kafka, run } from '../src/index.ts'
import { OrderCommands, change, ordering, place } from '../test/types/ordering.ts'
import { freshDirectory } from './headwater.ts'
import { spread } from './measure.ts'

const seconds = Number(process.argv[2] ?? 3)
const rounds = Number(process.argv[3] ?? 3)
const where = process.argv[4] ?? 'disk'

interface Load {
  readonly callers: number
  readonly perSecond: number[]
  readonly p50Ms: number[]
  readonly p99Ms: number[]
  readonly perCommit: number[]
  /** Of processor time, of the whole process. */
  readonly microsEach: number[]
}

const loads = [1, 64, 1_000].map(loadOf)
const directory = freshDirectory()
const here =
  where === 'disk' || where === 'memory'
    ? await embedded(directory, { durability: where })
    : undefined
const app = await run(ordering(), { broker: here ?? kafka(where) })
try {
  await placeAll(1_000)
  // The first round warms up and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const each of loads) await measure(each, round)
  }
} finally {
  await app.close()
  await here?.close()
  rmSync(directory, { recursive: true, force: true })
}
console.log(`${seconds} s each, ${rounds} rounds on ${where}: median (min–max)`)
for (const { callers, perSecond, p50Ms, p99Ms, perCommit, microsEach } of loads) {
  const who = `${callers.toLocaleString('en-US')} callers`
  console.log(
    `  ${who.padEnd(14)} ${spread(perSecond)} decisions/s, p50 ${spread(p50Ms, 2)} ms, ` +
      `p99 ${spread(p99Ms, 2)} ms, ${spread(perCommit)} a commit, ${spread(microsEach)} µs of processor each`,
  )
}

function loadOf(callers: number): Load {
  return { callers, perSecond: [], p50Ms: [], p99Ms: [], perCommit: [], microsEach: [] }
}

/** Every thing that callers ask must be there. */
async function placeAll(count: number): Promise<void> {
  const run = Date.now()
  const answers = Array.from({ length: count }, (_, n) => {
    return app.ask(OrderCommands, place(`order-${n}`), { id: `place-${run}-${n}`, timeout: '60s' })
  })
  await Promise.all(answers)
}

async function measure(to: Load, round: number): Promise<void> {
  const before = app.stats()
  const cpu = process.cpuUsage()
  const took: number[] = []
  const startedAt = performance.now()
  const end = startedAt + seconds * 1_000
  await Promise.all(Array.from({ length: to.callers }, (_, n) => askOn(n, end, took)))
  const ms = performance.now() - startedAt
  const { user, system } = process.cpuUsage(cpu)
  const { decisions, commits } = app.stats()
  const decided = decisions.accepted - before.decisions.accepted
  if (decided !== took.length) throw new Error(`${decided} were decided, ${took.length} answered`)
  if (round === 0) return
  took.sort((a, b) => a - b)
  to.perSecond.push((took.length / ms) * 1_000)
  to.p50Ms.push(took[Math.floor(took.length * 0.5)]!)
  to.p99Ms.push(took[Math.floor(took.length * 0.99)]!)
  to.perCommit.push(took.length / (commits - before.commits))
  to.microsEach.push((user + system) / took.length)
}

async function askOn(n: number, end: number, took: number[]): Promise<void> {
  for (let now = performance.now(); now < end;) {
    const answer = await app.ask(OrderCommands, change(`order-${n}`))
    if (!answer.accepted) throw new Error(answer.reason)
    const then = performance.now()
    took.push(then - now)
    now = then
  }
}
