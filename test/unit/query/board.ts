/** What several instances are asked: tables and windows over streams of four partitions, and what is in them. */
import { service } from '../../../src/service/service.ts'
import { tumbling } from '../../../src/streams/topology/windows.ts'
import { Clicks, people, Profiles, web } from './asked.ts'
import type { Asked } from './asked.ts'

export const board = service('board', {
  reads: [Clicks, Profiles],
  writes: [],
  topology: (s) => {
    const clicks = s.stream(Clicks)
    return {
      perPage: clicks.count('per-page'),
      perMinute: clicks.window(tumbling('1m', { grace: '1d' })).count('per-minute'),
      profiles: s.table(Profiles),
    }
  },
})

/** Sixty pages: of page n there are n + 1 clicks, a minute apart. */
export const pages = Array.from({ length: 60 }, (_, n) => `p${String(n).padStart(2, '0')}`)

const clicks = pages.flatMap((page, n) => {
  return Array.from({ length: n + 1 }, (_, i) => {
    const at = {
      $typeName: 'google.protobuf.Timestamp' as const,
      seconds: BigInt(i * 60),
      nanos: 0,
    }
    return { page, at }
  })
})

const profiles = pages.map((id, n) => ({ id, big: 2n ** 60n + BigInt(n), photo: Uint8Array.of(n) }))

/** Writes all of it, and waits until it is there. */
export async function written(services: Asked): Promise<void> {
  await (await services.start(web(clicks))).app.caughtUp()
  await (await services.start(people(profiles))).app.caughtUp()
}
