/** What the operators of a service count. */

/**
 * Why a record is dropped: it has no key where one is needed; it is a deletion where events pass, or a
 * function returned null or undefined; it has no timestamp and would have to lie in a window; its window
 * was closed; the table it is joined with has no row of its key.
 */
export type DropReason = 'noKey' | 'noValue' | 'noTime' | 'late' | 'unmatched'

/** Commands by what became of them. */
export interface DecisionCounts {
  accepted: number
  rejected: number
  /** Those that came again, and were answered with what became of them before. */
  repeated: number
  /** Those that were rejected, by each reason of the contracts. */
  readonly reasons: Record<string, number>
  /** Those that could not be decided, or be read, and have changed nothing. */
  failed: number
  /** Outcomes that were forgotten before their time: all of a partition took more memory than they may. */
  forgotten: number
  /** Those whose outcome somebody waits for or may ask for again. */
  asked: number
}

export interface OperatorCounts {
  readonly drops: Record<DropReason, number>
  /** Values that failed in an operator whose policy is not to stop. */
  readonly failures: { skipped: number; deadLettered: number }
  readonly decisions: DecisionCounts
  /** Records written to streams and inner topics, changelogs not counted. */
  emitted: number
  /** Values that went into a fold, or were called outside for. */
  folds: number
  /** Records taken from topics and inputs, marks among them; those before one that fails are, too. */
  taken: number
  /** Records of inner topics that only told how far somebody has come. */
  marks: number
}

export function operatorCounts(): OperatorCounts {
  return {
    drops: { noKey: 0, noValue: 0, noTime: 0, late: 0, unmatched: 0 },
    failures: { skipped: 0, deadLettered: 0 },
    decisions: {
      accepted: 0,
      rejected: 0,
      reasons: {},
      repeated: 0,
      failed: 0,
      forgotten: 0,
      asked: 0,
    },
    emitted: 0,
    folds: 0,
    taken: 0,
    marks: 0,
  }
}

/** Counts as they are now, which change no more. */
export function decisionsNow({ decisions }: OperatorCounts): DecisionCounts {
  return { ...decisions, reasons: { ...decisions.reasons } }
}

/** Records that lacked something; those that came too late or met no row are not counted. */
export function droppedOf({ drops }: OperatorCounts): number {
  return drops.noKey + drops.noValue + drops.noTime
}
