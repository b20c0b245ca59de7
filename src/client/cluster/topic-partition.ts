/** Naming partitions and places in them, as the client's files pass them on. */

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export interface PartitionOffset extends TopicPartition {
  readonly offset: number
}

/** An offset to commit: the next one to read. */
export interface CommitOffset extends PartitionOffset {
  readonly leaderEpoch?: number
  /** A short text kept with it. */
  readonly metadata?: string
}

/** `flights-3`, as Kafka's tools print it. */
export function partitionName(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

/** Items grouped by topic, in the order topics first appear. */
export function byTopic<T extends TopicPartition>(
  items: readonly T[],
): readonly (readonly [string, readonly T[]])[] {
  return [...Map.groupBy(items, ({ topic }) => topic)]
}
