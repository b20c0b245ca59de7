/** What tests of feeds share: who sends what the views are made of, and how items are taken. */
import assert from 'node:assert/strict'
import { create } from '@bufbuild/protobuf'
import { TimestampSchema } from '@bufbuild/protobuf/wkt'
import { producer } from '../../../src/streams/runtime/producer.ts'
import type { RemoteChange } from '../../../src/streams/views/views.ts'
import { ProfileSchema } from '../../gen/asked/v1/asked_pb.ts'
import { Clicks, people, Profiles, web } from './asked.ts'
import type { Asked } from './asked.ts'

/** Lets an instance take over soon. */
export const quick = { sessionTimeoutMs: 6_000, heartbeatIntervalMs: 100 }
const at = create(TimestampSchema, { seconds: 90n })

export function sends(services: Asked) {
  const clicks = producer(web([]), { broker: services.broker })
  const profiles = producer(people([]), { broker: services.broker })
  return {
    click: (page: string) => clicks.send(Clicks, { page, times: 1, at }),
    profile: (id: string, photo: Uint8Array) =>
      profiles.send(Profiles, create(ProfileSchema, { id, photo })),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([clicks.close(), profiles.close()])
    },
  }
}

/** The next item of a feed. */
export async function next<T>(feed: AsyncIterator<T>): Promise<T> {
  const { value, done } = await feed.next()
  assert.ok(done !== true)
  return value
}

export function rowOf(change: RemoteChange<string, unknown>) {
  assert.equal(change.type, 'change')
  return [change.key, change.old, change.value, change.isOldKnown]
}
