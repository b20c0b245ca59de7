/** What the topics machine is told of its broker, and its bounds. */

export interface TopicsOptions {
  readonly nodeId: number
  /** Partitions of a topic created without a number: Kafka's `num.partitions`. */
  readonly defaultPartitions: number
  /** The most partitions all topics may have together. */
  readonly partitionsMax: number
  /** The most that topics made on the side (auto-create) may bring them to. */
  readonly autoCreatePartitionsMax: number
  /** Broker settings that are fixed while it runs, for `DescribeConfigs`: name to value. */
  readonly brokerConfigs: ReadonlyMap<string, string>
}

/** Bytes of a config's value, in UTF-8: the longest string that every version of DescribeConfigs can tell. */
export const configBytesMax = 32_767
/** Characters of a refusal, which may repeat what it refuses; the rest is left out. */
export const refusalLengthMax = 1_000
