/**
 * The one look the coordinator takes into a member's metadata: which topics a consumer subscribes to, so
 * that offsets in use are not deleted (KIP-496).
 *
 * The consumer protocol's subscription begins, in every version, with its version (int16) and an array of
 * topic names. What does not parse is somebody else's format.
 */
import { Reader } from '../../base/bytes.ts'
import { isHeadwaterError } from '../../base/errors.ts'
import type { Group } from './state.ts'

/** The topics a group of consumers subscribes to; `'unknown'` when its members speak something else. */
export function subscribedTopics(group: Group): ReadonlySet<string> | 'unknown' {
  const topics = new Set<string>()
  if (group.protocolType !== 'consumer' || group.members.size === 0) return topics
  for (const { protocols } of group.members.values()) {
    const metadata = protocols.find(({ name }) => name === group.protocolName)?.metadata
    const subscribed = metadata === undefined ? undefined : parseTopics(metadata)
    if (subscribed === undefined) return 'unknown'
    for (const topic of subscribed) topics.add(topic)
  }
  return topics
}

function parseTopics(metadata: Uint8Array): string[] | undefined {
  const reader = new Reader(metadata)
  try {
    reader.int16()
    const count = reader.int32()
    const topics: string[] = []
    for (let index = 0; index < count; index++) topics.push(reader.string(reader.int16()))
    return topics
  } catch (error) {
    if (isHeadwaterError(error, 'frame-invalid')) return undefined
    throw error
  }
}
