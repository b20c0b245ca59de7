/** The topics a version of a service reads, and what their partitions have to be. Pure. */
import type { Plan, SourcePlan, SubTopology } from '../plan/plan.ts'
import { topicProblem } from '../plan/topics.ts'
import type { SourceIdentity } from './identity.ts'

export interface ReadTopic {
  readonly topic: string
  readonly role: SourceIdentity['role']
  readonly declared: number
  readonly own: boolean
  /** Whether its task keeps state that goes by its keys. */
  readonly hasState: boolean
}

export function readTopics(plan: Plan): ReadTopic[] {
  const read = plan.subTopologies.flatMap((part) =>
    part.sources.map((source) => readTopic(source, part)),
  )
  const positions = plan.inputs.map(({ positionTopic }): ReadTopic => {
    return { topic: positionTopic, role: 'position', declared: 1, own: true, hasState: false }
  })
  const { progressTopic } = plan
  if (progressTopic === undefined) return [...read, ...positions]
  const declared = plan.topics.find(({ name }) => name === progressTopic)!.partitions
  const progress = { topic: progressTopic, declared, own: true, hasState: false } as const
  return [...read, ...positions, { ...progress, role: 'progress' }]
}

function readTopic({ topic, partitions, inner }: SourcePlan, part: SubTopology): ReadTopic {
  const hasState = part.stores.length > 0
  const role = inner ? 'inner' : 'stream'
  return { topic, role, declared: partitions, own: inner, hasState }
}

/**
 * What is wrong with the partitions a topic has now, and each way out; undefined when nothing is.
 * @param had as many as there were when the topic was read last; undefined when it never was
 */
export function partitionsProblem(
  service: string,
  read: ReadTopic,
  had: number | undefined,
  now: number,
): { readonly why: string; readonly fixes: readonly string[] } | undefined {
  const { declared, own, hasState } = read
  const isGrown = had !== undefined && now > had
  if (!isGrown || !hasState || own) return topicProblem(service, { partitions: declared, own }, now)
  const reset = `\`headwater reset FILE ${service}\` lets the service begin anew`
  return {
    why:
      `had ${had} partitions and has ${now}: a key's records lie in two of them now, ` +
      'and the state in the first',
    fixes: [
      `read the stream through \`rekey\`, which puts every key into one partition, and then ${reset}`,
      'or write the stream anew under another name',
    ],
  }
}
