/** Where the records of one batch lie, in columns: no object per record. The arrays are kept from batch to batch. */
import { utf8String } from '../../base/bytes.ts'
import { replayForHeader } from '../../events/dead-letters.ts'
import { platformPrefix } from '../../events/headers.ts'
import { batchHeaderBytes, readBatchHeader } from '../../records/batch.ts'
import { forEachRecord, headersOf } from '../../records/record.ts'
import { carriedTime, markIn } from '../operators/moment.ts'
import type { Mark } from '../operators/moment.ts'
import type { SourceRecord } from '../operators/source-record.ts'
import type { EmitHeader } from '../stores/emit.ts'
import { contextToTrace } from '../tracing/spans.ts'
import type { TraceContext } from '../tracing/trace-context.ts'

export class Columns {
  count = 0
  /** In an inner topic: the times that records carry. */
  carried = new Float64Array(0)
  readonly marks = new Map<number, Mark>()
  /** Records that are replays for other services. */
  readonly ofOthers = new Set<number>()
  /** What records carry that are sampled, where somebody traces. */
  readonly traced = new Map<number, TraceContext>()
  readonly #isInner: boolean
  readonly #service: string
  bytes: Uint8Array = new Uint8Array(batchHeaderBytes)
  offsets = new Float64Array(0)
  timestamps = new Float64Array(0)
  keyStarts = new Int32Array(0)
  keyEnds = new Int32Array(0)
  valueStarts = new Int32Array(0)
  valueEnds = new Int32Array(0)

  constructor(isInner: boolean, service: string) {
    this.#isInner = isInner
    this.#service = service
  }

  /** Notes the records of a batch from `position` on, and returns whether it goes beyond `stopBefore`. */
  open(batch: Uint8Array, position: number, stopBefore: number): boolean {
    // A header may say anything: no more is made room for than its bytes can be, before they are read.
    const { recordCount, baseOffset, lastOffsetDelta } = readBatchHeader(batch)
    this.#reserve(Math.min(recordCount, batch.length), 0)
    this.marks.clear()
    this.ofOthers.clear()
    this.traced.clear()
    let count = 0
    forEachRecord(batch, (offset, timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd) => {
      if (offset < position || offset >= stopBefore) return
      if (count === this.offsets.length) this.#reserve(count + 1, count)
      this.bytes = bytes
      this.offsets[count] = offset
      this.timestamps[count] = timestamp
      this.keyStarts[count] = keyStart
      this.keyEnds[count] = keyEnd
      this.valueStarts[count] = valueStart
      this.valueEnds[count] = valueEnd
      if (this.#isInner) this.#openInner(count)
      else if (bytes[valueEnd < 0 ? valueStart : valueEnd] !== 0) this.#openHeaders(count)
      count++
    })
    this.count = count
    return baseOffset + lastOffsetDelta >= stopBefore
  }

  /** The record at a place, with bytes of its own. */
  record(at: number): Omit<SourceRecord, 'topic' | 'partition'> {
    const { bytes, keyStarts, keyEnds, valueStarts, valueEnds } = this
    const part = (start: number, end: number): Uint8Array | null =>
      end < 0 ? null : bytes.slice(start, end)
    return {
      offset: this.offsets[at]!,
      timestamp: this.timestamps[at]!,
      key: part(keyStarts[at]!, keyEnds[at]!),
      value: part(valueStarts[at]!, valueEnds[at]!),
      headers: headersOf(bytes, valueStarts[at]!, valueEnds[at]!),
    }
  }

  /** The headers of the record at a place but for those of the platform; undefined when there are none. */
  headers(at: number): readonly EmitHeader[] | undefined {
    const { bytes } = this
    const valueEnd = this.valueEnds[at]!
    if (bytes[valueEnd < 0 ? this.valueStarts[at]! : valueEnd] === 0) return undefined
    const headers = headersOf(bytes, this.valueStarts[at]!, valueEnd)
    const others = headers.filter(({ key }) => !key.startsWith(platformPrefix))
    return others.length === 0 ? undefined : others
  }

  allHeaders(at: number): readonly EmitHeader[] {
    return headersOf(this.bytes, this.valueStarts[at]!, this.valueEnds[at]!)
  }

  /** Bytes of the record at a place: its key, value and headers. */
  size(at: number): number {
    const valueStart = this.valueStarts[at]!
    const valueEnd = this.valueEnds[at]!
    const ofKey = Math.max(0, this.keyEnds[at]! - this.keyStarts[at]!)
    const headers = headersOf(this.bytes, valueStart, valueEnd)
    const ofHeaders = headers.map(({ key, value }) => key.length + (value?.length ?? 0))
    return ofHeaders.reduce((a, b) => a + b, ofKey + Math.max(0, valueEnd - valueStart))
  }

  #openHeaders(at: number): void {
    const headers = headersOf(this.bytes, this.valueStarts[at]!, this.valueEnds[at]!)
    const value = headers.find(({ key }) => key === replayForHeader)?.value
    if (value && utf8String(value) !== this.#service) this.ofOthers.add(at)
    this.#noteTrace(at, headers)
  }

  #noteTrace(at: number, headers: readonly EmitHeader[]): void {
    const context = contextToTrace(headers)
    if (context !== undefined) this.traced.set(at, context)
  }

  #openInner(at: number): void {
    const headers = headersOf(this.bytes, this.valueStarts[at]!, this.valueEnds[at]!)
    const timestamp = this.timestamps[at]!
    this.carried[at] = headers.length === 0 ? timestamp : carriedTime(timestamp, headers)
    if (headers.length > 0) this.#noteTrace(at, headers)
    if (this.keyEnds[at]! >= 0 || this.valueEnds[at]! >= 0) return
    const mark = markIn(headers)
    if (mark !== undefined) this.marks.set(at, mark)
  }

  /** Makes room for so many records, and keeps the first `kept`. */
  #reserve(count: number, kept: number): void {
    if (count <= this.offsets.length) return
    const capacity = Math.max(count, this.offsets.length * 2)
    const wider = <T extends Float64Array | Int32Array>(from: T, to: T): T => {
      to.set(from.subarray(0, kept))
      return to
    }
    this.offsets = wider(this.offsets, new Float64Array(capacity))
    this.timestamps = wider(this.timestamps, new Float64Array(capacity))
    this.keyStarts = wider(this.keyStarts, new Int32Array(capacity))
    this.keyEnds = wider(this.keyEnds, new Int32Array(capacity))
    this.valueStarts = wider(this.valueStarts, new Int32Array(capacity))
    this.valueEnds = wider(this.valueEnds, new Int32Array(capacity))
    if (this.#isInner) this.carried = wider(this.carried, new Float64Array(capacity))
  }
}
