/**
 * `npm run test:tools [FILE …]`: runs the tests under test/tools, or only the files given: command-line
 * tools we did not write against our broker, and the package as `npm run build` makes it. Kafka's own need Java and Maven; kcat's are skipped
 * where there is no kcat.
 */
import { kafkaJars } from './kafka/jars.ts'
import { runTests } from './run-tests.ts'

const files = process.argv.slice(2)
const tests = files.length > 0 ? files : ['test/tools/**/*.test.ts']

try {
  await kafkaJars()
  process.exitCode = await runTests(tests)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
