/** What came of a command, as whoever asked for it is told. */
import type { JsonObject } from '@bufbuild/protobuf'
import { HeadwaterError } from '../../base/errors.ts'
import type { CommandOutcome } from '../../events/commands.ts'
import type { AnyCommand, ReasonOf } from '../../events/event.ts'
import type { Receipt } from '../sending/sends.ts'

/** What a command of a stream came to. */
export type CommandAnswer<C extends AnyCommand = AnyCommand> =
  | CommandAccepted
  | CommandRejected<ReasonOf<C>>

export interface CommandAccepted {
  readonly accepted: true
  /** Of the command. */
  readonly id: string
  /** Where its events are, in order; perhaps none. */
  readonly events: readonly Receipt[]
}

export interface CommandRejected<R extends string = string> {
  readonly accepted: false
  readonly id: string
  readonly reason: R
  /** What else the decision says of it. */
  readonly details: JsonObject | undefined
}

/**
 * Nobody has said what came of a command, and it may have been decided, or may still be: asked again with the
 * same `id`, it is decided once, and what came of it is told.
 */
export class CommandInDoubt extends HeadwaterError {
  /** Of the command. */
  readonly id: string

  constructor(id: string, commands: string, why: string, cause?: HeadwaterError) {
    super(
      cause?.code ?? 'timeout',
      `what came of command '${id}' of stream '${commands}' is not known: ${why}. It may have been decided, or ` +
        `may still be: ask again with the same id (id: '${id}'), and it is decided once`,
      { cause, outcome: 'unknown', retriable: true },
    )
    this.id = id
  }
}

/** The answer in an outcome. Throws when the command could not be decided. */
export function answerOf({ id, commands, outcome }: CommandOutcome): CommandAnswer {
  if (outcome.case === 'accepted') {
    const events = outcome.value.events.map(({ stream, partition, offset, timestampMs }) => {
      return { stream, partition, offset: Number(offset), timestamp: Number(timestampMs) }
    })
    return { accepted: true, id, events }
  }
  if (outcome.case === 'rejected') {
    const { reason, details } = outcome.value
    return { accepted: false, id, reason, details }
  }
  const why = outcome.value?.message ?? 'its outcome is of a version that is not known here'
  throw new HeadwaterError(
    'operator-failed',
    `command '${id}' of stream '${commands}' could not be decided, and changed nothing: ${why}`,
    { outcome: 'not-written' },
  )
}

/** Why a command was not sent whose caller waits no more. */
export function calledOff(stream: string): HeadwaterError {
  return new HeadwaterError(
    'timeout',
    `a command of stream '${stream}' was called off before it was sent, and will not be`,
    { outcome: 'not-written' },
  )
}
