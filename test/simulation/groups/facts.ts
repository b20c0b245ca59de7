/**
 * Facts by number, and what must come of the first so many of them, by plain loops.
 *
 * Event time goes up with the number, so within a partition it never goes back: however small the grace
 * of a window, no fact is late, unless a window is judged by what came from elsewhere.
 */
const accountCount = 7
const teamCount = 4
/** Between two facts. */
const stepMs = 20_000
const windowMs = 60_000
export const tickCount = 24
/** Splits of the input that is shared out, each with as many ticks. */
export const splitCount = 3
const poisonEvery = 5

export interface Fact {
  readonly id: string
  readonly account: string
  readonly team: string
  readonly at: number
}

export function factOf(number: number): Fact {
  return {
    id: `f${number}`,
    account: `a${number % accountCount}`,
    team: `t${(number >> 1) % teamCount}`,
    at: number * stepMs,
  }
}

/** Whether one operator of the service cannot take the fact. */
export function isPoison(id: string): boolean {
  return Number(id.slice(1)) % poisonEvery === 0
}

/** How many of the first so many facts are poison. */
export function poisonIn(count: number): number {
  return Math.ceil(count / poisonEvery)
}

/** What a call outside for a fact takes, and whether it is in vain the first time. */
export function callOf(id: string): { readonly ms: number; readonly failsFirst: boolean } {
  const number = Number(id.slice(1))
  return { ms: (number * 37) % 300, failsFirst: number % 7 === 0 }
}

/** Deposits by number: whether the account refuses it. */
export function isRefused(id: string): boolean {
  return Number(id.slice(1)) % 3 === 2
}

export const accounts: readonly string[] = Array.from({ length: accountCount }, (_, i) => `a${i}`)

export function labelOf(account: string): string {
  return `account ${account}`
}

export function windowId(team: string, start: number): string {
  return `${team} ${start}`
}

/** What the tables hold after the facts `0 .. count - 1`. */
export interface Tables {
  readonly accounts: Map<string, number>
  readonly teams: Map<string, number>
  readonly windows: Map<string, number>
}

export function tablesOf(count: number): Tables {
  const tables: Tables = { accounts: new Map(), teams: new Map(), windows: new Map() }
  for (let number = 0; number < count; number++) {
    const { account, team, at } = factOf(number)
    add(tables.accounts, account)
    add(tables.teams, team)
    add(tables.windows, windowId(team, Math.floor(at / windowMs) * windowMs))
  }
  return tables
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
