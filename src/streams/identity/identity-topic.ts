/** Reading and writing a service's identity topic. */
import { utf8Bytes, utf8String } from '../../base/bytes.ts'
import type { Cluster } from '../../client/cluster/cluster.ts'
import {
  earliestTimestamp,
  latestTimestamp,
  listOffsets,
} from '../../client/consumer/list-offsets.ts'
import { Producer } from '../../client/producer/producer.ts'
import { decodeRecords } from '../../records/record.ts'
import { identityText, identityTopic, readIdentities, sourceKey } from './identity.ts'
import type { Identities, IdentityChange, IdentityRecord } from './identity.ts'
import { readRanges } from '../reading.ts'

/** What the topic says now; `not-found` when it does not exist. */
export async function loadIdentities(cluster: Cluster, service: string): Promise<Identities> {
  const topic = identityTopic(service)
  const records: IdentityRecord[] = []
  const place = { topic, partition: 0 }
  const [start] = await listOffsets(cluster, [place], earliestTimestamp, 'read_uncommitted')
  const [end] = await listOffsets(cluster, [place], latestTimestamp, 'read_uncommitted')
  const ranges = [{ ...start!, until: end!.offset }]
  await readRanges(cluster, ranges, ({ batches }) => {
    for (const { offset, key, value } of batches.flatMap((batch) => decodeRecords(batch))) {
      if (key === null) continue
      const text = value === null ? null : utf8String(value)
      records.push({ offset, key: utf8String(key), value: text })
    }
    return undefined
  })
  return readIdentities(topic, records, ranges[0]!.until)
}

/**
 * Writes what was decided from `before`, and returns what counts then: of two that wrote at once the
 * first, so the caller must decide again.
 */
export async function writeIdentities(
  cluster: Cluster,
  service: string,
  before: Identities,
  changes: readonly IdentityChange[],
): Promise<Identities> {
  await append(cluster, service, changes, before.seen)
  const after = await loadIdentities(cluster, service)
  const overruled = changes.flatMap(({ key, identity }) => {
    const counts = identityIn(after, key)
    const isOurs = JSON.stringify(counts) === JSON.stringify(identity)
    return isOurs || counts === null ? [] : [{ key, identity: counts }]
  })
  if (overruled.length > 0) await append(cluster, service, overruled, after.seen)
  return after
}

function identityIn({ stores, sources }: Identities, key: string): IdentityChange['identity'] {
  const source = [...sources].find(([topic]) => sourceKey(topic) === key)
  return source?.[1] ?? stores.get(key) ?? null
}

async function append(
  cluster: Cluster,
  service: string,
  changes: readonly IdentityChange[],
  seen: number,
): Promise<void> {
  const producer = new Producer(cluster)
  try {
    await producer.init()
    for (const change of changes) {
      const text = identityText(change, seen)
      const value = text === null ? null : utf8Bytes(text)
      producer.append(identityTopic(service), 0, cluster.clock.now(), utf8Bytes(change.key), value)
    }
    await producer.flush()
  } finally {
    await producer.close()
  }
}
