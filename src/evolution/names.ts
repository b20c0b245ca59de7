/** Declared renames: `[(headwater.v1.field).renamed_from = "email"]`. */
import { getOption } from '@bufbuild/protobuf'
import type { DescEnumValue, DescField } from '@bufbuild/protobuf'
import {
  field as fieldOption,
  value as valueOption,
} from '../schema/gen/headwater/v1/options_pb.ts'

/** Whether two versions of a field bear one name, or one that was declared to be the other's. */
export function isSameName(before: DescField, after: DescField): boolean {
  return (
    before.name === after.name ||
    isDeclared(before.name, renamesOf(after), after.name, renamesOf(before))
  )
}

export function isSameValueName(before: DescEnumValue, after: DescEnumValue): boolean {
  return (
    before.name === after.name ||
    isDeclared(before.name, valueRenamesOf(after), after.name, valueRenamesOf(before))
  )
}

/** Both ways, as a rename may be taken back. */
function isDeclared(
  before: string,
  namesOfAfter: readonly string[],
  after: string,
  namesOfBefore: readonly string[],
): boolean {
  return namesOfAfter.includes(before) || namesOfBefore.includes(after)
}

function renamesOf(field: DescField): readonly string[] {
  return getOption(field, fieldOption).renamedFrom
}

function valueRenamesOf(value: DescEnumValue): readonly string[] {
  return getOption(value, valueOption).renamedFrom
}
