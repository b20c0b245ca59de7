/**
 * From a message to a record, for those who send: what the types promise is checked again, because plain
 * JavaScript and a cast get past them. Encoding itself is what `.to` of a topology does.
 */
import { HeadwaterError } from '../../base/errors.ts'
import type { AnyEvent } from '../../events/event.ts'
import { completeCheckOf } from '../../schema/complete.ts'
import type { RecordHeader } from '../../records/record.ts'
import { messageEncoder } from '../operators/sink.ts'
import type { EncodedMessage } from '../operators/sink.ts'
import { headerBytes } from './headers.ts'
import { keyCodecs } from '../stores/serde.ts'

/** Characters of what is no event that are shown. */
const shownMax = 40

/** A service as far as sending goes. */
export interface Owner {
  readonly name: string
  readonly writes: readonly AnyEvent[]
  /** By stream: what alone may write it, because its events are decided. */
  readonly decided?: ReadonlyMap<string, { readonly decider: string; readonly commands: string }>
}

type Encode = (message: unknown, now: number, headers: Headers) => EncodedMessage

type Headers = readonly RecordHeader[] | undefined

/** The streams of one service, ready to be sent to. */
export class Encoders {
  readonly #owner: Owner
  readonly #messageBytesMax: number
  readonly #keys = keyCodecs()
  readonly #byEvent = new Map<AnyEvent, Encode>()
  readonly #turn: number

  /** @param turn which partition messages without a key fill first, so that not all processes begin alike */
  constructor(owner: Owner, messageBytesMax: number, turn: number) {
    this.#owner = owner
    this.#messageBytesMax = messageBytesMax
    this.#turn = turn
  }

  /**
   * The record of a message, good until the next call; throws what is wrong with stream or message.
   * @param now the time of events whose contract names none
   */
  encode(event: AnyEvent, message: unknown, now: number, headers?: Headers): EncodedMessage {
    let encode = this.#byEvent.get(event)
    if (encode === undefined) {
      this.#checkOwned(event)
      this.#byEvent.set(event, (encode = this.#encoderOf(event)))
    }
    return encode(message, now, headers)
  }

  #checkOwned({ name, owner, kind }: AnyEvent): void {
    // Who decides a command is its owner; anybody may ask for it.
    if (kind === 'command') return
    const service = this.#owner.name
    if (owner !== service) {
      throw notSent(
        'config-invalid',
        `stream '${name}' is owned by '${owner}', so '${service}' may not send it: let '${owner}' send it, or send a stream of its own`,
      )
    }
    const decision = this.#owner.decided?.get(name)
    if (decision !== undefined) {
      throw notSent(
        'config-invalid',
        `stream '${name}' holds what '${decision.decider}' of service '${service}' decides, and is written by nothing else: ` +
          `its state is the fold of the stream, and would miss what is sent. Ask for it (stream '${decision.commands}'), ` +
          'or send a stream of its own, which the service may read',
      )
    }
    if (this.#owner.writes.some((event) => event.name === name)) return
    throw notSent(
      'config-invalid',
      `stream '${name}' is not in the writes of service '${service}': add it there to send it`,
    )
  }

  #encoderOf(event: AnyEvent): Encode {
    const encode = messageEncoder(event, this.#keys, this.#turn)
    const check = completeCheckOf(event.schema)
    const most = this.#messageBytesMax
    return (message, now, headers) => {
      const wrong = check(message)
      if (wrong !== undefined) throw invalid(event, `${wrong}: an event is a whole message`)
      let record: EncodedMessage
      try {
        record = encode(message, now)
      } catch (error) {
        throw error instanceof HeadwaterError ? invalid(event, error.message, error) : error
      }
      const sizeBytes = record.value.length + (record.key?.length ?? 0) + headerBytes(headers)
      if (sizeBytes <= most) return record
      throw invalid(
        event,
        `its key, message and headers have ${sizeBytes} bytes, and at most ${most} are sent: store what is large elsewhere and send where it is, or raise messageBytesMax and the topic's max.message.bytes`,
      )
    }
  }
}

/** Throws `config-invalid` for what is no event: its name, or nothing at all. */
export function checkEvent(given: unknown): void {
  if (typeof given === 'object' && given !== null && 'owner' in given) return
  const what =
    typeof given === 'string' ? `'${given.slice(0, shownMax)}'` : `of type ${typeof given}`
  throw notSent(
    'config-invalid',
    `what is to be sent to is ${what} and no event: give the event itself, as contracts declare it and ` +
      '`headwater gen` writes it',
  )
}

function invalid(event: AnyEvent, why: string, cause?: unknown): HeadwaterError {
  const what = `an event of stream '${event.name}' cannot be sent: ${why}`
  return new HeadwaterError('record-invalid', what, { cause, outcome: 'not-written' })
}

function notSent(code: 'config-invalid', what: string): HeadwaterError {
  return new HeadwaterError(code, what, { outcome: 'not-written' })
}
