/** How changes lie in a log, and which of them an older or newer release can read. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { changeCodec, form } from '../../../src/coordinator/stored.ts'
import { bytes, int32, since, string, struct } from '../../../src/protocol/schema.ts'

const older = { noted: form(7, 0, struct({ text: string })) }
const newer = {
  noted: form(7, 1, struct({ text: string, weight: since(1, int32, 5) })),
  kept: form(8, 0, struct({ payload: bytes })),
}

describe('a stored change', () => {
  it('is a byte of kind, a byte of version, and its fields', () => {
    const stored = changeCodec('test', older).encode({ type: 'noted', text: 'hi' } as never)
    assert.deepEqual([...stored!], [7, 0, 3, 104, 105, 0])
  })

  it('of an older version reads with the defaults of what it lacks', () => {
    const stored = changeCodec('test', older).encode({ type: 'noted', text: 'hi' } as never)!
    const change = changeCodec('test', newer).decode(stored)
    assert.deepEqual(change, { type: 'noted', text: 'hi', weight: 5 })
  })

  it('of a newer release is refused by name, not misread', () => {
    const codec = changeCodec('test', newer)
    const version = codec.encode({ type: 'noted', text: 'hi', weight: 1 } as never)!
    const kind = codec.encode({ type: 'kept', payload: new Uint8Array(1) } as never)!
    for (const stored of [version, kind, new Uint8Array(0)]) {
      assert.throws(
        () => changeCodec('test', older).decode(stored),
        (error) =>
          isHeadwaterError(error, 'data-dir-version') && /the test log/.test(error.message),
      )
    }
  })

  it('holds on to none of the bytes it was read from', () => {
    const codec = changeCodec('test', newer)
    const stored = codec.encode({ type: 'kept', payload: Uint8Array.of(1, 2) } as never)!
    const change = codec.decode(stored)
    stored.fill(9)
    assert.deepEqual(change, { type: 'kept', payload: Uint8Array.of(1, 2) })
  })

  it('is nothing for a change without a form: it is volatile', () => {
    assert.equal(changeCodec('test', older).encode({ type: 'heard' }), undefined)
  })
})
