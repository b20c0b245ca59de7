/** Memory that requests become is counted while they are decoded, in one go or in steps. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concatBytes } from '../../../src/base/bytes.ts'
import { decode, decodeInSteps } from '../../../src/broker/server/decoding.ts'
import { encodeRequest } from '../../../src/protocol/frame.ts'

const topics = Array.from({ length: 5000 }, (_, n) => ({ name: `topic-${n}` }))
const frame = concatBytes(encodeRequest('Metadata', 12, 1, 'c', { topics })).subarray(4)

function counting() {
  const counted: number[] = []
  return { counted, decoded: (heapBytes: number): void => void counted.push(heapBytes) }
}

test('each step counts what it takes, and all of them what one would', () => {
  const [atOnce, inSteps] = [counting(), counting()]
  const whole = decode(frame, atOnce, Infinity)
  const steps = decodeInSteps(frame, inSteps, Infinity)
  let step = steps.next()
  // The list is counted before its items are made.
  assert(inSteps.counted[0]! > 0)
  while (step.done !== true) step = steps.next()
  assert.deepEqual(step.value, whole)
  assert(inSteps.counted.length > 100)
  const sum = (counted: readonly number[]): number => counted.reduce((all, each) => all + each, 0)
  assert.equal(sum(inSteps.counted), sum(atOnce.counted))
})

test('more than a request may take is refused in steps, too', () => {
  const memory = counting()
  const steps = decodeInSteps(frame, memory, 10_000)
  assert.throws(() => [...steps], { code: 'frame-too-large' })
})
