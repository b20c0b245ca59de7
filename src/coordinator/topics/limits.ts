/**
 * How many partitions one request may ask for. What all topics may have together is `partitionsMax`, and
 * what topics that nobody created by name may bring it to is `autoCreatePartitionsMax`.
 */
import { ErrorCode } from '../../protocol/errors.ts'
import { refusal, type Refusal } from './names.ts'
import type { TopicsOptions } from './options.ts'

/** As in Kafka (`MAX_PARTITIONS_PER_BATCH` of its controller), and as there the whole request is refused. */
const requestPartitionsMax = 10_000

interface Counted {
  readonly numPartitions: number
  readonly assignments: readonly unknown[]
}

export function requestFault(
  { defaultPartitions }: TopicsOptions,
  topics: readonly Counted[],
): Refusal | undefined {
  let count = 0
  for (const { numPartitions, assignments } of topics) {
    if (assignments.length > 0) count += assignments.length
    else if (numPartitions === -1) count += defaultPartitions
    else count += Math.max(0, numPartitions)
  }
  return countFault(count)
}

/** @param count partitions that a request makes */
export function countFault(count: number): Refusal | undefined {
  if (count <= requestPartitionsMax) return undefined
  const text = `One request may make ${requestPartitionsMax} partitions; this one asks for ${count}.`
  return refusal(ErrorCode.POLICY_VIOLATION, text)
}
