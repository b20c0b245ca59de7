/** What became of the commands that are asked from here, by the service that decides them. */
import type { AnyCommand } from '../../events/event.ts'
import type { CommandAnswer } from './answer.ts'

/** Commands asked from here, since the start. */
export interface AskStats {
  /** All of them, also those that were refused here. */
  readonly asked: number
  /** Those whose outcome is known: accepted, rejected, or not to be decided. */
  readonly answered: number
  readonly accepted: number
  /** By reason; a reason that the contract here does not have counts as `unknown`. */
  readonly rejected: Readonly<Record<string, number>>
  /** Those whose outcome is waited for. */
  readonly waiting: number
  /** Those that were refused or given up, and are not decided. */
  readonly failed: number
  /** Those that were given up and may be decided. */
  readonly inDoubt: number
  /** Of those that failed or are in doubt: whose time was up. */
  readonly timedOut: number
}

/** Of one service. */
interface Counts extends Record<Exclude<keyof AskStats, 'rejected'>, number> {
  readonly rejected: Record<string, number>
}

/** The reason of a rejection whose own the contract here does not know. */
const unknownReason = 'unknown'

export class AskCounts {
  readonly #byOwner = new Map<string, Counts>()

  /** Counts of the service that decides these commands. */
  of({ owner }: Pick<AnyCommand, 'owner'>): Counts {
    let counts = this.#byOwner.get(owner)
    if (counts === undefined) this.#byOwner.set(owner, (counts = noCounts()))
    return counts
  }

  answered(commands: AnyCommand, answer: CommandAnswer | undefined): void {
    const counts = this.of(commands)
    counts.answered++
    if (answer === undefined) return
    if (answer.accepted) return void counts.accepted++
    const { rejected } = counts
    const reason = commands.reasons.includes(answer.reason) ? answer.reason : unknownReason
    rejected[reason] = (rejected[reason] ?? 0) + 1
  }

  /** Of all services for which `isCounted`, together. */
  sum(isCounted: (owner: string) => boolean): AskStats {
    const sum = noCounts()
    for (const [owner, { rejected, ...counts }] of this.#byOwner) {
      if (!isCounted(owner)) continue
      for (const [what, count] of Object.entries(counts)) sum[what as keyof typeof counts] += count
      for (const [reason, count] of Object.entries(rejected)) {
        sum.rejected[reason] = (sum.rejected[reason] ?? 0) + count
      }
    }
    return sum
  }
}

function noCounts(): Counts {
  const counts = { asked: 0, answered: 0, accepted: 0, waiting: 0, failed: 0, inDoubt: 0 }
  return { ...counts, timedOut: 0, rejected: {} }
}
