/**
 * What the query server can read, the views of services, each a table of their state; and what it can ask.
 *
 * Reading is synchronous and never blocks the service that owns the state; a value read is committed and the
 * reader's own.
 */
import type { AnyCommand } from '../events/event.ts'
import type { CommandAnswer } from '../streams/commands/answer.ts'
import type { AskOptions } from '../streams/commands/settings.ts'
import type { ServiceState } from '../streams/runtime/service-event.ts'
import type { ViewReader } from '../streams/views/view-reader.ts'

/** A service as the query server sees it. */
export interface QueryService {
  readonly name: string
  /** Whether its tables are complete enough to be asked. */
  ready(): boolean
  /** Why it will answer no more: it has failed or was closed. Undefined while it may. */
  ended(): EndOfService | undefined
  readonly views: Readonly<Record<string, ViewReader>>
  /** Undefined when it decides no commands. */
  readonly decides?: Decides
}

/** Commands that a service decides, by stream, and how one of them is asked. */
export interface Decides {
  readonly commands: Readonly<Record<string, AnyCommand>>
  ask(commands: AnyCommand, message: unknown, options: AskOptions): Promise<CommandAnswer>
}

/** A service that `run` has started, one of its `services`. */
export interface RunningQueries extends Decides {
  readonly service: string
  readonly views: Readonly<Record<string, ViewReader>>
  stats(): {
    readonly state: ServiceState
    readonly ready: boolean
    readonly lastError: EndOfService | undefined
  }
}

export function asQueryService(given: QueryService | RunningQueries): QueryService {
  if ('name' in given) return given
  return {
    decides: given,
    name: given.service,
    views: given.views,
    ready: () => given.stats().ready,
    ended: () => {
      const { state, lastError } = given.stats()
      if (state === 'failed') return lastError
      if (state !== 'closed') return undefined
      return { code: 'service-closed', message: 'it was closed' }
    },
  }
}

export interface EndOfService {
  /** The code of the error that stopped it, or `service-closed`. */
  readonly code: string
  readonly message: string
}
