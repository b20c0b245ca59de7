/** Reading and committing a group's offsets outside transactions. */
import { ErrorCode } from '../../protocol/errors.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Committer } from './ownership.ts'
import type { CommitOffset, PartitionOffset, TopicPartition } from '../cluster/topic-partition.ts'
import { byTopic, partitionName } from '../cluster/topic-partition.ts'
import { staleMemberError, throwOnError, wireError } from '../cluster/wire-error.ts'

export interface CommittedOffset extends PartitionOffset {
  /** The epoch it was committed with; -1 when unknown. */
  readonly leaderEpoch: number
  readonly metadata: string
}

/**
 * The committed offsets of a group: of `partitions`, with offset -1 where none is committed, or all
 * there are. With `requireStable`, waits for transactions that are about to change them (KIP-447), as long
 * as `isWanted` says so.
 */
export async function fetchOffsets(
  cluster: Cluster,
  groupId: string,
  partitions: readonly TopicPartition[] | undefined,
  requireStable: boolean,
  isWanted: () => boolean = () => true,
): Promise<readonly CommittedOffset[]> {
  const topics =
    partitions === undefined
      ? null
      : byTopic(partitions).map(([name, ofTopic]) => ({
          name,
          partitionIndexes: ofTopic.map(({ partition }) => partition),
        }))
  const response = await cluster.request(
    'OffsetFetch',
    (version) =>
      version >= 8
        ? { groups: [{ groupId, topics }], requireStable }
        : { groupId, topics, requireStable },
    { coordinator: 'group', id: groupId },
    { versionMax: 9, retryCodes: [ErrorCode.UNSTABLE_OFFSET_COMMIT], isWanted },
  )
  const group = response.groups[0] ?? response
  throwOnError(group.errorCode, `fetch the offsets of group '${groupId}'`)
  const found: CommittedOffset[] = []
  for (const { name, partitions: ofTopic } of group.topics) {
    for (const answer of ofTopic) {
      const partition = answer.partitionIndex
      const doing = `fetch the offset of ${partitionName(name, partition)} in group '${groupId}'`
      throwOnError(answer.errorCode, doing)
      found.push({
        topic: name,
        partition,
        offset: answer.committedOffset,
        leaderEpoch: answer.committedLeaderEpoch,
        metadata: answer.metadata ?? '',
      })
    }
  }
  return found
}

/** What a commit says, within a transaction and outside. */
export function offsetsToCommit(committer: Committer, offsets: readonly CommitOffset[]) {
  return {
    groupId: committer.groupId,
    generationIdOrMemberEpoch: committer.generation,
    memberId: committer.memberId,
    groupInstanceId: committer.instanceId,
    topics: byTopic(offsets).map(([name, ofTopic]) => ({
      name,
      partitions: ofTopic.map(({ partition, offset, leaderEpoch, metadata }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: leaderEpoch ?? -1,
        committedMetadata: metadata ?? '',
      })),
    })),
  }
}

/** Commits offsets for a member, or for a group without any. `stale-member` when it is not current. */
export async function commitOffsets(
  cluster: Cluster,
  committer: Committer,
  offsets: readonly CommitOffset[],
): Promise<void> {
  if (offsets.length === 0) return
  const { groupId } = committer
  const response = await cluster.request(
    'OffsetCommit',
    offsetsToCommit(committer, offsets),
    { coordinator: 'group', id: groupId },
    { versionMax: 9 },
  )
  for (const { name, partitions } of response.topics) {
    for (const { partitionIndex, errorCode } of partitions) {
      if (errorCode === ErrorCode.NONE) continue
      const doing = `commit ${partitionName(name, partitionIndex)} of group '${groupId}'`
      throw staleMemberError(errorCode, doing) ?? wireError(errorCode, doing)
    }
  }
}
