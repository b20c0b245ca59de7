import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PeerCounts } from '../../../src/streams/views/peer-counts.ts'

describe('counts of questions at other instances', () => {
  it('are by address, of the hundred that were asked last', () => {
    const counts = new PeerCounts()
    for (let n = 0; n < 100; n++) counts.count(`10.0.0.${n}:80`, 'asked')
    counts.count('10.0.0.0:80', 'answered')
    counts.count('10.0.1.0:80', 'asked')
    counts.count('10.0.1.0:80', 'refused')
    const stats = counts.stats()
    assert.equal(Object.keys(stats).length, 100)
    assert.deepEqual(stats['10.0.0.0:80'], { asked: 1, answered: 1, refused: 0 })
    assert.equal(stats['10.0.0.1:80'], undefined)
    assert.deepEqual(stats['10.0.1.0:80'], { asked: 1, answered: 0, refused: 1 })
  })
})
