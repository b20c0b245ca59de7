/**
 * Who has a static member's place in its group (KIP-345).
 *
 * A request to join that got no answer may still arrive, when the member has long been in by another one, and
 * takes its place under a new id. To the group that is a replacement; but nobody is there, and the
 * member that is told that it was fenced was so by itself.
 */
import { decodeSubscription } from '../../protocol/messages/consumer-protocol.ts'
import { backoffMs, sleep } from '../cluster/backoff.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { throwOnError } from '../cluster/wire-error.ts'

/** How long one question may take. */
const askTimeoutMs = 5_000

export interface Place {
  readonly groupId: string
  readonly instanceId: string
  /** Whether a member that said this to the group's assignor was this one. */
  readonly isOwn: (userData: Uint8Array | null) => boolean
}

/**
 * Whether the place is free, or taken by a request of our own. Asks until the group has settled, for what
 * members said is not shown before; false when that takes longer than `limitMs`.
 */
export async function isPlaceOwn(
  cluster: Cluster,
  place: Place,
  limitMs: number,
): Promise<boolean> {
  const { groupId, instanceId, isOwn } = place
  const deadline = cluster.clock.monotonic() + limitMs
  for (let attempt = 1; cluster.clock.monotonic() < deadline; attempt++) {
    const { groups } = await cluster.request(
      'DescribeGroups',
      { groups: [groupId] },
      { coordinator: 'group', id: groupId },
      { timeoutMs: askTimeoutMs, retryTimeoutMs: limitMs },
    )
    const group = groups[0]!
    throwOnError(group.errorCode, `look at group '${groupId}'`, group.errorMessage)
    const holder = group.members.find((each) => each.groupInstanceId === instanceId)
    if (holder === undefined) return true
    const { memberMetadata } = holder
    if (memberMetadata.length > 0) return isOwn(decodeSubscription(memberMetadata).userData)
    await sleep(cluster.clock, backoffMs(attempt, cluster.random))
  }
  return false
}
