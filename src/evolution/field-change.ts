/** A change of a field, put together; and what its comparison needs to know of the rest. */
import type { DescEnum, DescField, DescMessage } from '@bufbuild/protobuf'
import { placeOf } from '../schema/place.ts'
import { safe } from './change.ts'
import type { Change, ChangeKind } from './change.ts'

export interface Surroundings {
  /** Of the field, from the stream's message. */
  readonly path: string
  /** Whether a version has a type of this name. */
  readonly has: (version: 'before' | 'after', typeName: string) => boolean
  /** Has two messages compared, too, when this is done. */
  readonly messages: (before: DescMessage, after: DescMessage) => void
  readonly enums: (before: DescEnum, after: DescEnum) => Change[]
}

/** Safe and without a fix unless said otherwise; as JSON it is what it is on the wire. */
export function fieldChange(
  kind: ChangeKind,
  [before, after]: readonly [DescField | undefined, DescField | undefined],
  change: Partial<Change> & Pick<Change, 'path' | 'what'>,
): Change {
  const field = (after ?? before)!
  return {
    kind,
    subject: `${field.parent.typeName}.${field.name}`,
    before: before && placeOf(before),
    after: after && placeOf(after),
    wire: safe,
    json: change.wire ?? safe,
    source: 'safe',
    evidence: [],
    fix: '',
    ...change,
  }
}
