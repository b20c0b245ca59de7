/**
 * Spans of OpenTelemetry: through which tracer, with which names and attributes.
 *
 * Names and attributes of messaging spans are those of OpenTelemetry's semantic conventions for messaging and
 * for Kafka, version 1.45.0: <https://github.com/open-telemetry/semantic-conventions/blob/v1.45.0/docs/messaging>.
 * A key of a record is not among them, although the conventions would have it: keys may name people.
 */
import {
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import type {
  Attributes,
  Context,
  ProxyTracerProvider,
  Span,
  SpanContext,
  Tracer,
} from '@opentelemetry/api'
import { isHeadwaterError } from '../../base/errors.ts'
import type { EmitHeader } from '../stores/emit.ts'
import { carriesContext, sampledContext } from './trace-context.ts'
import type { TraceContext } from './trace-context.ts'

const tracerName = 'headwater'

/** Who makes spans; undefined when nobody in this process has registered one. */
export function registeredTracer(): Tracer | undefined {
  const provider = trace.getTracerProvider()
  // The API's own stands in for one that is registered, and hands out tracers that trace nothing before.
  const proxy = provider as Partial<ProxyTracerProvider>
  return proxy.getDelegateTracer === undefined
    ? provider.getTracer(tracerName)
    : proxy.getDelegateTracer.call(provider, tracerName)
}

/** What a record carries that is to be traced: something sampled, where somebody is registered who traces. */
export function contextToTrace(headers: readonly EmitHeader[]): TraceContext | undefined {
  if (!carriesContext(headers) || registeredTracer() === undefined) return undefined
  return sampledContext(headers)
}

/** The span that the caller stands in; undefined when it stands in none. */
export function callersSpan(): SpanContext | undefined {
  const found = trace.getActiveSpan()?.spanContext()
  return found !== undefined && isSpanContextValid(found) ? found : undefined
}

/** What is awaited or called later from within `f` belongs to no trace, whoever has asked for it. */
export function outsideOfTraces<T>(f: () => T): T {
  return context.with(ROOT_CONTEXT, f)
}

export function contextIn(parent: SpanContext): Context {
  return trace.setSpanContext(ROOT_CONTEXT, parent)
}

/** What every span of the platform about a stream says. */
export function messagingAttributes(operation: 'send' | 'process', stream: string): Attributes {
  return {
    'messaging.system.name': 'kafka',
    'messaging.operation.name': operation,
    'messaging.operation.type': operation,
    'messaging.destination.name': stream,
  }
}

/** Where a record is. */
export function placeAttributes(partition: number, offset: number): Attributes {
  return { 'messaging.destination.partition.id': String(partition), 'kafka.offset': offset }
}

/** Notes on a span what failed; a program may throw anything. */
export function noteFailure(span: Span, error: unknown): void {
  const { message, type } = described(error)
  // What the user's function threw says more than what was made of it, and has the stack.
  const { cause } = error instanceof Error ? error : {}
  span.recordException(cause instanceof Error ? cause : error instanceof Error ? error : message)
  span.setAttribute('error.type', type)
  span.setStatus({ code: SpanStatusCode.ERROR, message })
}

function described(error: unknown): { readonly message: string; readonly type: string } {
  if (isHeadwaterError(error)) return { message: error.message, type: error.code }
  if (error instanceof Error) return { message: error.message, type: error.name }
  return { message: 'something that is no Error was thrown', type: '_OTHER' }
}
