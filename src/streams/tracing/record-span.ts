/**
 * The span of a record that a service processes, and those of the calls that go out for it.
 *
 * A record is processed by itself, so its span is a child of the span that wrote it, and has a link to it, which
 * is what the conventions ask for: a trace goes on from the request through every service. There is one only of a
 * record that carries a sampled context where a tracer is registered; all others cost a look at their headers.
 *
 * It ends when the record is through, calls included. Whether that counts the commit decides: what is begun
 * anew has another span.
 */
import { context, SpanKind, trace } from '@opentelemetry/api'
import type { Context, Span, SpanContext, Tracer } from '@opentelemetry/api'
import type { EmitHeader } from '../stores/emit.ts'
import { contextHeaders, inContext } from './trace-context.ts'
import { contextIn, messagingAttributes, noteFailure, placeAttributes } from './spans.ts'

/** What is said of a record. */
export interface TracedRecord {
  readonly service: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** What is said of a call. */
export interface TracedCall {
  /** `mapAsync charge`. */
  readonly operator: string
  /** 1, and one more with each retry. */
  readonly attempt: number
  readonly idempotencyKey: string
}

/** A span in which something runs. */
class Running {
  protected readonly span: Span
  protected readonly context: Context
  #hasEnded = false

  protected constructor(span: Span, parent: Context) {
    this.span = span
    this.context = trace.setSpan(parent, span)
  }

  /** Runs `f` with this as the active span, also of what `f` awaits. */
  run<T>(f: () => T): T {
    return context.with(this.context, f)
  }

  failed(error: unknown): void {
    if (!this.#hasEnded) noteFailure(this.span, error)
  }

  /** Called again, it does nothing. */
  end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.span.end()
  }
}

export class RecordSpan extends Running {
  readonly #tracer: Tracer
  #headers: readonly EmitHeader[] | undefined
  /** Whether somebody else ends it. */
  isKept = false

  /** @param parent what the record carries */
  constructor(tracer: Tracer, parent: SpanContext, of: TracedRecord) {
    const around = contextIn(parent)
    const attributes = {
      ...messagingAttributes('process', of.topic),
      ...placeAttributes(of.partition, of.offset),
      'messaging.consumer.group.name': of.service,
    }
    const options = { kind: SpanKind.CONSUMER, attributes, links: [{ context: parent }] }
    super(tracer.startSpan(`process ${of.topic}`, options, around), around)
    this.#tracer = tracer
  }

  /** The headers of what is made of the record. @param own its own, for those that go on */
  headers(own: () => readonly EmitHeader[] | undefined): readonly EmitHeader[] {
    return (this.#headers ??= inContext(own(), this.span.spanContext()))
  }

  /** Of what is about the record and not made of it. */
  contextHeaders(): readonly EmitHeader[] {
    return contextHeaders(this.span.spanContext())
  }

  /** A span for one attempt of a call. */
  call(of: TracedCall): CallSpan {
    return new CallSpan(this.#tracer, this.context, of)
  }
}

export class CallSpan extends Running {
  constructor(tracer: Tracer, around: Context, { operator, attempt, idempotencyKey }: TracedCall) {
    const attributes = {
      'headwater.attempt': attempt,
      'headwater.idempotency_key': idempotencyKey,
    }
    const options = { kind: SpanKind.INTERNAL, attributes }
    super(tracer.startSpan(operator, options, around), around)
  }
}
