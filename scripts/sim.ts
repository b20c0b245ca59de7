/**
 * `npm run sim -- --seed N --seeds M`: histories of a broker and its clients in a simulated world.
 *
 *   --pass NAME    these passes only (may be repeated), by name in test/simulation/cluster/passes.ts;
 *                  `group` stands for all that begin with it
 *   --stride K     every K-th point of a pass, beginning with one drawn from the seed
 *   --point P      only this point, counted from 1: what a failure names to be seen again
 *   --repeat       every history twice, to see that one seed is one history
 *   --workers N    spread over N threads; 1 when left out
 *   --all          go on after a failure; the end lists how many there were of each pass
 *   --planted      instead, plant known bugs, one at a time, and see that each is found: by up to M seeds
 *                  (200 when left out), in the passes that look for it
 *   --bug NAME     only this one
 *   --json         the table of `--planted` as JSON
 *
 * The first failure ends it with the seed and the last of what happened. The last line counts histories.
 */
import { parseArgs } from 'node:util'
import type { PlantedFault } from '../src/base/planted.ts'
import { passes } from '../test/simulation/cluster/passes.ts'
import type { PassName } from '../test/simulation/cluster/passes.ts'
import { Crew } from './sim/crew.ts'
import type { Job } from './sim/job.ts'
import { findPlanted, plantedBugs } from './sim/planted.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string' },
    pass: { type: 'string', multiple: true, default: [] },
    stride: { type: 'string', default: '1' },
    point: { type: 'string' },
    repeat: { type: 'boolean', default: false },
    workers: { type: 'string', default: '1' },
    all: { type: 'boolean', default: false },
    planted: { type: 'boolean', default: false },
    bug: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})

const started = performance.now()
const firstSeed = Number(values.seed)
const crew = new Crew(Number(values.workers))
const isRight = values.planted ? await plant() : await simulate()
await crew.close()
process.exitCode = isRight ? 0 : 1

async function plant(): Promise<boolean> {
  const bugs = values.bug === undefined ? plantedBugs : [bugOf(values.bug)]
  const seeds = Number(values.seeds ?? '200')
  return findPlanted(crew, { bugs, firstSeed, seeds, isJson: values.json })
}

async function simulate(): Promise<boolean> {
  const names = passesOf(values.pass)
  const lastSeed = firstSeed + Number(values.seeds ?? '1')
  const failed = new Map<PassName, number[]>()
  const waiting = new Set<Promise<void>>()
  let histories = 0
  const isOver = (): boolean => failed.size > 0 && !values.all
  for (let seed = firstSeed; seed < lastSeed; seed++) {
    for (const pass of names) {
      if (isOver()) break
      const { text, run } = start({ pass, seed })
      const running = run.then((result) => {
        waiting.delete(running)
        histories += result.histories
        report(`${text}: ${result.histories} histories`)
        if (result.failure === undefined || isOver()) return
        failed.set(pass, [...(failed.get(pass) ?? []), seed])
        show(result.failure)
      })
      waiting.add(running)
      if (waiting.size > Number(values.workers)) await Promise.race(waiting)
    }
  }
  await Promise.all(waiting)
  for (const [pass, seeds] of failed) {
    console.log(`${pass}: ${seeds.length} failures, of seeds ${seeds.join(' ')}`)
  }
  if (failed.size === 0) console.log(`${histories} histories came out right in ${seconds()} s`)
  return failed.size === 0
}

function start({ pass, seed }: Pick<Job, 'pass' | 'seed'>) {
  const job = {
    pass,
    seed,
    stride: Number(values.stride),
    repeat: values.repeat,
    ...(values.point === undefined ? {} : { point: Number(values.point) }),
  }
  return { text: `seed ${seed}, ${pass}`, run: crew.run(job) }
}

/** One line for every pass of a seed on a terminal; in a log only now and then. */
function report(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}, ${seconds()} s`)
}

function show({ text, here }: { readonly text: string; readonly here: string }): void {
  console.error(values.all ? `${here}: ${text.split('\n')[0]}` : `\n${text}`)
  if (!values.all) console.error(`\nTo see it again: npm run sim -- ${here}`)
}

function seconds(): string {
  return ((performance.now() - started) / 1000).toFixed(0)
}

function passesOf(given: readonly string[]): readonly PassName[] {
  const all = Object.keys(passes) as PassName[]
  if (given.length === 0) return all
  return given.flatMap((name) => {
    const found = all.filter(
      (pass) => pass === name || (pass.startsWith(`${name}-`) && name === 'group'),
    )
    if (found.length > 0) return found
    console.error(`There is no pass ${name}: choose ${all.join(', ')}.`)
    process.exit(1)
  })
}

function bugOf(name: string): PlantedFault {
  const bug = plantedBugs.find((each) => each === name)
  if (bug !== undefined) return bug
  console.error(`There is no bug ${name}: choose ${plantedBugs.join(', ')}.`)
  process.exit(1)
}
