/**
 * Bugs that the simulation must find, one for each way in which exactly once has failed before.
 *
 * Production code never sets any: the set is empty unless `npm run sim -- --planted` fills it. Each use is
 * one `if (planted.has(...))` that does what the code did before it was right, so that a simulation that
 * no longer sees such a fault is noticed.
 */
export type PlantedBug =
  /** Restore reads up to the last stable offset, not up to the high watermark. */
  | 'restore-to-last-stable'
  /** State is kept over a rebalance though another member may have had the partitions in between. */
  | 'keep-state-of-another'
  /** Offsets are committed without a generation when the member has none. */
  | 'commit-without-generation'
  /** A member that closes joins again. */
  | 'rejoin-while-closing'
  /** A producer's failure that shows inside an operator counts as the operator's. */
  | 'producer-error-as-operator-failed'
  /** A turn ends after so many records, however long they take. */
  | 'turns-by-records-only'
  /** Whoever takes over waits until the coordinator ends the transactions of members that are gone. */
  | 'wait-for-transaction-timeout'
  /** An instance that was replaced takes its transactional id back. */
  | 'fence-successor'
  /** A store's changelog is read whatever store wrote it. */
  | 'ignore-store-identity'
  /** A window closes by the time of the records that came, not by the least progress upstream. */
  | 'window-by-own-maximum'

/** The bugs that are in at the moment: empty, but in the simulation that looks for them. */
export const planted: Set<PlantedBug> = new Set()

/** Every bug that can be planted. */
export const plantedBugs: readonly PlantedBug[] = [
  'restore-to-last-stable',
  'keep-state-of-another',
  'commit-without-generation',
  'rejoin-while-closing',
  'producer-error-as-operator-failed',
  'turns-by-records-only',
  'wait-for-transaction-timeout',
  'fence-successor',
  'ignore-store-identity',
  'window-by-own-maximum',
]
