/** The service of the groups: one of each kind of output, of state, and of input. */
import { sleep } from '../../../src/client/cluster/backoff.ts'
import { service } from '../../../src/service/service.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import type { SimProcess } from '../../../src/testing/world.ts'
import {
  Account,
  AccountCounts,
  Called,
  Copies,
  Deposited,
  Deposits,
  Facts,
  Labelled,
  Labels,
  SplitTicks,
  Team,
  TeamCounts,
  TeamWindows,
  Ticks,
} from './contracts.ts'
import type { CallContext } from '../../../src/streams/topology/topology.ts'
import { callOf, isPoison, isRefused, splitCount, tickCount, windowId } from './facts.ts'

/** Ticks of one batch of the input, and the pause before each. */
const batchTicks = 3
const tickPauseMs = 400

const callBackoffMs = 20

/** What the calls for facts of one account take, one after the other. */
export function callsMs(ids: readonly string[]): number {
  const each = ids.map(callOf)
  return each.reduce((sum, { ms, failsFirst }) => {
    return sum + (failsFirst ? 2 * (ms + callBackoffMs) : ms)
  }, 0)
}

/** Lets nothing pass: what it cannot take becomes a dead letter. */
function poisonless({ id }: { readonly id: string }): boolean {
  if (isPoison(id)) throw new RangeError(`${id} is poison`)
  return false
}

function nothing(): never {
  throw new Error('nothing passes')
}

interface Fact {
  readonly account: string
  readonly id: string
}

export interface TallyOptions {
  /** How long the service's function takes for a fact. */
  readonly slowMs: () => number
  /** How late a fact may be for its window, as `tumbling` takes it. */
  readonly grace: '1s' | '1000d'
  /** Whether it decides deposits, too. */
  readonly decides: boolean
}

export function tally(process: SimProcess, { slowMs, grace, decides }: TallyOptions) {
  /** Takes up to a third of a second, and fails now and then. */
  const call = async ({ account, id }: Fact, _key: string, { attempt }: CallContext) => {
    const { ms, failsFirst } = callOf(id)
    await sleep(process.clock, ms)
    if (attempt === 1 && failsFirst) throw new Error('not at once')
    return { account, id }
  }
  return service('tally', {
    reads: [Facts, Labels, ...(decides ? [Deposits] : [])],
    writes: [
      ...(decides ? [Deposited] : []),
      Copies,
      Called,
      Labelled,
      AccountCounts,
      TeamCounts,
      TeamWindows,
      Ticks,
      SplitTicks,
    ],
    topology: (s) => {
      const labels = s.table(Labels)
      const facts = s.stream(Facts).filter(() => {
        process.work(slowMs())
        return true
      })
      facts.map(({ account, id }) => ({ account, id })).to(Copies)
      facts.filter(poisonless, { onError: 'deadLetter' }).map(nothing).to(Copies)
      facts
        .rekey('to-call', Account, ({ account }) => account)
        .mapAsync('call', call, { retry: { backoff: `${callBackoffMs}ms` } })
        .to(Called)
      facts.join(labels, ({ account, id }, { text }) => ({ account, id, text })).to(Labelled)
      const accounts = facts.count('per-account')
      accounts.to(AccountCounts, (count, account) => ({ account, facts: count }))
      const byTeam = facts.rekey('by-team', Team, ({ team }) => team)
      const teams = byTeam.count('per-team')
      teams.to(TeamCounts, (count, team) => ({ team, facts: count }))
      const windows = byTeam.window(tumbling('1m', { grace })).count('per-window')
      windows.to(TeamWindows, (count, { start }, team) => {
        return { id: windowId(team, start.getTime()), facts: count }
      })
      if (decides) {
        s.decide('deposits', Deposits, {
          events: Deposited,
          initial: () => ({ taken: 0 }),
          decide: ({ account, id }, { taken }, { accept, reject }) => {
            return isRefused(id) ? reject('every-third') : accept({ account, id, before: taken })
          },
          evolve: (_state, { before }) => ({ taken: before + 1 }),
        })
      }
      const ticks = async function* (position = 0, split = 0) {
        for (let from = position; from < tickCount; from += batchTicks) {
          await sleep(process.clock, tickPauseMs)
          const to = Math.min(tickCount, from + batchTicks)
          const events = Array.from({ length: to - from }, (_, i) => ({ number: from + i, split }))
          yield { events, position: to }
        }
      }
      s.input('clock', Ticks, async function* (position: number | undefined) {
        for await (const { events, position: after } of ticks(position)) {
          yield { events: events.map(({ number }) => ({ number })), position: after }
        }
      })
      s.input('clocks', SplitTicks, ticks, { splits: splitCount })
      return { accounts, teams, windows }
    },
  })
}
