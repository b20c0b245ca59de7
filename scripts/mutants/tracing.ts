/** Mutants of traces: what is traced, what is not, and what carries it. */
import type { Mutant } from './mutant.ts'

const spans = 'src/streams/tracing/spans.ts'
const contexts = 'src/streams/tracing/trace-context.ts'
const records = ['test/unit/streams/tracing/record-spans.test.ts']
const questions = ['test/unit/query/traces.test.ts']
const whole = ['test/unit/streams/tracing/whole-trace.test.ts']

export const tracing: readonly Mutant[] = [
  {
    name: 'a trace: only of what is sampled',
    file: contexts,
    text: 'context !== undefined && isSampled(context) ? context : undefined',
    instead: 'context',
    tests: records,
  },
  {
    name: 'a trace: nobody makes one who has registered nothing',
    file: spans,
    text: 'return proxy.getDelegateTracer === undefined',
    instead: 'return true',
    tests: records,
  },
  {
    name: 'a trace: a record has one context',
    file: contexts,
    text: 'headers?.filter(({ key }) => !isOfTrace(key)) ?? []',
    instead: 'headers ?? []',
    tests: records,
  },
  {
    name: 'a trace: no more of a traceparent is read than it has',
    file: contexts,
    text: "if (more !== '' && version === '00') return undefined",
    instead: '',
    tests: ['test/unit/streams/tracing/trace-context.test.ts'],
  },
  {
    name: 'a trace: a service stands in none that it was started in',
    file: 'src/streams/runtime/run-topology.ts',
    text: 'return outsideOfTraces(() => startTopology(topology, options))',
    instead: 'return startTopology(topology, options)',
    tests: whole,
  },
  {
    name: 'a trace: a record is through when its calls are',
    file: 'src/streams/task/queue.ts',
    text: 'if (span?.isKept === false) span.end()',
    instead: 'span?.end()',
    tests: records,
  },
  {
    name: 'a trace: calls that are given up end',
    file: 'src/streams/task/calls/call-stage.ts',
    text: 'record?.span?.failed(reason)\n      record?.span?.end()',
    instead: '',
    tests: records,
  },
  {
    name: 'a trace: what is put aside has failed',
    file: 'src/streams/operators/discards.ts',
    text: 'if (row === undefined) this.#o.atHand.failed(error)',
    instead: '',
    tests: records,
  },
  {
    name: 'a trace: of a sender with a context of its own',
    file: 'src/streams/tracing/send-trace.ts',
    text: 'from === undefined || options?.headers?.[traceparentHeader] !== undefined',
    instead: 'from === undefined',
    tests: whole,
  },
  {
    name: 'a trace: a question carries one',
    file: 'src/streams/tracing/questions.ts',
    text: 'context.active().setValue(suppressed, true)',
    instead: 'context.active()',
    tests: questions,
  },
  {
    name: 'a trace: a question takes on what is one',
    file: 'src/streams/tracing/questions.ts',
    text: "contextOf(header('traceparent'), header('tracestate'))",
    instead: "contextOf(header('traceparent'), undefined)",
    tests: questions,
  },
]
