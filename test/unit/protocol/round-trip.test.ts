import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { concatBytes } from '../../../src/base/bytes.ts'
import { HeadwaterError } from '../../../src/base/errors.ts'
import { finish, isSteps } from '../../../src/base/steps.ts'
import { apiNames, apis, type ApiName } from '../../../src/protocol/api.ts'
import {
  decodeRequest,
  decodeRequestInSteps,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  encodeResponseUpTo,
} from '../../../src/protocol/frame.ts'
import { valueOf } from './arbitrary.ts'

const runs = { numRuns: 20 }

describe('every message in every version', () => {
  for (const api of apiNames) {
    test(`${api} comes back as it went`, () => {
      for (const version of versionsOf(api)) {
        const requests = valueOf(apis[api].request.shape, version)
        fc.assert(
          fc.property(requests, fc.option(fc.string()), fc.nat(), (body, clientId, id) => {
            const frame = withoutLength(encodeRequest(api, version, id, clientId, body as object))
            const [heap, heapInSteps] = [unbounded(), unbounded()]
            const decoded = decodeRequest(frame, heap)
            assert.deepEqual(decoded, { api, version, correlationId: id, clientId, body })
            assert.deepEqual(finish(decodeRequestInSteps(frame, heapInSteps)), decoded)
            assert.deepEqual(heapInSteps, heap)
          }),
          runs,
        )
        const responses = valueOf(apis[api].response.shape, version)
        fc.assert(
          fc.property(responses, fc.nat(), (body, correlationId) => {
            const frame = withoutLength(encodeResponse(api, version, correlationId, body as object))
            assert.deepEqual(decodeResponse(api, version, frame), { correlationId, body })
            const encoded = encodeResponseUpTo(0, api, version, correlationId, body as object)
            assert.deepEqual(withoutLength(isSteps(encoded) ? finish(encoded) : encoded), frame)
          }),
          runs,
        )
      }
    })

    test(`${api} cut short anywhere is refused, never misread`, () => {
      for (const version of versionsOf(api)) {
        const bodies = valueOf(apis[api].request.shape, version)
        fc.assert(
          fc.property(bodies, fc.nat(), (body, cut) => {
            const frame = withoutLength(encodeRequest(api, version, 1, 'c', body as object))
            // Also by the last byte alone, so none that we send is more than is read.
            for (const length of [cut % frame.length, frame.length - 1]) {
              const short = frame.subarray(0, length)
              assert.throws(() => decodeRequest(short), isInvalid)
              assert.throws(() => finish(decodeRequestInSteps(short)), isInvalid)
            }
          }),
          runs,
        )
      }
    })

    test(`${api} with bytes changed is a message or is refused`, () => {
      for (const version of versionsOf(api)) {
        const bodies = valueOf(apis[api].response.shape, version)
        fc.assert(
          fc.property(bodies, fc.nat(), fc.integer({ min: 0, max: 255 }), (body, at, byte) => {
            const frame = withoutLength(encodeResponse(api, version, 1, body as object)).slice()
            frame[at % frame.length] = byte
            isMessageOrRefused(() => decodeResponse(api, version, frame))
          }),
          runs,
        )
      }
    })
  }

  test('bytes from nowhere are a message or are refused', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...apiNames),
        fc.nat(20),
        fc.uint8Array({ maxLength: 300 }),
        (api, step, bytes) => {
          const [min, max] = apis[api].versions
          const version = min + (step % (max - min + 1))
          isMessageOrRefused(() => decodeResponse(api, version, bytes))
          const header = new Uint8Array(bytes.length + 4)
          new DataView(header.buffer).setInt16(0, apis[api].key)
          new DataView(header.buffer).setInt16(2, version)
          header.set(bytes, 4)
          isMessageOrRefused(() => decodeRequest(header))
        },
      ),
      { numRuns: 3000 },
    )
  })
})

function unbounded(): { bytesMax: number; usedBytes: number } {
  return { bytesMax: Infinity, usedBytes: 0 }
}

function versionsOf(api: ApiName): number[] {
  const [min, max] = apis[api].versions
  return Array.from({ length: max - min + 1 }, (_, index) => min + index)
}

function withoutLength(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = concatBytes(chunks)
  const view = new DataView(whole.buffer, whole.byteOffset)
  assert.equal(view.getInt32(0), whole.length - 4)
  return whole.subarray(4)
}

function isMessageOrRefused(decode: () => unknown): void {
  try {
    decode()
  } catch (error) {
    assert.ok(isInvalid(error), String(error))
  }
}

function isInvalid(error: unknown): boolean {
  return error instanceof HeadwaterError && error.code === 'frame-invalid'
}
