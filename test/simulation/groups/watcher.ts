/**
 * Reads what the tally service wrote, as anyone outside does: committed records, in order, each once.
 *
 * A record that is there twice, or that no fact led to, fails at once; what is missing is a matter of
 * time, and `missing` says what it is.
 */
import assert from 'node:assert/strict'
import type { Cluster } from '../../../src/client/cluster/cluster.ts'
import { Consumer } from '../../../src/client/consumer/consumer.ts'
import type { FetchedBatches } from '../../../src/client/consumer/consumer.ts'
import type { AnyEvent, ValueOf } from '../../../src/events/event.ts'
import { decodeRecords } from '../../../src/records/record.ts'
import {
  AccountCounts,
  Called,
  Copies,
  Deposited,
  Facts,
  Labelled,
  Letters,
  SplitTicks,
  TeamCounts,
  TeamWindows,
  Ticks,
} from './contracts.ts'
import {
  accounts,
  factOf,
  isPoison,
  labelOf,
  poisonIn,
  splitCount,
  tablesOf,
  tickCount,
} from './facts.ts'
import type { Tables } from './facts.ts'

const waitMs = 200

export class Watcher {
  readonly #consumer: Consumer
  readonly #take: ReadonlyMap<string, (value: Uint8Array, at: string) => void>
  readonly #copies = new Set<string>()
  readonly #called = new Set<string>()
  readonly #labelled = new Set<string>()
  readonly #letters = new Set<string>()
  readonly #ticks = new Set<string>()
  readonly #splitTicks = new Set<string>()
  readonly #tables: Tables = { accounts: new Map(), teams: new Map(), windows: new Map() }

  /** Deposits that have been taken, by id, each with its place. */
  readonly #deposits = new Map<string, string>()
  /** How many each account has taken. */
  readonly #taken = new Map<string, number>()
  readonly #accepted: ReadonlyMap<string, string> | undefined

  /** @param accepted deposits that are to be there, where somebody asks for them */
  constructor(cluster: Cluster, accepted: ReadonlyMap<string, string> | undefined) {
    this.#accepted = accepted
    this.#consumer = new Consumer(cluster, { isolation: 'read_committed', maxWaitMs: waitMs })
    const { accounts, teams, windows } = this.#tables
    const kinds = [
      taker(Copies, ({ id }) => once(this.#copies, 'copies', id)),
      taker(Called, ({ id }) => once(this.#called, 'called', id)),
      taker(Labelled, ({ id, account, text }) => {
        once(this.#labelled, 'labelled', id)
        assert.equal(text, labelOf(account), `labelled ${id}: not its account's label`)
      }),
      taker(Letters, (letter) => once(this.#letters, 'letters', poisonOf(letter))),
      taker(AccountCounts, ({ account, facts }) => accounts.set(account, facts)),
      taker(TeamCounts, ({ team, facts }) => teams.set(team, facts)),
      taker(TeamWindows, ({ id, facts }) => windows.set(id, facts)),
      taker(Ticks, ({ number }) => once(this.#ticks, 'ticks', `${number}`)),
      taker(SplitTicks, ({ split, number }) => {
        assert(split < splitCount, `split-ticks has ${number} of split ${split}, from nothing`)
        once(this.#splitTicks, 'split-ticks', `${split}/${number}`)
      }),
      ...(accepted === undefined ? [] : [taker(Deposited, this.#deposited)]),
    ]
    this.#take = new Map(kinds.map(({ event, take }) => [event.name, take]))
    this.#consumer.assign(
      kinds.flatMap(({ event }) => {
        return Array.from({ length: event.partitions }, (_, partition) => {
          return { topic: event.name, partition, offset: 0 }
        })
      }),
    )
  }

  /** Reads on, for some moments at most. */
  async look(): Promise<void> {
    for (const fetched of await this.#consumer.poll(waitMs)) this.#read(fetched)
  }

  #read({ topic, partition, batches }: FetchedBatches): void {
    for (const { value, offset } of batches.flatMap(decodeRecords)) {
      assert(value !== null, `${topic}-${partition}@${offset}: a deletion nobody asked for`)
      this.#take.get(topic)!(value, `${partition}/${offset}`)
    }
  }

  readonly #deposited = ({ account, id, before }: ValueOf<typeof Deposited>, at: string): void => {
    assert(!this.#deposits.has(id), `deposit ${id} is there twice`)
    assert.equal(before, this.#taken.get(account) ?? 0, `deposit ${id}: what was taken before`)
    this.#taken.set(account, before + 1)
    this.#deposits.set(id, at)
  }

  /** What is not there yet of what the first `factCount` facts lead to; undefined when all of it is. */
  missing(factCount: number): string | undefined {
    const expected = tablesOf(factCount)
    return (
      lacking('copies', this.#copies, factCount) ??
      lacking('called', this.#called, factCount) ??
      lacking('labelled', this.#labelled, factCount) ??
      lacking('letters', this.#letters, poisonIn(factCount)) ??
      lacking('ticks', this.#ticks, tickCount) ??
      lacking('split-ticks', this.#splitTicks, splitCount * tickCount) ??
      differing('account-counts', this.#tables.accounts, expected.accounts) ??
      differing('team-counts', this.#tables.teams, expected.teams) ??
      differing('team-windows', this.#tables.windows, expected.windows) ??
      this.#missingDeposit()
    )
  }

  /** The first deposit that is not where whoever asked for it was told, or of which nobody was told. */
  #missingDeposit(): string | undefined {
    if (this.#accepted === undefined) return undefined
    for (const [id, at] of this.#accepted) {
      const found = this.#deposits.get(id)
      if (found !== undefined) assert.equal(found, at, `deposit ${id} is elsewhere than was told`)
      else return `deposit ${id} is missing`
    }
    const untold = this.#deposits.keys().find((id) => !this.#accepted!.has(id))
    return untold === undefined ? undefined : `nobody was told of deposit ${untold}`
  }

  /** The facts among the first `factCount` that nobody has called outside for, by account. */
  uncalled(factCount: number): readonly (readonly string[])[] {
    const facts = Array.from({ length: factCount }, (_, number) => factOf(number))
    const left = facts.filter(({ id }) => !this.#called.has(id))
    return accounts.map((each) => {
      return left.filter(({ account }) => account === each).map(({ id }) => id)
    })
  }

  close(): Promise<void> {
    return this.#consumer.close()
  }
}

/** The fact that a letter is about: with its bytes, and not the service's only trace of it. */
function poisonOf({ id, fact }: ValueOf<typeof Letters>): string {
  assert(fact.case === 'failed', `letter ${id} is none of a failure`)
  const { id: poison } = Facts.codec.decode(fact.value.value!)
  assert(isPoison(poison), `letter ${id} is about ${poison}, which is no poison`)
  assert(fact.value.processedInPart, `letter ${id} says that nothing else was done with ${poison}`)
  return poison
}

/** The first difference between two tables of counts, as text. */
export function differing(
  name: string,
  found: ReadonlyMap<string, number>,
  expected: ReadonlyMap<string, number>,
): string | undefined {
  for (const [key, count] of expected) {
    const there = found.get(key)
    if (there !== count) return `${name} of ${key}: ${there}, should be ${count}`
  }
  for (const key of found.keys()) if (!expected.has(key)) return `${name} has ${key}, from nothing`
  return undefined
}

function lacking(name: string, found: ReadonlySet<string>, count: number): string | undefined {
  return found.size >= count ? undefined : `${name}: ${found.size} of ${count}`
}

function once(found: Set<string>, name: string, id: string): void {
  assert(!found.has(id), `${name} ${id} is there twice`)
  found.add(id)
}

interface Taker {
  readonly event: AnyEvent
  /** @param at the record's place: `partition/offset` */
  readonly take: (value: Uint8Array, at: string) => void
}

function taker<E extends AnyEvent>(event: E, take: (value: ValueOf<E>, at: string) => void): Taker {
  return { event, take: (value, at) => take(event.codec.decode(value) as ValueOf<E>, at) }
}
