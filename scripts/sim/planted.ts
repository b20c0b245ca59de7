/**
 * Plants known bugs, one at a time, and looks whether the simulation finds them: a judge that has stopped
 * seeing such faults is worth nothing.
 */
import type { PlantedFault } from '../../src/base/planted.ts'
import type { PassName } from '../../test/simulation/cluster/passes.ts'
import type { Crew } from './crew.ts'

/** Seeds that are run even when the first finds it, to tell how often it is found. */
const seedsLeast = 20

/** Of a pass that has a history for each byte of every file, a seed takes every so many. */
const strideOf: Partial<Record<PassName, number>> = { damage: 24 }

/** Where each bug is looked for. */
const passOf: Record<PlantedFault, PassName> = {
  'restore-to-last-stable': 'group-orphans',
  'keep-state-of-another': 'group-kicked',
  'commit-without-generation': 'group-frozen',
  'rejoin-while-closing': 'group-kicked',
  'producer-error-as-operator-failed': 'group-requests',
  'turns-by-records-only': 'group-slow',
  'wait-for-transaction-timeout': 'group-orphans',
  'fence-successor': 'group-zombies',
  'ignore-store-identity': 'evolution',
  'window-by-own-maximum': 'group-late',
  'commit-before-calls': 'group-kicked',
  'answer-by-old-tasks': 'group-frozen',
  'decide-again': 'group-asked',
  'wall-clock-deadlines': 'clocks',
  'deadlines-while-stopped': 'clocks',
  'trust-batch-headers': 'network',
  'meta-without-checksum': 'damage',
  'cut-what-cannot-be-read': 'damage',
  'trust-base-offsets': 'damage',
  'lock-not-checked': 'damage',
}

export const plantedBugs = Object.keys(passOf) as readonly PlantedFault[]

export interface PlantOptions {
  readonly bugs: readonly PlantedFault[]
  readonly firstSeed: number
  /** At most so many seeds for each bug. */
  readonly seeds: number
  readonly isJson: boolean
}

interface Finding {
  readonly bug: PlantedFault
  readonly pass: PassName
  readonly seeds: number
  readonly found: number
  readonly firstSeed: number | undefined
  readonly why: string
}

/** Whether every bug was found; prints a line for each when it is known, or all as JSON. */
export async function findPlanted(crew: Crew, options: PlantOptions): Promise<boolean> {
  const findings = await Promise.all(
    options.bugs.map(async (bug) => {
      const finding = await find(crew, bug, options)
      if (!options.isJson) print(finding)
      return finding
    }),
  )
  if (options.isJson) console.log(JSON.stringify(findings, undefined, 2))
  return findings.every(({ found }) => found > 0)
}

async function find(
  crew: Crew,
  bug: PlantedFault,
  { firstSeed, seeds }: PlantOptions,
): Promise<Finding> {
  const pass = passOf[bug]
  let found = 0
  let first: number | undefined
  let why = ''
  let ran = 0
  while (ran < seeds && (found === 0 || ran < seedsLeast)) {
    const seed = firstSeed + ran++
    const job = { pass, seed, stride: strideOf[pass] ?? 1, repeat: false }
    const { failure } = await crew.run({ ...job, bug })
    if (failure === undefined) continue
    // A history that is wrong by itself says nothing of the bug.
    if ((await crew.run(job)).failure !== undefined) continue
    found++
    first ??= seed
    if (why === '') why = failure.text.split('\n')[0]!
  }
  return { bug, pass, seeds: ran, found, firstSeed: first, why }
}

function print({ bug, pass, seeds, found, firstSeed, why }: Finding): void {
  const first = firstSeed === undefined ? '' : `, first by seed ${firstSeed}: ${why}`
  console.log(`${bug.padEnd(36)}${pass.padEnd(18)}found by ${found} of ${seeds} seeds${first}`)
}
