/**
 * Says that a partition cannot be read, while it is tried again for as long as it takes: a broker that is away
 * comes back, a damaged log may be repaired, a transaction ends. Nobody should have to guess what is waited for.
 */
import { HeadwaterError } from '../../base/errors.ts'
import type { Hindrance } from '../../client/consumer/consumer.ts'
import type { TopicPartition } from '../../client/cluster/topic-partition.ts'
import type { Clock } from '../../io/ports.ts'

/** What is waited for and cannot be read, why, and for how long. */
export type Stall = Hindrance

/** How long nothing is said, before the first time and between two. */
const quietMs = 10_000

export class Stalls {
  readonly #clock: Clock
  readonly #tell: (stall: Stall) => void
  #toldAt = -Infinity

  constructor(clock: Clock, tell: (stall: Stall) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** Takes notice of what cannot be read at the moment; undefined: everything can. */
  look(stall: Stall | undefined): void {
    if (stall === undefined || stall.ms < quietMs) return
    const now = this.#clock.monotonic()
    if (now - this.#toldAt < quietMs) return
    this.#toldAt = now
    this.#tell({ ...stall, ms: Math.round(stall.ms) })
  }
}

/** A partition that answers and brings nothing, though its end lies further on. */
export function waitingFor({ topic, partition }: TopicPartition, ms: number): Stall {
  const error = new HeadwaterError(
    'timeout',
    `partition ${partition} of topic '${topic}' gives nothing more, and its end is not reached: a ` +
      'transaction over it is open, and what lies behind is read when that has ended or timed out',
    { retriable: true },
  )
  return { topic, partition, error, ms }
}
