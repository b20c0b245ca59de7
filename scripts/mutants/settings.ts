/** Mutants of the times a service runs by: what one of them asks of another. */
import type { Mutant } from './mutant.ts'

const file = 'src/streams/runtime/settings.ts'
const tests = ['test/unit/streams/settings.test.ts']
const turns = ['test/unit/streams/turn.test.ts']

export const settings: readonly Mutant[] = [
  {
    name: 'settings: heartbeatsPerRebalance',
    file,
    text: 'const heartbeatsPerRebalance = 2',
    instead: 'const heartbeatsPerRebalance = 1',
    tests,
  },
  {
    name: 'settings: heartbeatsPerSession',
    file,
    text: 'const heartbeatsPerSession = 3',
    instead: 'const heartbeatsPerSession = 1',
    tests,
  },
  {
    name: 'settings: turnsPerSession',
    file,
    text: 'const turnsPerSession = 3',
    instead: 'const turnsPerSession = 1',
    tests,
  },
  {
    name: 'settings: commitsPerTransaction',
    file,
    text: 'const commitsPerTransaction = 2',
    instead: 'const commitsPerTransaction = 1',
    tests,
  },
  {
    name: 'turns: what a record costs, by queue',
    file: 'src/streams/runtime/turn.ts',
    text: 'this.#stride = Math.min(this.#stride, strideOf(queue))',
    instead: 'this.#stride = Math.max(this.#stride, strideOf(queue))',
    tests: turns,
  },
  {
    name: 'turns: easing',
    file: 'src/streams/runtime/turn.ts',
    text: 'const easing = 0.8',
    instead: 'const easing = 1',
    tests: turns,
  },
]
