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
  const positions = plan.inputs.map(({ positionTopic, node }): ReadTopic => {
    const own = { role: 'position', own: true, hasState: false } as const
    return { topic: positionTopic, declared: node.splits, ...own }
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
  const { declared, own, hasState, role } = read
  if (role === 'position' && now !== declared) return splitsProblem(service, declared, now)
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

/** A position is that of a split, and what a split is only the service knows: none can be made of others. */
function splitsProblem(service: string, declared: number, now: number) {
  return {
    why: `holds the positions of ${now} splits, but service '${service}' reads the input in ${declared}`,
    fixes: [
      `declare \`splits: ${now}\``,
      'or give the input another name, and let its function begin where this one has ended',
      `or \`headwater reset FILE ${service}\` reads it from its beginning`,
    ],
  }
}
