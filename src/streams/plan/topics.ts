/** Makes the topics a service needs and checks those that are there. */
import { HeadwaterError } from '../../base/errors.ts'
import { createTopics } from '../../client/admin.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import type { TopicPlan } from './plan.ts'

/**
 * Creates what is missing. A topic that exists must have the partitions its contract says, or keys would
 * lie elsewhere than everyone believes: `topology-invalid`.
 */
export async function ensureTopics(
  cluster: Cluster,
  service: string,
  topics: readonly TopicPlan[],
): Promise<void> {
  await createTopics(cluster, topics)
  await Promise.all(
    topics.map(async ({ name, partitions }) => {
      const actual = await cluster.partitionCount(name)
      if (actual === partitions) return
      throw new HeadwaterError(
        'topology-invalid',
        `topic '${name}' has ${actual} partitions, but service '${service}' declares ${partitions}: ` +
          'declare as many as it has, or write the stream anew under another name',
      )
    }),
  )
}
