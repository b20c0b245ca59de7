/** What counts as the context of a trace, in records and in questions. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  contextOf,
  inContext,
  sampledContext,
  textsOf,
} from '../../../../src/streams/tracing/trace-context.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const spanId = '00f067aa0ba902b7'
const sampled = `00-${traceId}-${spanId}-01`
const bytes = (text: string): Uint8Array => Buffer.from(text)
const header = (key: string, text: string) => ({ key, value: bytes(text) })

describe('a context in headers', () => {
  it('is read and written as it is', () => {
    for (const text of [sampled, `00-${traceId}-${spanId}-00`]) {
      const context = contextOf(text, 'vendor=a,other=b')
      assert.deepEqual(textsOf(context!), { traceparent: text, tracestate: 'vendor=a,other=b' })
    }
    assert.deepEqual(textsOf(contextOf(sampled, undefined)!), { traceparent: sampled })
    assert.deepEqual(textsOf(contextOf(sampled, '')!), { traceparent: sampled })
  })

  it('has no flags but the one that is known, and no more of a version to come than of this one', () => {
    assert.equal(textsOf(contextOf(`00-${traceId}-${spanId}-ff`, '')!)['traceparent'], sampled)
    const later = contextOf(`01-${traceId}-${spanId}-01-what-comes-then`, '')
    assert.equal(textsOf(later!)['traceparent'], sampled)
  })

  for (const [what, text] of [
    ['is empty', ''],
    ['is no context', 't-0'],
    ['is cut off', sampled.slice(0, -1)],
    ['has more than its version has', `${sampled}-01`],
    ['has more without a mark', `01${sampled.slice(2)}0`],
    ['is of the version that is none', `ff${sampled.slice(2)}`],
    ['is in capitals', sampled.toUpperCase()],
    ['has a trace of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
    ['has a span of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['is two in one', `${sampled}, ${sampled}`],
    ['is long', 'a'.repeat(10_000_000)],
  ] as const) {
    it(`is none when it ${what}`, () => {
      assert.equal(contextOf(text, undefined), undefined)
      assert.equal(sampledContext([header('traceparent', text)]), undefined)
    })
  }

  it('keeps of a tracestate what is one, up to 512 characters', () => {
    assert.equal(textsOf(contextOf(sampled, 'a=1,no state,b=2')!)['tracestate'], 'a=1,b=2')
    const long = contextOf(sampled, `a=${'x'.repeat(511)}`)
    assert.deepEqual(textsOf(long!), { traceparent: sampled })
  })

  it('is what the last header of the name says', () => {
    const headers = [header('traceparent', 't'), header('traceparent', sampled)]
    assert.equal(sampledContext(headers)?.traceId, traceId)
    assert.equal(sampledContext(headers.toReversed()), undefined)
    assert.equal(sampledContext([{ key: 'traceparent', value: null }]), undefined)
  })

  it('is none of a record that is not sampled', () => {
    assert.equal(sampledContext([header('traceparent', `00-${traceId}-${spanId}-00`)]), undefined)
    assert.equal(sampledContext([header('tracestate', 'a=1')]), undefined)
  })

  it('takes the place of the one before, and of nothing else', () => {
    const own = [header('a', '1'), header('traceparent', sampled), header('tracestate', 'b=2')]
    const next = contextOf(`00-${traceId}-${'1'.repeat(16)}-01`, undefined)!
    assert.deepEqual(
      inContext(own, next).map(({ key, value }) => `${key}=${Buffer.from(value!).toString()}`),
      ['a=1', `traceparent=00-${traceId}-${'1'.repeat(16)}-01`],
    )
  })
})
