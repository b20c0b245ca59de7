/**
 * Faults that the simulation plants to see that it would find them. Nothing that ships ever adds one: each
 * is a single `if (planted.has(...))` at the place of the rule it breaks, and a test takes it out again.
 */
export type PlantedFault =
  | 'restore-to-last-stable'
  | 'keep-state-of-another'
  | 'commit-without-generation'
  | 'rejoin-while-closing'
  | 'producer-error-as-operator-failed'
  | 'turns-by-records-only'
  | 'wait-for-transaction-timeout'
  | 'fence-successor'
  | 'ignore-store-identity'
  | 'window-by-own-maximum'
  | 'commit-before-calls'
  | 'answer-by-old-tasks'
  | 'decide-again'
  | PlantedInBroker

/** Those that services do not have in them. */
export type PlantedInBroker =
  | 'wall-clock-deadlines'
  | 'deadlines-while-stopped'
  | 'trust-batch-headers'
  | 'meta-without-checksum'
  | 'cut-what-cannot-be-read'
  | 'trust-base-offsets'
  | 'lock-not-checked'

export const planted: Set<PlantedFault> = new Set()
