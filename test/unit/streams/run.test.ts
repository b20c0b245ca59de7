import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { kafka } from '../../../src/streams/runtime/run.ts'

describe('the address of a Kafka cluster', () => {
  it('is one broker or several', () => {
    assert.deepEqual(kafka('a:9092, b:9093').bootstrap, [
      { host: 'a', port: 9092 },
      { host: 'b', port: 9093 },
    ])
    assert.deepEqual(kafka('[::1]:9092').bootstrap, [{ host: '::1', port: 9092 }])
  })

  it('that cannot be read is refused with how to write one', () => {
    for (const address of [
      'localhost',
      'localhost:',
      ':9092',
      'a:9092,',
      'a:x',
      'a:0',
      'a:65536',
      '::1:9092',
    ]) {
      assert.throws(
        () => kafka(address),
        (error) => isHeadwaterError(error, 'config-invalid') && /host:port/.test(error.message),
      )
    }
  })
})
