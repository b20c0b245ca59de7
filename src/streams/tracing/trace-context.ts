/**
 * The context of a trace as texts beside a message: `traceparent` and `tracestate` of W3C Trace Context, in the
 * headers of a record as in those of a question.
 *
 * They are read and written here, and not by the propagator that a user has registered: what records carry is
 * read years later and by other programs, so it does not depend on how one process was set up.
 */
import { createTraceState, isSpanContextValid, TraceFlags } from '@opentelemetry/api'
import type { SpanContext } from '@opentelemetry/api'
import { utf8Bytes, utf8String } from '../../base/bytes.ts'
import type { EmitHeader } from '../stores/emit.ts'

/** What a span is to its children, wherever they are. */
export type TraceContext = SpanContext

export const traceparentHeader = 'traceparent'
const tracestateHeader = 'tracestate'

/** Characters of a `traceparent`, which more may follow behind a `-` in versions to come. */
const traceparentChars = 55
const traceparentText = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-?)$/

type Texts = Readonly<Record<string, string>>

/** What two texts say; undefined when that is no context. */
export function contextOf(
  traceparent: string | undefined,
  tracestate: string | undefined,
): TraceContext | undefined {
  const found = traceparentText.exec(traceparent?.slice(0, traceparentChars + 1) ?? '')
  if (found === null) return undefined
  const [, version, traceId, spanId, flags, more] = found as unknown as readonly string[]
  // What follows means nothing in the version of today.
  if (more !== '' && version === '00') return undefined
  const traceFlags = Number.parseInt(flags!, 16) & TraceFlags.SAMPLED
  const context = { traceId: traceId!, spanId: spanId!, traceFlags, isRemote: true }
  if (!isSpanContextValid(context)) return undefined
  return tracestate ? { ...context, traceState: createTraceState(tracestate) } : context
}

/** A context as texts by their names. */
export function textsOf({ traceId, spanId, traceFlags, traceState }: TraceContext): Texts {
  const flags = traceFlags.toString(16).padStart(2, '0')
  const state = traceState?.serialize()
  return {
    [traceparentHeader]: `00-${traceId}-${spanId}-${flags}`,
    ...(state && { [tracestateHeader]: state }),
  }
}

/** Whether headers say of which trace a record is, whatever they say. */
export function carriesContext(headers: readonly EmitHeader[]): boolean {
  return headers.some(({ key }) => key === traceparentHeader)
}

/** The context that a record carries; undefined when it carries none, or one that is not sampled. */
export function sampledContext(headers: readonly EmitHeader[]): TraceContext | undefined {
  const traceparent = lastOf(headers, traceparentHeader)
  if (traceparent === undefined) return undefined
  const text = utf8String(traceparent.subarray(0, traceparentChars + 1))
  const state = lastOf(headers, tracestateHeader)
  const context = contextOf(text, state && utf8String(state))
  return context !== undefined && isSampled(context) ? context : undefined
}

/** Of several with one name the last one counts, as with Kafka's own clients (`Headers.lastHeader`). */
function lastOf(headers: readonly EmitHeader[], name: string): Uint8Array | undefined {
  return headers.findLast(({ key }) => key === name)?.value ?? undefined
}

export function isSampled({ traceFlags }: TraceContext): boolean {
  return (traceFlags & TraceFlags.SAMPLED) !== 0
}

/** The headers of a record that is made in `context`. */
export function contextHeaders(context: TraceContext): readonly EmitHeader[] {
  return Object.entries(textsOf(context)).map(([key, text]) => ({ key, value: utf8Bytes(text) }))
}

/** The headers that say of which trace a record is. */
export function ownContextHeaders(headers: readonly EmitHeader[]): readonly EmitHeader[] {
  return headers.filter(({ key }) => isOfTrace(key))
}

/** The same headers with another context, or with their first one. */
export function inContext(
  headers: readonly EmitHeader[] | undefined,
  context: TraceContext,
): readonly EmitHeader[] {
  const others = headers?.filter(({ key }) => !isOfTrace(key)) ?? []
  return [...others, ...contextHeaders(context)]
}

function isOfTrace(key: string): boolean {
  return key === traceparentHeader || key === tracestateHeader
}
