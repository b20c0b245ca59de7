/** The bounds of the groups machine. */

export interface GroupsOptions {
  readonly sessionTimeoutMsMin: number
  readonly sessionTimeoutMsMax: number
  /** Members of one group, with the ids issued to newcomers. */
  readonly membersMax: number
  /** Protocols that one member may know. */
  readonly protocolsMax: number
  /** Bytes that the members of one group may hold: ids, protocols, assignments. */
  readonly groupBytesMax: number
  /** Bytes that the members of all groups may hold. */
  readonly groupsBytesMax: number
  /** Length of the text that may come with a committed offset. */
  readonly offsetMetadataLengthMax: number
  /** About what the offsets of all groups may hold in memory, with their groups, in bytes. */
  readonly offsetsBytesMax: number
  /** What the members of one group said about their topics is read up to so many bytes, altogether. */
  readonly subscriptionsBytesMax: number
  /** Members, with ids issued, of groups that are gone through in one decision because something ran out;
   * one group may have more. */
  readonly expiredMax: number
}

/** Kafka's limits, but for `membersMax`, `protocolsMax` and `subscriptionsBytesMax`, which Kafka leaves open, and for the
 * bytes: there a group is one record, of one megabyte unless configured otherwise, and offsets fill the heap. */
export const groupsDefaults: GroupsOptions = {
  sessionTimeoutMsMin: 6_000,
  sessionTimeoutMsMax: 1_800_000,
  membersMax: 10_000,
  protocolsMax: 1_000,
  groupBytesMax: 8 * 1024 * 1024,
  groupsBytesMax: 64 * 1024 * 1024,
  offsetMetadataLengthMax: 4_096,
  offsetsBytesMax: 128 * 1024 * 1024,
  subscriptionsBytesMax: 128 * 1024,
  expiredMax: 500,
}

/** How long a group with neither members nor offsets is remembered. */
export const emptyGroupMs = 600_000
