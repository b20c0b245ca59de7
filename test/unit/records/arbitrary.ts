/** Records of any kind. */
import fc from 'fast-check'
import type { RecordHeader } from '../../../src/records/record.ts'

const bytesOrNull = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null })
export const anyRecord = fc.record(
  {
    timestamp: fc.oneof(fc.integer({ min: -1, max: 2 ** 45 }), fc.constant(1_700_000_000_000)),
    key: bytesOrNull,
    value: bytesOrNull,
    headers: fc.array(
      fc.record({ key: fc.string(), value: bytesOrNull }, { noNullPrototype: true }),
      { maxLength: 3 },
    ),
  },
  { noNullPrototype: true },
)

export interface Plain {
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}
