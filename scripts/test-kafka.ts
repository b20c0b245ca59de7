/**
 * `npm run test:kafka [FILE …]`: runs the tests under test/kafka, or only the files given, with a real
 * Apache Kafka node beside them. They find it by KAFKA_BOOTSTRAP, its listeners with TLS and SASL by
 * KAFKA_SECURED (JSON), and its jars by KAFKA_JARS.
 */
import { askedToStop, startKafka, type KafkaNode } from './kafka.ts'
import { runTests } from './run-tests.ts'

const files = process.argv.slice(2)
const tests = files.length > 0 ? files : ['test/kafka/**/*.test.ts']
const stop = askedToStop()
let node: KafkaNode | undefined

try {
  node = await startKafka({ isSecured: true })
  const env = {
    KAFKA_BOOTSTRAP: `127.0.0.1:${node.port}`,
    KAFKA_JARS: node.jars,
    KAFKA_SECURED: JSON.stringify(node.secured),
  }
  process.exitCode = await runTests(tests, { env, stop })
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  await node?.stop()
}
