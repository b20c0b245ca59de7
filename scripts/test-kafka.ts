/**
 * `npm run test:kafka [FILE …]`: runs the tests under test/kafka, or only the files given, with a real
 * Apache Kafka node beside them. They find it by KAFKA_BOOTSTRAP and its jars by KAFKA_JARS.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { askedToStop, startKafka, type KafkaNode } from './kafka.ts'

const files = process.argv.slice(2)
const tests = files.length > 0 ? files : ['test/kafka/**/*.test.ts']
const asked = askedToStop()
let node: KafkaNode | undefined

try {
  node = await startKafka()
  const child = spawn(process.execPath, ['--test', ...tests], {
    stdio: 'inherit',
    env: { ...process.env, KAFKA_BOOTSTRAP: `127.0.0.1:${node.port}`, KAFKA_JARS: node.jars },
  })
  void asked.then(() => child.kill())
  const [code] = (await once(child, 'exit')) as [number | null]
  process.exitCode = code ?? 1
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  await node?.stop()
}
