/** When an instance may answer queries: while it runs what the group has given it, and knows that to be so. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { answeringState } from '../../../src/streams/runtime/answering.ts'
import type { InstanceNow } from '../../../src/streams/runtime/answering.ts'

const held = Object.freeze({
  groupId: 'tally',
  memberId: 'b-1',
  generation: 5,
  instanceId: 'b',
  partitions: [],
  userData: null,
})
const running: InstanceNow = { state: 'running', isClosing: false, held, isOpen: true }
const heard = (): boolean => true

describe('an instance', () => {
  it('answers while it runs what it holds and has heard so', () => {
    assert.equal(answeringState(running, heard), 'running')
  })

  // Seed 1010088 of group-frozen: one that woke up answered by what it had held eight seconds before.
  it('does not answer by the tasks that it had before, when it has partitions anew', () => {
    assert.equal(answeringState({ ...running, isOpen: false }, heard), 'restoring')
  })

  it('does not answer while it holds nothing, has not heard, closes, or is restored', () => {
    assert.equal(answeringState({ ...running, held: undefined, isOpen: false }, heard), 'restoring')
    assert.equal(
      answeringState(running, () => false),
      'restoring',
    )
    assert.equal(answeringState({ ...running, isClosing: true }, heard), 'closing')
    assert.equal(answeringState({ ...running, state: 'restoring' }, heard), 'restoring')
  })
})
