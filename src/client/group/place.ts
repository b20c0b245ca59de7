/**
 * Who has a static member's place in its group (KIP-345).
 *
 * A request to join that got no answer may still arrive, when the member has long been in by another one, and
 * takes its place under a new id. To the group that is a replacement; but nobody is there, and the
 * member that is told that it was fenced was so by itself, or by a process that ended before it began.
 */
import { ErrorCode } from '../../protocol/errors.ts'
import { decodeSubscription } from '../../protocol/messages/consumer-protocol.ts'
import { backoffMs, sleep } from '../cluster/backoff.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { throwOnError } from '../cluster/wire-error.ts'

/** How long one question may take. */
const askTimeoutMs = 5_000
/** How much longer than its session a member that nobody is may be listed. */
const slackMs = 1_000

export interface Place {
  readonly groupId: string
  readonly instanceId: string
  /** What the coordinator gives a member that says nothing. */
  readonly sessionTimeoutMs: number
  /** Whether a member that said this to the group's assignor was this one. */
  readonly isOwn: (userData: Uint8Array | null) => boolean
  /** Asked before every look. */
  readonly isWanted: () => boolean
}

/**
 * Whether a member that was fenced may take its place again: it is held by a request of its own, or it becomes
 * free within a session, since nobody sends heartbeats for it. Several requests may come late, one after the
 * other, so the session is that of one holder; and it begins when the group has formed, until when nobody
 * is missed. Whoever is there keeps the place, and then this is false, as it is when nobody wants to know any
 * more.
 */
export async function isPlaceOurs(cluster: Cluster, place: Place): Promise<boolean> {
  const { clock, random } = cluster
  let heldBy: string | undefined
  let isFormed = false
  let deadline = 0
  for (let attempt = 1; place.isWanted(); attempt++) {
    const { holder, isStable } = await holderOf(cluster, place)
    if (holder === undefined || isOwn(holder, place)) return true
    const now = clock.monotonic()
    const isNews = holder.memberId !== heldBy || !isFormed
    if (isNews) deadline = now + place.sessionTimeoutMs + slackMs
    else if (now >= deadline) return false
    heldBy = holder.memberId
    isFormed = isStable
    await sleep(clock, Math.min(backoffMs(attempt, random), deadline - now))
  }
  return false
}

interface Holder {
  readonly memberId: string
  readonly memberMetadata: Uint8Array
}

async function holderOf(
  cluster: Cluster,
  place: Place,
): Promise<{ readonly holder: Holder | undefined; readonly isStable: boolean }> {
  const { groupId, instanceId, sessionTimeoutMs } = place
  const { groups } = await cluster.request(
    'DescribeGroups',
    { groups: [groupId] },
    { coordinator: 'group', id: groupId },
    { timeoutMs: askTimeoutMs, retryTimeoutMs: sessionTimeoutMs },
  )
  const group = groups[0]!
  // A group that is gone has no members: Kafka forgets one that is empty and has committed nothing.
  if (group.errorCode === ErrorCode.GROUP_ID_NOT_FOUND) return { holder: undefined, isStable: true }
  throwOnError(group.errorCode, `look at group '${groupId}'`, group.errorMessage)
  const holder = group.members.find((each) => each.groupInstanceId === instanceId)
  return { holder, isStable: group.groupState === 'Stable' }
}

/** What members said is shown once the group has settled. */
function isOwn({ memberMetadata }: Holder, place: Place): boolean {
  return memberMetadata.length > 0 && place.isOwn(decodeSubscription(memberMetadata).userData)
}
