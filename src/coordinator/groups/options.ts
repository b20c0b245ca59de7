/** The bounds of the groups machine. */

export interface GroupsOptions {
  readonly sessionTimeoutMsMin: number
  readonly sessionTimeoutMsMax: number
  /** Members of one group, with the ids issued to newcomers. */
  readonly membersMax: number
  /** Length of the text that may come with a committed offset. */
  readonly offsetMetadataLengthMax: number
}

/** Kafka's limits, but for `membersMax`, which Kafka leaves open. */
export const groupsDefaults: GroupsOptions = {
  sessionTimeoutMsMin: 6_000,
  sessionTimeoutMsMax: 1_800_000,
  membersMax: 10_000,
  offsetMetadataLengthMax: 4_096,
}

/** How long a group with neither members nor offsets is remembered. */
export const emptyGroupMs = 600_000
