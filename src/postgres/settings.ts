/** What a sink is run with: defaults, and bounds whose breach is a `config-invalid` that names both. */
import { assertWithin } from '../base/bounds.ts'
import type { BrokerAddress } from '../client/security/kafka.ts'
import { settingsOf } from '../streams/runtime/settings.ts'
import type { Settings } from '../streams/runtime/settings.ts'
import type { Clock, Random } from '../io/ports.ts'
import type { ChunkLimits } from './chunk.ts'
import type { DatabaseAddress } from './database.ts'
import type { SinkEvent } from './running.ts'
import type { StartPolicy } from './starts.ts'

/** Durations are whole milliseconds. */
export interface SinkOptions extends Partial<StartPolicy> {
  readonly broker: BrokerAddress
  /** A connection URI or the parts of one; what is left out comes of `PGHOST` and so on. */
  readonly database: DatabaseAddress
  /** Makes tables that are missing (`createStatements`); the table of positions is always made. */
  readonly create?: boolean
  /** Tells the instances of a sink apart; `'1'` when left out. Each needs its own, and keeps it. */
  readonly instanceId?: string
  /** Records of one transaction, at most; 5,000 when left out. */
  readonly batchRecords?: number
  /** How long a statement may take; 30,000 when left out. */
  readonly statementTimeoutMs?: number
  /** How long the group waits for an instance that says nothing; 15,000 when left out. */
  readonly sessionTimeoutMs?: number
  /** How long `close` waits for the last transaction and for saying goodbye; 10,000 when left out. */
  readonly closeTimeoutMs?: number
  /** How soon topics that come, go or grow are noticed; 300,000 when left out. */
  readonly metadataMaxAgeMs?: number
  /** Gives the start up, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Told of all that happens to the sink, by its name. It must not throw. */
  readonly onEvent?: (event: SinkEvent, sink: string) => void
  readonly clock?: Clock
  readonly random?: Random
}

export interface SinkSettings extends Settings {
  readonly statementTimeoutMs: number
  readonly lockTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly answerTimeoutMs: number
  readonly letterTimeoutMs: number
  readonly limits: ChunkLimits
}

const batchRecordsDefault = 5_000
const batchRecordsMax = 100_000
/** Of keys and values: what a transaction holds in memory, here and there, is a few times that. */
const batchBytes = 4 * 1024 * 1024
const statementTimeoutMsDefault = 30_000
const lettersPerSession = 2
const connectTimeoutMs = 10_000
/** How much longer than a statement may take the server is waited for. */
const answerGraceMs = 5_000
const dayMs = 86_400_000
/** A transaction that waits for a lock holds up a rebalance: it is given up in time for it. */
const locksPerRebalance = 2

export function sinkSettings(o: Omit<SinkOptions, 'broker' | 'database'>): SinkSettings {
  const { batchRecords = batchRecordsDefault, statementTimeoutMs = statementTimeoutMsDefault } = o
  assertWithin('batchRecords', batchRecords, 1, batchRecordsMax, { unit: 'whole records' })
  assertWithin('statementTimeoutMs', statementTimeoutMs, 100, dayMs, { unit: 'whole milliseconds' })
  const { sessionTimeoutMs, closeTimeoutMs, metadataMaxAgeMs } = o
  const times = settingsOf({
    ...(sessionTimeoutMs !== undefined && { sessionTimeoutMs }),
    ...(closeTimeoutMs !== undefined && { closeTimeoutMs }),
    ...(metadataMaxAgeMs !== undefined && { metadataMaxAgeMs }),
  })
  return {
    ...times,
    statementTimeoutMs,
    lockTimeoutMs: Math.floor(times.rebalanceTimeoutMs / locksPerRebalance),
    // One that is frozen for as long as its session lasts has lost its partitions anyway.
    idleTimeoutMs: times.sessionTimeoutMs,
    // The server ends a transaction that waits for longer.
    letterTimeoutMs: Math.floor(times.sessionTimeoutMs / lettersPerSession),
    connectTimeoutMs,
    answerTimeoutMs: statementTimeoutMs + answerGraceMs,
    limits: { records: batchRecords, bytes: batchBytes },
  }
}
