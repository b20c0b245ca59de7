/**
 * The trace of what is sent: a span from the call until the event is durable, whose context goes with the event.
 *
 * It begins where the caller stands in a span that is sampled. In one that is not, the event says so to whoever
 * reads it, and there is no span; outside of any, there is nothing, as an event alone makes no trace. A caller
 * who gives a `traceparent` of its own has decided otherwise, and is left alone.
 */
import { context, SpanKind } from '@opentelemetry/api'
import type { Span, SpanContext } from '@opentelemetry/api'
import type { EmitHeader } from '../stores/emit.ts'
import {
  callersSpan,
  messagingAttributes,
  noteFailure,
  placeAttributes,
  registeredTracer,
} from './spans.ts'
import { contextHeaders, isSampled, traceparentHeader } from './trace-context.ts'

export interface Sent {
  /** The event or command that it is one of, as the caller gives it: in plain JavaScript that is anything. */
  readonly event: unknown
  /** What the caller says of it. */
  readonly options: { readonly headers?: Readonly<Record<string, unknown>> } | undefined
  /** Events that are sent together; undefined for one by itself. */
  readonly count?: number
}

export class SendTrace {
  readonly #carried: readonly EmitHeader[]
  /** Undefined where there is none, and once it has ended. */
  #span: Span | undefined

  constructor(stream: string, count: number | undefined, from: SpanContext) {
    this.#span = isSampled(from) ? startSpan(stream, count) : undefined
    this.#carried = contextHeaders(this.#span?.spanContext() ?? from)
  }

  /** What the event carries. @param own what the caller gives */
  headers(own: readonly EmitHeader[] | undefined): readonly EmitHeader[] {
    return own === undefined ? this.#carried : [...own, ...this.#carried]
  }

  /** The one event is durable. Nothing after that is of its span. */
  stored(partition: number, offset: number): void {
    this.#span?.setAttributes(placeAttributes(partition, offset))
    this.#end()
  }

  /** All of several are. */
  allStored(): void {
    this.#end()
  }

  failed(error: unknown): void {
    if (this.#span !== undefined) noteFailure(this.#span, error)
    this.#end()
  }

  #end(): void {
    this.#span?.end()
    this.#span = undefined
  }
}

function startSpan(stream: string, count: number | undefined): Span | undefined {
  const batch = count === undefined ? {} : { 'messaging.batch.message_count': count }
  const attributes = { ...messagingAttributes('send', stream), ...batch }
  const options = { kind: SpanKind.PRODUCER, attributes }
  return registeredTracer()?.startSpan(`send ${stream}`, options, context.active())
}

/** The trace of events that are about to be sent; undefined when they are of none. */
export function traceSending({ event, options, count }: Sent): SendTrace | undefined {
  const from = callersSpan()
  if (from === undefined || options?.headers?.[traceparentHeader] !== undefined) return undefined
  const { name } = (event ?? {}) as { readonly name?: unknown }
  // What is no event is refused by whoever looks next.
  return typeof name === 'string' ? new SendTrace(name, count, from) : undefined
}
