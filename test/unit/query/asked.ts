/** A running service to ask: its broker in a directory of its own, its views over HTTP. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { embedded } from '../../../src/broker/embedded.ts'
import { entity, keyed, keyspace } from '../../../src/events/event.ts'
import { serveQueries } from '../../../src/query/listen.ts'
import type { QueryService, RunningQueries } from '../../../src/query/view.ts'
import { service } from '../../../src/service/service.ts'
import type { Service } from '../../../src/service/service.ts'
import { run } from '../../../src/streams/runtime/run.ts'
import type { Asks } from '../../../src/streams/runtime/asker.ts'
import type { RunOptions, Running, RunningStats } from '../../../src/streams/runtime/run.ts'
import type { OwnViews } from '../../../src/streams/views/views.ts'
import { ClickSchema, ProfileSchema } from '../../gen/asked/v1/asked_pb.ts'
import type { Click, Profile } from '../../gen/asked/v1/asked_pb.ts'

const PageId = keyspace.string('PageId', { partitions: 4 })

export const Clicks = keyed('clicks', ClickSchema, {
  key: PageId,
  by: 'page',
  owner: 'web',
})

export const Profiles = entity('profiles', ProfileSchema, {
  key: keyspace.string('ProfileId', { partitions: 4 }),
  by: 'id',
  owner: 'people',
})

/** Writes these events as their owner. */
export function web(clicks: readonly Partial<Click>[]): Service<'web'> {
  return service('web', {
    reads: [],
    writes: [Clicks],
    topology: (s) => {
      s.input('clicks', Clicks, async function* (position) {
        if (position === undefined) yield { events: [...clicks] as Click[], position: 1 }
      })
      return {}
    },
  })
}

/** Writes these rows as their owner. */
export function people(profiles: readonly Partial<Profile>[]): Service<'people'> {
  return service('people', {
    reads: [],
    writes: [Profiles],
    topology: (s) => {
      s.input('profiles', Profiles, async function* (position) {
        if (position === undefined) yield { events: [...profiles] as Profile[], position: 1 }
      })
      return {}
    },
  })
}

export interface Asked extends AsyncDisposable {
  readonly broker: Awaited<ReturnType<typeof embedded>>
  /** Runs one more instance of a service; everything ends with the broker. */
  start<S extends Service>(
    service: S,
    options?: Partial<RunOptions>,
    /** Whether other instances are told where its views are. */
    o?: { readonly isShared: boolean },
  ): Promise<{
    readonly app: Running<OwnViews<S>, RunningStats> & Asks
    /** Where its views are: `http://127.0.0.1:…/v1/<service>`. */
    readonly url: string
    readonly origin: string
  }>
}

export async function asked(): Promise<Asked> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-asked-'))
  const broker = await embedded(directory, { durability: 'memory' })
  const ends: (() => Promise<void>)[] = []
  return {
    broker,
    start: async (service, options = {}, { isShared } = { isShared: false }) => {
      let services: readonly (QueryService | RunningQueries)[] = [notYet(service.name)]
      const server = await serveQueries({
        host: '127.0.0.1',
        port: 0,
        services: () => services,
      })
      ends.push(() => server.close())
      const shared = isShared ? { queryAddress: `127.0.0.1:${server.port}` } : {}
      const app = await run(service, { broker, ...shared, ...options })
      ends.push(() => app.close())
      services = app.services
      return { app, url: `${server.url}/v1/${service.name}`, origin: server.url }
    },
    [Symbol.asyncDispose]: async () => {
      for (const end of ends.toReversed()) await end()
      await broker.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** One that starts, so that nobody is told that there is none. */
export function notYet(name: string): QueryService {
  return { name, views: {}, ready: () => false, ended: () => undefined }
}
