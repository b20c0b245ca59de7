/**
 * `npm run test:postgres [FILE …]`: runs the tests under test/postgres, or only the files given. Each starts a
 * PostgreSQL server of its own (`postgres.ts`), which needs Debian's package `postgresql`.
 */
import { runTests } from './run-tests.ts'

const files = process.argv.slice(2)
const tests = files.length > 0 ? files : ['test/postgres/**/*.test.ts']
process.exitCode = await runTests(tests, { atOnce: 2 })
