/** Our table of error codes against the one in Kafka's jar: codes, names, and which may be retried. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { java } from '../../scripts/kafka/jars.ts'
import { ErrorCode, isRetriable } from '../../src/protocol/errors.ts'

const program = `
  import org.apache.kafka.common.protocol.Errors;
  import org.apache.kafka.common.errors.RetriableException;
  class Print {
    public static void main(String[] args) {
      for (Errors error : Errors.values()) {
        boolean retriable = error.exception() instanceof RetriableException;
        System.out.println(error.code() + " " + error.name() + " " + retriable);
      }
    }
  }`

test('error codes are Kafka’s, and the same ones are retriable', async () => {
  const jars = process.env['KAFKA_JARS']
  assert.ok(jars, 'KAFKA_JARS names no directory; run these tests by npm run test:kafka')
  const directory = mkdtempSync(join(tmpdir(), 'kafka-errors-'))
  try {
    const source = join(directory, 'Print.java')
    writeFileSync(source, program)
    const { stdout } = await promisify(execFile)(java, ['-cp', join(jars, '*'), source])
    const ours = Object.entries(ErrorCode).map(
      ([name, code]) => `${code} ${name} ${isRetriable(code)}`,
    )
    assert.deepEqual(ours, stdout.trim().split('\n'))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
