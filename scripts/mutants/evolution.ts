/** Mutants of how versions of contracts are had and compared. */
import type { Mutant } from './mutant.ts'

const kinds = ['test/unit/evolution/kinds.test.ts']
const versions = ['test/unit/evolution/versions.test.ts']

export const evolutionMutants: readonly Mutant[] = [
  {
    name: 'evolution: gitBytesMax',
    file: 'src/cli/schema-git.ts',
    text: 'if (all > gitBytesMax)',
    instead: 'if (all > Infinity)',
    tests: ['test/unit/cli/schema.test.ts'],
  },
  {
    name: 'evolution: a commit is never an option',
    file: 'src/cli/schema-git.ts',
    text: "'--verify', '--quiet', '--end-of-options', ",
    instead: '',
    tests: ['test/unit/cli/schema.test.ts'],
  },
  {
    name: 'evolution: false is tried, too',
    file: 'src/evolution/values.ts',
    text: '[ScalarType.BOOL, [true, false]]',
    instead: '[ScalarType.BOOL, [true]]',
    tests: kinds,
  },
  {
    name: 'evolution: entries between marks are none of a map',
    file: 'src/evolution/maps.ts',
    text: '&& !isMarked',
    instead: '&& (isMarked || true)',
    tests: kinds,
  },
  {
    name: 'evolution: another type of the platform is another type',
    file: 'src/evolution/messages.ts',
    text: 'isOfPlatform(typeName) || ',
    instead: '',
    tests: kinds,
  },
  {
    name: 'evolution: fields that exclude each other now',
    file: 'src/evolution/oneofs.ts',
    text: 'if (second !== undefined) return [first, second]',
    instead: 'if (second === null) return [first, first]',
    tests: versions,
  },
  {
    name: 'evolution: nothing is compiled below what an entry has',
    file: 'src/evolution/reading.ts',
    text: 'depth === 0 ? entryFields(below) : []',
    instead: 'entryFields(below)',
    tests: versions,
  },
]
