/** Mutants of inputs and their splits. */
import type { Mutant } from './mutant.ts'

const suite = ['test/unit/streams/suite/exactly-once.test.ts']

export const inputs: readonly Mutant[] = [
  {
    name: 'inputs: splitsMax',
    file: 'src/streams/topology/build.ts',
    text: 'splits < 1 || splits > splitsMax',
    instead: 'splits < 1',
    tests: ['test/unit/streams/builder.test.ts'],
  },
  {
    name: 'inputs: the number of splits stays',
    file: 'src/streams/identity/read-topics.ts',
    text: "if (role === 'position' && now !== declared)",
    instead: "if (role === 'position' && now < declared)",
    tests: ['test/unit/streams/identity-decisions.test.ts'],
  },
  {
    name: 'inputs: a split has a position of its own',
    file: 'src/streams/task/inputs.ts',
    text: 'const { split: partition } = this',
    instead: 'const partition = 0',
    tests: suite,
  },
  {
    name: 'inputs: who owns a position reads the split, and nobody else',
    file: 'src/streams/plan/assignment.ts',
    text: 'owned.has(`${each.plan.positionTopic}/${each.split}`)',
    instead: 'owned.has(`${each.plan.positionTopic}/0`)',
    tests: ['test/unit/streams/assignment.test.ts'],
  },
]
