/**
 * `npm run mutants`: takes one bound or rule after the other away and sees that a test breaks.
 *
 * Each mutant of `mutants/` is applied alone, in a copy of the tree, and its tests are run. One that
 * lives means that nobody would notice the rule to be gone; one whose text is not found any more has to
 * follow the code. Both end with exit code 1. `npm run mutants -- fetch` runs those with `fetch` in their
 * name.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { below } from './mutants/below.ts'
import { broker } from './mutants/broker.ts'
import { client } from './mutants/client.ts'
import { commands } from './mutants/commands.ts'
import { coordinator } from './mutants/coordinator.ts'
import { memoryOfBroker } from './mutants/memory.ts'
import { evolutionMutants } from './mutants/evolution.ts'
import { inputs } from './mutants/inputs.ts'
import type { Mutant } from './mutants/mutant.ts'
import { operationsMutants } from './mutants/operations.ts'
import { askedMutants } from './mutants/asked.ts'
import { queryMutants } from './mutants/query.ts'
import { recordMutants } from './mutants/records.ts'
import { calls } from './mutants/calls.ts'
import { errors } from './mutants/errors.ts'
import { postgresMutants } from './mutants/postgres.ts'
import { seatsMutants } from './mutants/seats.ts'
import { sending } from './mutants/sending.ts'
import { settings } from './mutants/settings.ts'
import { tracing } from './mutants/tracing.ts'

const root = join(import.meta.dirname, '..')
const copied = [
  'src',
  'test',
  'scripts',
  'examples',
  'docs',
  'proto',
  'package.json',
  'tsconfig.json',
]
/** Each takes one mutant after the other, in a tree of its own. */
const lanes = 2
/** Nothing bounds a mutant that runs in a circle but the end of its processes; that counts as noticed. */
const mutantMsMax = 60_000
/** The tests of all mutants, once and unharmed. */
const untouchedMsMax = 10 * 60_000
/** What the first failure has to say of itself follows it at once. */
const lastWordsMs = 100

type Fate = 'dies' | 'LIVES' | 'NOT FOUND' | 'DOES NOT RUN'

const wanted = process.argv[2] ?? ''
const mutants = [
  ...broker,
  ...memoryOfBroker,
  ...recordMutants,
  ...coordinator,
  ...below,
  ...client,
  ...askedMutants,
  ...queryMutants,
  ...calls,
  ...errors,
  ...operationsMutants,
  ...sending,
  ...postgresMutants,
  ...commands,
  ...inputs,
  ...settings,
  ...seatsMutants,
  ...tracing,
  ...evolutionMutants,
]
const chosen = mutants.filter(({ name }) => name.includes(wanted))
const width = Math.max(0, ...chosen.map(({ name }) => name.length))
const folder = mkdtempSync(join(tmpdir(), 'headwater-mutants-'))
try {
  process.exitCode = (await run()) ? 0 : 1
} finally {
  rmSync(folder, { recursive: true })
}

async function run(): Promise<boolean> {
  const trees = Array.from({ length: lanes }, (_, lane) => copyOfTree(String(lane)))
  const tests = [...new Set(chosen.flatMap((mutant) => mutant.tests))]
  const untouched = await runTests(trees[0]!, tests, { atOnce: lanes, msMax: untouchedMsMax })
  if (!untouched.passed) {
    console.error(`The tests fail without any mutant; first that:\n${untouched.output}`)
    return false
  }
  const left = chosen.values()
  const died = await Promise.all(trees.map((tree) => runLane(tree, left)))
  const dead = died.reduce((sum, each) => sum + each, 0)
  console.log(`${dead} of ${chosen.length} die`)
  return dead === chosen.length
}

function copyOfTree(name: string): string {
  const tree = join(folder, name)
  for (const each of copied) cpSync(join(root, each), join(tree, each), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'))
  return tree
}

/** Takes mutants until none is left, and returns how many died. */
async function runLane(tree: string, left: Iterable<Mutant>): Promise<number> {
  let dead = 0
  for (const mutant of left) {
    const started = performance.now()
    const fate = await fateOf(mutant, tree)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    const columns = [mutant.name.padEnd(width), fate.padEnd(12), `${seconds} s`.padStart(8)]
    console.log(`${columns.join('  ')}  ${mutant.file}`)
    if (fate === 'dies') dead++
  }
  return dead
}

async function fateOf({ file, text, instead, tests }: Mutant, tree: string): Promise<Fate> {
  const path = join(tree, file)
  const original = readFileSync(path, 'utf8')
  if (original.split(text).length !== 2) return 'NOT FOUND'
  writeFileSync(
    path,
    original.replace(text, () => instead),
  )
  try {
    const { passed, output } = await runTests(tree, tests, { atOnce: 1, msMax: mutantMsMax })
    if (/SyntaxError|ReferenceError|ERR_MODULE_NOT_FOUND/.test(output)) return 'DOES NOT RUN'
    return passed ? 'LIVES' : 'dies'
  } finally {
    writeFileSync(path, original)
  }
}

/**
 * Runs test files in a process group of their own, and ends that as a whole when a test has failed or the
 * time is over.
 */
async function runTests(
  tree: string,
  files: readonly string[],
  { atOnce, msMax }: { readonly atOnce: number; readonly msMax: number },
): Promise<{ passed: boolean; output: string }> {
  const options = ['--test-reporter=tap', '--test-timeout=30000', `--test-concurrency=${atOnce}`]
  const child = spawn(process.execPath, ['--test', ...options, ...files], {
    cwd: tree,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE: join(tree, '.cache') },
  })
  const end = (): void => endGroup(child.pid!)
  const limits = [setTimeout(end, msMax)]
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
    if (limits.length === 1 && /^ *not ok /m.test(output)) limits.push(setTimeout(end, lastWordsMs))
  })
  const [code] = (await once(child, 'close')) as [number | null]
  limits.forEach(clearTimeout)
  return { passed: code === 0, output }
}

function endGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // All of it has ended by itself.
  }
}
