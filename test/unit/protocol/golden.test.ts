/** Frames of clients and a broker we did not write, recorded by scripts/record-frames.ts. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concatBytes } from '../../../src/base/bytes.ts'
import type { ApiName } from '../../../src/protocol/api.ts'
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../../src/protocol/frame.ts'
import { goldenFiles, goldenFramesOf } from '../../golden-frames.ts'

for (const file of goldenFiles) {
  describe(`the frames of ${file}`, () => {
    for (const { side, api, version, frame } of goldenFramesOf(file)) {
      test(`${side} ${api} ${version} is read and written again to the same bytes`, () => {
        const again = side === '>' ? requestAgain(frame) : responseAgain(api, version, frame)
        assert.equal(hex(again), hex(frame))
      })
    }
  })
}

test('frames of four clients are there', () => {
  const files = ['java.hex', 'kafkajs.hex', 'kcat.hex', 'platformatic.hex']
  assert.deepEqual(goldenFiles, files)
})

function requestAgain(frame: Uint8Array): Uint8Array {
  const request = decodeRequest(frame)
  assert.ok('api' in request)
  const { api, version, correlationId, clientId, body } = request
  return withoutLength(encodeRequest(api, version, correlationId, clientId, body as object))
}

function responseAgain(api: ApiName, version: number, frame: Uint8Array): Uint8Array {
  const { correlationId, body } = decodeResponse(api, version, frame)
  return withoutLength(encodeResponse(api, version, correlationId, body))
}

function withoutLength(chunks: readonly Uint8Array[]): Uint8Array {
  return concatBytes(chunks).subarray(4)
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
