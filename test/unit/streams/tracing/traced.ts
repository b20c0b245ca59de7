/** What tests of traces share: OpenTelemetry's own SDK with an exporter in memory, and its spans as they tell. */
import { context, propagation, trace } from '@opentelemetry/api'
import type { Span } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import type { ReadableSpan, Sampler } from '@opentelemetry/sdk-trace'

export interface Traced {
  /** The spans that have ended, in that order. */
  spans(): readonly ReadableSpan[]
  /** Those with a name. */
  named(name: string): readonly ReadableSpan[]
  /** Runs `f` in a span of the test's own, and ends it. */
  within<T>(name: string, f: (span: Span) => T | Promise<T>): Promise<T>
  readonly provider: TracerProvider
}

/** Registers the SDK until `stopTracing`. */
export function startTracing(sampler?: Sampler): Traced {
  const exporter = new InMemorySpanExporter()
  const spanProcessors = [new SimpleSpanProcessor({ exporter })]
  const provider = new TracerProvider({ spanProcessors, ...(sampler && { sampler }) })
  trace.setGlobalTracerProvider(provider)
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  return {
    provider,
    spans: () => [...exporter.getFinishedSpans()],
    named: (name) => exporter.getFinishedSpans().filter((span) => span.name === name),
    within: (name, f) =>
      trace.getTracer('test').startActiveSpan(name, async (span) => {
        try {
          return await f(span)
        } finally {
          span.end()
        }
      }),
  }
}

/** Takes the SDK out of the process again. */
export function stopTracing(): void {
  trace.disable()
  context.disable()
  propagation.disable()
}

/** `process orders < send orders < request`: a span and those above it, as far as they have ended. */
export function lineOf(span: ReadableSpan, all: readonly ReadableSpan[]): string {
  const parent = all.find((each) => each.spanContext().spanId === span.parentSpanContext?.spanId)
  return parent === undefined ? span.name : `${span.name} < ${lineOf(parent, all)}`
}

export function traceparentOf(span: ReadableSpan): string {
  const { traceId, spanId, traceFlags } = span.spanContext()
  return `00-${traceId}-${spanId}-0${traceFlags}`
}
