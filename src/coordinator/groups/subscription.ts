/**
 * The one look the coordinator takes into a member's metadata: which topics a consumer subscribes to, so
 * that offsets in use are not deleted (KIP-496). What does not parse is somebody else's format.
 */
import { isHeadwaterError } from '../../base/errors.ts'
import { decodeSubscription } from '../../protocol/messages/consumer-protocol.ts'
import type { Group } from './state.ts'

/**
 * The topics a group of consumers subscribes to; `'unknown'` when its members speak something else, or say
 * more than `bytesMax` altogether: it is read in one go, and may be millions of names.
 */
export function subscribedTopics(group: Group, bytesMax: number): ReadonlySet<string> | 'unknown' {
  const topics = new Set<string>()
  let bytes = 0
  if (group.protocolType !== 'consumer' || group.members.size === 0) return topics
  for (const { protocols } of group.members.values()) {
    const metadata = protocols.find(({ name }) => name === group.protocolName)?.metadata
    bytes += metadata?.length ?? 0
    if (bytes > bytesMax) return 'unknown'
    const subscribed = metadata === undefined ? undefined : parseTopics(metadata)
    if (subscribed === undefined) return 'unknown'
    for (const topic of subscribed) topics.add(topic)
  }
  return topics
}

function parseTopics(metadata: Uint8Array): readonly string[] | undefined {
  try {
    return decodeSubscription(metadata).topics
  } catch (error) {
    if (isHeadwaterError(error, 'frame-invalid')) return undefined
    throw error
  }
}
