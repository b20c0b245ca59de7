/**
 * Runs test files with Node's own runner, bounded: a test has five minutes, and so has a file, which ends
 * then even when a test that failed left a worker or a socket behind. (Not by `--test-force-exit`: it
 * passes over tests of a file that are made late, without a word.)
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const bounds = ['--test-timeout=300000']
/** Each file is a process, which would compile what it loads anew: a third of the CPU time of all tests. */
const compiled = join(import.meta.dirname, '../.cache/compiled')

/**
 * Runs the files, or patterns of them, and returns the exit code.
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
  const child = spawn(
    process.execPath,
    ['--test', ...bounds, `--test-concurrency=${o.atOnce ?? 1}`, ...files],
    {
      stdio: 'inherit',
      env: { NODE_COMPILE_CACHE: compiled, ...process.env, ...o.env },
    },
  )
  void o.stop?.then(() => child.kill())
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}
