/**
 * Partitions that exist and those that do not, in requests about committed offsets: the groups machine knows
 * no topics, so it is asked of the existing ones only. It answers in the order it was asked, and its answers
 * go back to their places in one walk: looking each of them up would take the square of their number.
 */
import type { Catalog } from '../serving/catalog.ts'

interface Asked {
  readonly partitionIndex: number
}

interface Answered {
  readonly partitionIndex?: number | undefined
  readonly errorCode?: number | undefined
}

/** The same topics, each with those of its partitions that exist. */
export function knownOnly<
  P extends Asked,
  T extends { readonly name: string; readonly partitions: readonly P[] },
>(topics: readonly T[], catalog: Catalog): (T & { readonly partitions: readonly P[] })[] {
  return topics.map((topic) => {
    const known = catalog.byName(topic.name)?.partitions
    const partitions = topic.partitions.filter(
      ({ partitionIndex }) => known?.[partitionIndex] !== undefined,
    )
    return { ...topic, partitions }
  })
}

/** One topic's answer: what was answered for those of its partitions that exist, `unknown` for the others. */
export function inPlace(
  asked: readonly Asked[],
  answered: readonly Answered[] | undefined,
  unknown: number,
): { partitionIndex: number; errorCode: number }[] {
  let at = 0
  return asked.map(({ partitionIndex }) => {
    const answer = answered?.[at]
    if (answer?.partitionIndex !== partitionIndex) return { partitionIndex, errorCode: unknown }
    at++
    return { partitionIndex, errorCode: answer.errorCode ?? unknown }
  })
}
