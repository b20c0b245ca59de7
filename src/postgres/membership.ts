/** By what names an instance joins the group of its sink. */
import { equalBytes, utf8Bytes } from '../base/bytes.ts'
import { rangeAssignor } from '../client/group/assignor.ts'
import type { Assignor } from '../client/group/assignor.ts'
import type { Random } from '../io/ports.ts'
import { groupInstanceId, instanceName, newIncarnation } from '../streams/runtime/instance.ts'
import type { PostgresSink } from './sink.ts'

export function sinkMembership(sink: PostgresSink, instanceId: string | undefined, random: Random) {
  const topics = sink.reads.map(({ name }) => name).toSorted()
  const name = instanceName(instanceId ?? '1', topics)
  return {
    groupId: sink.name,
    topics,
    instanceId: groupInstanceId(sink.name, name),
    assignor: ownRange(utf8Bytes(newIncarnation(random))),
  }
}

/** Kafka's range assignor, under which a member knows what it said itself from what another process did. */
function ownRange(incarnation: Uint8Array): Assignor {
  return {
    ...rangeAssignor,
    userData: () => incarnation,
    isOwn: (said) => said !== null && equalBytes(said, incarnation),
  }
}
