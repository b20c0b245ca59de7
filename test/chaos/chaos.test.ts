/** Real processes, killed and cut off: every record counts once; and a fault that is planted is found. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { faultNames } from './faults.ts'
import { isWhole, play } from './play.ts'
import type { Outcome, PlayOptions } from './play.ts'

/** Seconds of harm a seed. */
const seconds = 25

describe('a service of three processes', () => {
  for (const seed of [1, 2]) {
    it(`counts every record once while it and its broker are harmed, seed ${seed}`, async (t) => {
      const outcome = await playing(t.signal, { seed })
      t.diagnostic(`faults: ${JSON.stringify(outcome.faults)}`)
      assert.ok(isWhole(outcome), explain(outcome))
      assert.ok(Object.keys(outcome.faults).length >= 3)
      assert.ok(outcome.records > 2_000)
    })
  }

  it('does not pass with a fault planted in it', async (t) => {
    const outcome = await playing(t.signal, {
      seed: 1,
      seconds: 8,
      faults: ['freeze', 'sleep'],
      planted: 'window-by-own-maximum',
    })
    assert.ok(!isWhole(outcome))
    assert.ok(outcome.verdict.wrongSums > 0, 'no sum shows it')
  })
})

function playing(signal: AbortSignal, o: Partial<PlayOptions> & { seed: number }) {
  const onProgress = (line: string): void => console.log(line)
  const all = { seconds, faults: faultNames, broker: undefined, planted: undefined }
  return play({ ...all, signal, onProgress, ...o })
}

function explain({ seed, verdict, wrong, lastEvents, directory }: Outcome): string {
  return [
    `seed ${seed}:`,
    ...verdict.wrong,
    ...wrong,
    'the last events:',
    ...lastEvents,
    `logs: ${directory}; to see it again: npm run chaos -- --seed ${seed}`,
  ].join('\n')
}
