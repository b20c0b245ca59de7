/** Makes the topics a service needs and checks those that are there. */
import { HeadwaterError } from '../base/errors.ts'
import type { Cluster } from '../client/cluster.ts'
import { ErrorCode, errorName } from '../protocol/errors.ts'
import type { TopicPlan } from './plan.ts'

/** How long the cluster may take to make topics. */
const createTimeoutMs = 30_000

/**
 * Creates what is missing. A topic that exists must have the partitions its contract says, or keys would
 * lie elsewhere than everyone believes: `topology-invalid`.
 */
export async function ensureTopics(
  cluster: Cluster,
  service: string,
  topics: readonly TopicPlan[],
): Promise<void> {
  const response = await cluster.request(
    'CreateTopics',
    {
      topics: topics.map(({ name, partitions, configs }) => ({
        name,
        numPartitions: partitions,
        replicationFactor: -1,
        assignments: [],
        configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
      })),
      timeoutMs: createTimeoutMs,
      validateOnly: false,
    },
    'controller',
  )
  for (const { name, errorCode, errorMessage } of response.topics) {
    if (errorCode === ErrorCode.NONE || errorCode === ErrorCode.TOPIC_ALREADY_EXISTS) continue
    throw new HeadwaterError(
      'protocol-error',
      `service '${service}' cannot create topic '${name}': ${errorMessage ?? errorName(errorCode)}`,
    )
  }
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
