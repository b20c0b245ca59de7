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
import { coordinator } from './mutants/coordinator.ts'
import { memoryOfBroker } from './mutants/memory.ts'
import type { Mutant } from './mutants/mutant.ts'
import { operationsMutants } from './mutants/operations.ts'
import { queryMutants } from './mutants/query.ts'
import { recordMutants } from './mutants/records.ts'
import { calls } from './mutants/calls.ts'
import { errors } from './mutants/errors.ts'
import { sending } from './mutants/sending.ts'

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
/** Nothing bounds a mutant that runs in a circle but the end of its processes; that counts as noticed. */
const runMsMax = 120_000

type Fate = 'dies' | 'LIVES' | 'NOT FOUND' | 'DOES NOT RUN'

const wanted = process.argv[2] ?? ''
const mutants = [
  ...broker,
  ...memoryOfBroker,
  ...recordMutants,
  ...coordinator,
  ...below,
  ...client,
  ...queryMutants,
  ...calls,
  ...errors,
  ...operationsMutants,
  ...sending,
]
const chosen = mutants.filter(({ name }) => name.includes(wanted))
const tree = mkdtempSync(join(tmpdir(), 'headwater-mutants-'))
try {
  for (const each of copied) cpSync(join(root, each), join(tree, each), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'))
  process.exitCode = (await run()) ? 0 : 1
} finally {
  rmSync(tree, { recursive: true })
}

async function run(): Promise<boolean> {
  const untouched = await runTests([...new Set(chosen.flatMap(({ tests }) => tests))])
  if (!untouched.passed) {
    console.error(`The tests fail without any mutant; first that:\n${untouched.output}`)
    return false
  }
  const width = Math.max(...chosen.map(({ name }) => name.length))
  let dead = 0
  for (const mutant of chosen) {
    const started = performance.now()
    const fate = await fateOf(mutant)
    const seconds = ((performance.now() - started) / 1000).toFixed(1)
    const columns = [mutant.name.padEnd(width), fate.padEnd(12), `${seconds} s`.padStart(8)]
    console.log(`${columns.join('  ')}  ${mutant.file}`)
    if (fate === 'dies') dead++
  }
  console.log(`${dead} of ${chosen.length} die`)
  return dead === chosen.length
}

async function fateOf({ file, text, instead, tests }: Mutant): Promise<Fate> {
  const path = join(tree, file)
  const original = readFileSync(path, 'utf8')
  if (original.split(text).length !== 2) return 'NOT FOUND'
  writeFileSync(
    path,
    original.replace(text, () => instead),
  )
  try {
    const { passed, output } = await runTests(tests)
    if (/SyntaxError|ReferenceError|ERR_MODULE_NOT_FOUND/.test(output)) return 'DOES NOT RUN'
    return passed ? 'LIVES' : 'dies'
  } finally {
    writeFileSync(path, original)
  }
}

/** Runs test files in a process group of their own, and ends that as a whole when its time is over. */
async function runTests(files: readonly string[]): Promise<{ passed: boolean; output: string }> {
  const child = spawn(
    process.execPath,
    ['--test', '--test-timeout=30000', '--test-concurrency=2', ...files],
    {
      cwd: tree,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const limit = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), runMsMax)
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  clearTimeout(limit)
  return { passed: code === 0, output }
}
