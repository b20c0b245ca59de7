import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apiNames, apis } from '../../../src/protocol/api.ts'
import { decodeRequest } from '../../../src/protocol/frame.ts'
import { seededDraw } from '../../../src/testing/seed.ts'
import { requestFrames } from '../../fuzz/frames.ts'
import { mutated, mutations } from '../../fuzz/mutations.ts'

const frames = requestFrames(7)

test('there is a sound request of every API in every version to begin with', () => {
  const there = new Set<string>()
  for (const { bytes } of frames) {
    const request = decodeRequest(bytes)
    if ('api' in request) there.add(`${request.api} ${request.version}`)
  }
  for (const api of apiNames) {
    const [first, last] = apis[api].versions
    for (let version = first; version <= last; version++) {
      assert.ok(there.has(`${api} ${version}`), `${api} ${version}`)
    }
  }
})

test('each mutation changes something, and never the frame it was given', () => {
  for (const [name, mutation] of Object.entries(mutations)) {
    const draw = seededDraw(3)
    const before = frames.map(({ bytes }) => bytes.slice())
    const changed = frames.filter(
      ({ bytes }) => Buffer.compare(mutation(bytes, draw, frames), bytes) !== 0,
    )
    assert.equal(changed.length > 0, name !== 'nothing', name)
    assert.deepEqual(
      frames.map(({ bytes }) => bytes),
      before,
    )
  }
})

test('a seed sends the same bytes each time', () => {
  const send = () => {
    const draw = seededDraw(5)
    return frames.slice(0, 50).map((frame) => mutated(frame, draw, frames))
  }
  assert.deepEqual(send(), send())
})
