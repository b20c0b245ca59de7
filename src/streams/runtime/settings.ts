/** The times a service runs by: defaults, and bounds whose breach is a `config-invalid` that names both. */
import { addressText, isBlockedByFetch, isWildcard, parseAddress } from '../../base/address.ts'
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
/** A connection may stall while heartbeats pass on another: the session must not have to end first. */
const requestsPerSession = 2
const requestTimeoutMsMin = 1_000
const requestTimeoutMsMax = 30_000

/** What is run with, defaults filled in. */
export function settingsOf(given: Times): Settings {
  const sessionTimeoutMs = given.sessionTimeoutMs ?? 15_000
  const settings: Settings = {
    commitIntervalMs: given.commitIntervalMs ?? 100,
    purgeIntervalMs: given.purgeIntervalMs ?? 30_000,
    sessionTimeoutMs,
    heartbeatIntervalMs: given.heartbeatIntervalMs ?? heartbeatIntervalMsOf(sessionTimeoutMs),
    rebalanceTimeoutMs:
      given.rebalanceTimeoutMs ??
      between(
        rebalanceTimeoutMsMin,
        sessionTimeoutMs / rebalancesPerSession,
        rebalanceTimeoutMsMax,
      ),
    transactionTimeoutMs: given.transactionTimeoutMs ?? 60_000,
    requestTimeoutMs:
      given.requestTimeoutMs ??
      between(requestTimeoutMsMin, sessionTimeoutMs / requestsPerSession, requestTimeoutMsMax),
    turnMs: given.turnMs ?? 20,
    closeTimeoutMs: given.closeTimeoutMs ?? 10_000,
    metadataMaxAgeMs: given.metadataMaxAgeMs ?? 300_000,
  }
  const { heartbeatIntervalMs, transactionTimeoutMs, commitIntervalMs, turnMs } = settings
  for (const [name, ms] of Object.entries(settings)) within(name, ms, 0, dayMs)
  within('commitIntervalMs', commitIntervalMs, 0, dayMs / 2)
  within('sessionTimeoutMs', sessionTimeoutMs, 100, dayMs)
  within('heartbeatIntervalMs', heartbeatIntervalMs, 1, Math.floor(sessionTimeoutMs / 3))
  // Members hear of a rebalance by a heartbeat. When it has ended by then, they begin the next, for ever.
  const rebalanceLeast = Math.max(rebalanceTimeoutMsMin, heartbeatIntervalMs)
  within('rebalanceTimeoutMs', settings.rebalanceTimeoutMs, rebalanceLeast, dayMs)
  within('metadataMaxAgeMs', settings.metadataMaxAgeMs, 1, dayMs)
  within('requestTimeoutMs', settings.requestTimeoutMs, 100, dayMs)
  // A commit that is due when the coordinator gives the transaction up comes too late, every time.
  within('transactionTimeoutMs', transactionTimeoutMs, Math.max(1_000, commitIntervalMs * 2), dayMs)
  within('turnMs', turnMs, 1, Math.floor(sessionTimeoutMs / 3))
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

function within(name: string, ms: number, least: number, most: number): void {
  if (Number.isInteger(ms) && ms >= least && ms <= most) return
  throw new HeadwaterError(
    'config-invalid',
    `${name} is ${ms}: give whole milliseconds from ${least} to ${most}`,
  )
}
