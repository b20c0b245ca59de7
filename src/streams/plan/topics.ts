/** Makes the topics a service needs, and says what is wrong with those that are there. */
import { createTopics } from '../../client/admin.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import type { TopicPlan } from './plan.ts'

/** Creates what is missing, and waits until the cluster knows it. */
export async function ensureTopics(cluster: Cluster, topics: readonly TopicPlan[]): Promise<void> {
  await createTopics(cluster, topics)
  await Promise.all(topics.map(({ name }) => cluster.partitionCount(name)))
}

/**
 * What is wrong with a topic of so many partitions, and what can be done about it: with others than its
 * contract says, keys would lie elsewhere than everyone believes.
 */
export function topicProblem(
  service: string,
  { partitions, own, isPassing }: Pick<TopicPlan, 'partitions' | 'own' | 'isPassing'>,
  actual: number,
): { readonly why: string; readonly fixes: string[] } | undefined {
  if (actual === partitions) return undefined
  const why = `has ${actual} partitions, but service '${service}' declares ${partitions}`
  if (isPassing) {
    if (actual > partitions) return undefined
    return { why, fixes: ['delete it: the service makes it anew, and who waits asks again'] }
  }
  const declare = 'declare as many as it has'
  return {
    why,
    fixes: own
      ? [declare, `\`headwater reset FILE ${service}\` makes it anew`]
      : [declare, 'or write the stream anew under another name'],
  }
}
