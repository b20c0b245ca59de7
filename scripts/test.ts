/**
 * `npm test`: every test that needs nothing but npm. Arguments narrow it to files or folders:
 * `npm test -- test/unit/log`. What needs Java or Kafka runs with `npm run test:kafka` and `test:tools`.
 */
import { globSync, statSync } from 'node:fs'
import { runTests } from './run-tests.ts'

const rooms = ['unit', 'types', 'scenes', 'simulation', 'conformance', 'airline']
const wanted = process.argv.slice(2)
const patterns =
  wanted.length > 0 ? wanted.map(asPattern) : rooms.map((room) => `test/${room}/**/*.test.ts`)
const files = patterns.flatMap((pattern) => globSync(pattern)).toSorted()

if (files.length === 0) {
  console.error(`No test file matches ${patterns.join(', ')}.`)
  process.exit(1)
}

process.exitCode = await runTests(files, { atOnce: 2 })

function asPattern(argument: string): string {
  const isFolder = statSync(argument, { throwIfNoEntry: false })?.isDirectory() ?? false
  return isFolder ? `${argument}/**/*.test.ts` : argument
}
