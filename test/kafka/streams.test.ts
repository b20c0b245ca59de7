/** The streams suite on a real Kafka node: the same bodies as on our broker. */
import assert from 'node:assert/strict'
import { deleteGroup, deleteTopics, listGroups, listTopics } from '../../src/client/admin.ts'
import { kafka } from '../../src/client/security/kafka.ts'
import { exactlyOnceSuite } from '../streams-suite/exactly-once.ts'
import { failuresSuite } from '../streams-suite/failures.ts'
import { identitySuite } from '../streams-suite/identity.ts'
import { inputsSuite } from '../streams-suite/inputs.ts'
import { misbehavingGroupsSuite } from '../streams-suite/misbehaving-groups.ts'
import { operatorsSuite } from '../streams-suite/operators.ts'
import type { Place } from '../streams-suite/place.ts'
import { runningSuite } from '../streams-suite/running.ts'
import { connect } from '../streams-suite/place.ts'
import { timesSuite } from '../streams-suite/times.ts'

const port = Number(process.env['KAFKA_BOOTSTRAP']?.split(':')[1])
assert.ok(port, 'KAFKA_BOOTSTRAP is not set; run these tests by npm run test:kafka')

const broker = kafka(`127.0.0.1:${port}`)

/** The node outlives a test: its topics and groups go. */
async function openPlace(): Promise<Place> {
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

operatorsSuite(openPlace)
exactlyOnceSuite(openPlace, { crashes: 8 })
inputsSuite(openPlace, { crashes: 6 })
failuresSuite(openPlace)
misbehavingGroupsSuite(openPlace)
identitySuite(openPlace)
runningSuite(openPlace)
timesSuite(openPlace)
