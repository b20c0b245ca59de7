/** Requests decoded, and what they become counted as memory that they hold. */
import type { Steps } from '../../base/steps.ts'
import {
  decodeRequest,
  decodeRequestInSteps,
  type DecodedRequest,
  type UnsupportedRequest,
} from '../../protocol/frame.ts'
import type { RequestMemory } from './answer.ts'

type Counting = Pick<RequestMemory, 'decoded'>
type Decoded = DecodedRequest | UnsupportedRequest

/** @param heapBytesMax what the request may take beside its frame; beyond, `frame-too-large` */
export function decode(frame: Uint8Array, memory: Counting, heapBytesMax: number): Decoded {
  const heap = { bytesMax: heapBytesMax, usedBytes: 0 }
  const decoded = decodeRequest(frame, heap)
  memory.decoded(heap.usedBytes)
  return decoded
}

/** The same in steps, each of which is counted: many requests may be in the middle of it at once. */
export function* decodeInSteps(
  frame: Uint8Array,
  memory: Counting,
  heapBytesMax: number,
): Steps<Decoded> {
  const heap = { bytesMax: heapBytesMax, usedBytes: 0 }
  const steps = decodeRequestInSteps(frame, heap)
  for (let counted = 0; ;) {
    const step = steps.next()
    memory.decoded(heap.usedBytes - counted)
    counted = heap.usedBytes
    if (step.done === true) return step.value
    yield step.value
  }
}
