/** The times a service runs by: defaults, and bounds whose breach is a `config-invalid` that names both. */
import { addressText, isBlockedByFetch, isWildcard, parseAddress } from '../../base/address.ts'
import { assertWithin } from '../../base/bounds.ts'
import { HeadwaterError } from '../../base/errors.ts'
import { heartbeatIntervalMsOf } from '../../client/group/heartbeat.ts'
import type { RunTopologyOptions } from './running.ts'

export interface Settings {
  readonly commitIntervalMs: number
  readonly purgeIntervalMs: number
  readonly sessionTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly rebalanceTimeoutMs: number
  readonly transactionTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly turnMs: number
  readonly closeTimeoutMs: number
  readonly metadataMaxAgeMs: number
}

type Times = Partial<Pick<RunTopologyOptions, keyof Settings>>

const dayMs = 86_400_000
/** While a group forms anew nobody processes, so one that says nothing is not waited for until it is dead. */
const rebalancesPerSession = 3
const rebalanceTimeoutMsMin = 1_000
const rebalanceTimeoutMsMax = 60_000
/**
 * A member hears of a rebalance by a heartbeat: when it has ended by then, the member begins the next, for
 * ever. And tables answer only for `rebalanceTimeoutMs` after a heartbeat, so one that is late must not end it.
 */
const heartbeatsPerRebalance = 2
/** One that is lost, and one that is late, cost no session. */
const heartbeatsPerSession = 3
/** Of functions that must let heartbeats have their turn. */
const turnsPerSession = 3
/** A commit that is due when the coordinator gives the transaction up comes too late, every time. */
const commitsPerTransaction = 2
/** A connection may stall while heartbeats pass on another: the session must not have to end first. */
const requestsPerSession = 2
const requestTimeoutMsMin = 1_000
const requestTimeoutMsMax = 30_000

/** What is run with, defaults filled in. */
export function settingsOf(given: Times): Settings {
  const sessionTimeoutMs = given.sessionTimeoutMs ?? 15_000
  const heartbeatIntervalMs = given.heartbeatIntervalMs ?? heartbeatIntervalMsOf(sessionTimeoutMs)
  const rebalanceLeast = Math.max(
    rebalanceTimeoutMsMin,
    heartbeatIntervalMs * heartbeatsPerRebalance,
  )
  const settings: Settings = {
    commitIntervalMs: given.commitIntervalMs ?? 100,
    purgeIntervalMs: given.purgeIntervalMs ?? 30_000,
    sessionTimeoutMs,
    heartbeatIntervalMs,
    rebalanceTimeoutMs:
      given.rebalanceTimeoutMs ??
      between(
        rebalanceLeast,
        sessionTimeoutMs / rebalancesPerSession,
        Math.max(rebalanceLeast, rebalanceTimeoutMsMax),
      ),
    transactionTimeoutMs: given.transactionTimeoutMs ?? 60_000,
    requestTimeoutMs:
      given.requestTimeoutMs ??
      between(requestTimeoutMsMin, sessionTimeoutMs / requestsPerSession, requestTimeoutMsMax),
    turnMs: given.turnMs ?? 20,
    closeTimeoutMs: given.closeTimeoutMs ?? 10_000,
    metadataMaxAgeMs: given.metadataMaxAgeMs ?? 300_000,
  }
  const { rebalanceTimeoutMs, transactionTimeoutMs, commitIntervalMs, turnMs } = settings
  for (const [name, ms] of Object.entries(settings)) within(name, ms, 0, dayMs)
  within('commitIntervalMs', commitIntervalMs, 0, dayMs / 2)
  within('sessionTimeoutMs', sessionTimeoutMs, 100, dayMs)
  const heartbeatMost = Math.floor(sessionTimeoutMs / heartbeatsPerSession)
  within('heartbeatIntervalMs', heartbeatIntervalMs, 1, heartbeatMost, {
    why: `three heartbeats have to fit into sessionTimeoutMs, ${sessionTimeoutMs}`,
  })
  within('rebalanceTimeoutMs', rebalanceTimeoutMs, rebalanceLeast, dayMs, {
    why: `two heartbeats have to fit into it, of heartbeatIntervalMs, ${heartbeatIntervalMs}`,
  })
  within('metadataMaxAgeMs', settings.metadataMaxAgeMs, 1, dayMs)
  within('requestTimeoutMs', settings.requestTimeoutMs, 100, dayMs)
  const transactionLeast = Math.max(1_000, commitIntervalMs * commitsPerTransaction)
  within('transactionTimeoutMs', transactionTimeoutMs, transactionLeast, dayMs, {
    why: `two commits have to fit into it, of commitIntervalMs, ${commitIntervalMs}`,
  })
  within('turnMs', turnMs, 1, Math.floor(sessionTimeoutMs / turnsPerSession), {
    why: `three turns have to fit into sessionTimeoutMs, ${sessionTimeoutMs}`,
  })
  return settings
}

/** The address others are told, as it is told. Throws `config-invalid` when nobody could dial it. */
export function queryAddressOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const { host, port } = parseAddress(text) ?? {}
  if (host !== undefined && port !== undefined && port > 0 && !isWildcard(host)) {
    if (!isBlockedByFetch(port)) return addressText({ host, port })
    throw new HeadwaterError(
      'config-invalid',
      `queryAddress is '${text}', and no instance can ask there: fetch refuses port ${port} (WHATWG's blocked ` +
        'ports). Let the query server listen on another one',
    )
  }
  throw new HeadwaterError(
    'config-invalid',
    `queryAddress is '${text}': give HOST:PORT at which other instances reach the query server of this ` +
      'process, as in 10.0.0.5:8092 or [fd00::5]:8092',
  )
}

function between(least: number, ms: number, most: number): number {
  return Math.min(most, Math.max(least, Math.ceil(ms)))
}

/** @param about `why` says which other setting moves the bounds */
function within(
  name: string,
  ms: number,
  least: number,
  most: number,
  about?: { readonly why: string },
): void {
  assertWithin(name, ms, least, most, { unit: 'whole milliseconds', ...about })
}
