/** Asks services to decide commands from any process: an HTTP application, a script. */
import type { AnyCommand, EventInit } from '../../events/event.ts'
import { nodeClock, nodeRandom } from '../../io/node-clock.ts'
import type { BrokerAddress } from '../../client/security/kafka.ts'
import { holdProcess } from '../../io/node-process.ts'
import type { Clock, Random } from '../../io/ports.ts'
import type { CommandAnswer } from '../commands/answer.ts'
import { Asker } from '../commands/asker.ts'
import type { AskStats } from '../commands/ask-counts.ts'
import { askSettings } from '../commands/settings.ts'
import type { AskOptions, AskSettings } from '../commands/settings.ts'
import { newIncarnation } from './instance.ts'

export interface AskerOptions extends Partial<AskSettings> {
  readonly broker: BrokerAddress
  readonly clock?: Clock
  readonly random?: Random
}

/** Asks for decisions. */
export interface Asks {
  /**
   * Sends a command and resolves with what came of it: accepted, with where its events are, or rejected, and why.
   * Rejects when it is not sent, when it could not be decided, and with a `CommandInDoubt` when nobody has
   * said what came of it in time; then it may have been decided, and may be asked again with the same `id`.
   */
  ask<C extends AnyCommand>(
    commands: C,
    message: EventInit<C>,
    options?: AskOptions,
  ): Promise<CommandAnswer<C>>
}

/** It holds the process open until it is closed. */
export interface CommandAsker extends Asks {
  stats(): AskStats
  /** Takes no more; who still waits is told that the outcome will not be heard here. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Asks any service of the broker. Nothing is dialled before the first command, so a broker that is away is no error
 * by itself. Throws `config-invalid` at an option out of its bounds.
 */
export function asker(options: AskerOptions): CommandAsker {
  const asker = openAsker({ clock: nodeClock, random: nodeRandom, ...options })
  const release = holdProcess()
  const close = (): Promise<void> => asker.close().finally(release)
  return { ...asksOf(asker), stats: () => asker.stats(), close, [Symbol.asyncDispose]: close }
}

/** Dials nobody before its first command. */
export function openAsker(
  options: AskerOptions & { readonly clock: Clock; readonly random: Random },
): Asker {
  const { broker, clock, random } = options
  const own = newIncarnation(random)
  let count = 0
  const newId = (): string => `${own}-${++count}`
  return new Asker({ broker, clock, random, settings: askSettings(options), newId })
}

export function asksOf(asker: Asker): Asks {
  return {
    ask: <C extends AnyCommand>(commands: C, message: unknown, options?: AskOptions) =>
      asker.ask(commands, message, options),
  }
}
