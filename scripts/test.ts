/**
 * `npm test`: every test that needs nothing but npm. Arguments narrow it to files or folders:
 * `npm test -- test/unit/log`. What needs Java or Kafka runs with `npm run test:kafka` and `test:tools`.
 */
import { globSync, statSync } from 'node:fs'
import { runTests } from './run-tests.ts'

const rooms = ['unit', 'types', 'scenes', 'simulation', 'conformance', 'airline', 'seats']
/** What takes longest comes first, so that nothing runs alone at the end. */
const first = [
  'test/unit/streams/suite',
  'test/airline',
  'test/unit/streams/takeovers.test.ts',
  'test/simulation/groups',
  'test/unit/streams',
  'test/unit/cli',
]
const wanted = process.argv.slice(2)
const patterns =
  wanted.length > 0 ? wanted.map(asPattern) : rooms.map((room) => `test/${room}/**/*.test.ts`)
const files = patterns
  .flatMap((pattern) => globSync(pattern))
  .toSorted((a, b) => turnOf(a) - turnOf(b) || (a < b ? -1 : 1))

if (files.length === 0) {
  console.error(`No test file matches ${patterns.join(', ')}.`)
  process.exit(1)
}

process.exitCode = await runTests(files, { atOnce: 4 })

function turnOf(file: string): number {
  const turn = first.findIndex((path) => file.startsWith(path))
  return turn < 0 ? first.length : turn
}

function asPattern(argument: string): string {
  const isFolder = statSync(argument, { throwIfNoEntry: false })?.isDirectory() ?? false
  return isFolder ? `${argument}/**/*.test.ts` : argument
}
