/**
 * `npm run check`: format, lint, types, unused code and walls, side by side, in seconds.
 * Prints one line a check, and the whole output of each that fails.
 */
import { spawn } from 'node:child_process'

const checks: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['format', 'oxfmt', '--check'],
  ['lint', 'oxlint', '--type-aware', '--deny-warnings'],
  ['types', 'tsc', '--noEmit'],
  ['unused code', 'knip', '--no-progress'],
  [
    'code of tests only',
    'knip',
    '--production',
    '--config',
    'knip.production.json',
    '--no-progress',
  ],
  ['walls', 'node', '--test', 'test/unit/walls.test.ts', 'test/unit/tidy.test.ts'],
]

const results = await Promise.all(
  checks.map(([name, command, ...args]) => run(name, command, args)),
)
process.exitCode = results.every(Boolean) ? 0 : 1

function run(name: string, command: string, args: readonly string[]): Promise<boolean> {
  const started = performance.now()
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  return new Promise((resolve) => {
    child.on('error', (error) => {
      console.error(`✗ ${name}: ${command} does not start: ${error.message}. Run npm ci first.`)
      resolve(false)
    })
    child.on('close', (code) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1)
      console.log(`${code === 0 ? '✓' : '✗'} ${name} (${seconds} s)`)
      if (code !== 0) console.log(output)
      resolve(code === 0)
    })
  })
}
