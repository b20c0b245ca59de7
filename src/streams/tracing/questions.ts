/**
 * Questions over HTTP say of which trace they are: that of the span in which they are asked, or that of the
 * question they are asked for.
 */
import { context, createContextKey } from '@opentelemetry/api'
import type { HttpAsk } from '../../io/ports.ts'
import { callersSpan } from './spans.ts'
import { contextOf, textsOf, traceparentHeader } from './trace-context.ts'

/**
 * The key by which OpenTelemetry's SDK knows that nothing is to be traced (`suppressTracing`). An instrumented
 * `fetch` would add a second `traceparent`, and two of them are none.
 */
const suppressed = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING')

/** Asks in the name of the caller's trace, if there is one. */
export const askInTrace = (http: HttpAsk): HttpAsk => {
  const from = callersSpan()
  if (from === undefined) return http
  return (url, o) => {
    const headers = { ...o.headers, ...textsOf(from) }
    return context.with(context.active().setValue(suppressed, true), () =>
      http(url, { ...o, headers }),
    )
  }
}

/** The headers of what is sent for a question that came with headers, where no span is nearer. */
export function headersOnBehalf(
  header: (name: string) => string | undefined,
): Readonly<Record<string, string>> {
  const from = callersSpan() === undefined ? contextIn(header) : undefined
  return from === undefined ? {} : textsOf(from)
}

function contextIn(header: (name: string) => string | undefined) {
  return contextOf(header('traceparent'), header('tracestate'))
}

/** Asks in the name of a question that came with headers. @param header the text of one by its name */
export function askOnBehalf(http: HttpAsk, header: (name: string) => string | undefined): HttpAsk {
  const from = contextIn(header)
  if (from === undefined) return http
  return (url, o) => {
    // A span in which this is answered is nearer, and a context is not mixed of two.
    const isOfAnother = traceparentHeader in o.headers
    return http(url, isOfAnother ? o : { ...o, headers: { ...o.headers, ...textsOf(from) } })
  }
}
