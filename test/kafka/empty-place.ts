/** A Kafka node as a place for a test of services: it outlives the test, so topics and groups go. */
import { deleteGroup, deleteTopics, listGroups, listTopics } from '../../src/client/admin.ts'
import type { BrokerAddress } from '../../src/client/security/kafka.ts'
import { connect, type Place } from '../streams-suite/place.ts'

export async function emptyPlace(broker: BrokerAddress): Promise<Place> {
  const place = { broker, close: async () => {} }
  const cluster = await connect(place)
  const topics = (await listTopics(cluster)).filter((name) => !name.startsWith('__'))
  if (topics.length > 0) await deleteTopics(cluster, topics)
  for (const { groupId } of await listGroups(cluster)) {
    await deleteGroup(cluster, groupId).catch(() => undefined)
  }
  while ((await listTopics(cluster)).some((name) => !name.startsWith('__'))) cluster.markStale()
  await cluster.close()
  return place
}
