/**
 * Runs test files with Node's own runner, in the order they are given, bounded: a test has five minutes,
 * and so has a file, which ends then even when a test that failed left a worker or a socket behind. (Not by
 * `--test-force-exit`: it passes over tests of a file that are made late, without a word.)
 */
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

const minutes = 5
/** Node's own bound for a file only fails it; what keeps its process alive goes on. */
const endInTime = join(import.meta.dirname, 'end-in-time.ts')
/** Each file is a process, which would compile what it loads anew: a third of the CPU time of all tests. */
const compiled = join(import.meta.dirname, '../.cache/compiled')

/**
 * Runs the files, or those that patterns name, and returns the exit code.
 * @param o.env what the tests find in their environment beside what is there
 * @param o.stop ends them early when it resolves
 * @param o.atOnce files that run side by side; 1 by default, for tests that share a node and its clock
 */
export async function runTests(
  files: readonly string[],
  o: {
    readonly env?: NodeJS.ProcessEnv
    readonly stop?: Promise<void>
    readonly atOnce?: number
  } = {},
): Promise<number> {
  const stop = new AbortController()
  void o.stop?.then(() => stop.abort())
  let code = 0
  const tests = run({
    files: files.flatMap((file) => globSync(file).toSorted()).map((file) => resolve(file)),
    concurrency: o.atOnce ?? 1,
    timeout: minutes * 60_000,
    execArgv: ['--import', endInTime],
    env: {
      NODE_COMPILE_CACHE: compiled,
      ...process.env,
      ...o.env,
      TEST_FILE_MS: `${minutes * 60_000}`,
    },
    signal: stop.signal,
  })
  tests.on('test:fail', () => (code = 1))
  const told = tests.compose(new spec())
  told.pipe(process.stdout)
  await once(told, 'end')
  return code
}
