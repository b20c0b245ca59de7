/** How many values a field has, and of what type: what its bytes depend on. */
import { ScalarType } from '@bufbuild/protobuf'
import type { DescField } from '@bufbuild/protobuf'

export type Cardinality = 'one' | 'list' | 'map'

export function cardinalityOf({ fieldKind }: DescField): Cardinality {
  return fieldKind === 'list' || fieldKind === 'map' ? fieldKind : 'one'
}

/** A field's type as it is written in a `.proto` file. */
export function typeText(field: DescField): string {
  const element = field.message?.typeName ?? field.enum?.typeName ?? scalarText(field.scalar!)
  if (field.fieldKind === 'map') return `map<${scalarText(field.mapKey)}, ${element}>`
  return field.fieldKind === 'list' ? `repeated ${element}` : element
}

function scalarText(scalar: ScalarType): string {
  return ScalarType[scalar].toLowerCase()
}

/** Whether messages stand between marks, not behind their length; false where there are none. */
export function isDelimited(field: DescField): boolean {
  return 'delimitedEncoding' in field && field.delimitedEncoding
}
