/**
 * `npm run test:tools [FILE …]`: runs the tests under test/tools, or only the files given: command-line
 * tools we did not write against our broker. Kafka's own need Java and Maven; kcat's are skipped
 * where there is no kcat.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { kafkaJars } from './kafka/jars.ts'

const files = process.argv.slice(2)
const tests = files.length > 0 ? files : ['test/tools/**/*.test.ts']

try {
  await kafkaJars()
  const child = spawn(process.execPath, ['--test', ...tests], { stdio: 'inherit' })
  const [code] = (await once(child, 'exit')) as [number | null]
  process.exitCode = code ?? 1
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
