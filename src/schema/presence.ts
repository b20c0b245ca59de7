/** Whether a field that is absent can be told from one that is zero, and whether it may be absent. */
import type { DescField } from '@bufbuild/protobuf'

/** As protobuf-es numbers the kinds of presence, which is as descriptor.proto does. */
const presences = { implicit: 2, required: 3 } as const

export function presenceOf(field: DescField): 'implicit' | 'explicit' | 'required' {
  if (field.presence === presences.implicit) return 'implicit'
  return field.presence === presences.required ? 'required' : 'explicit'
}
