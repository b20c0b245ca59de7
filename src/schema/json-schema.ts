/**
 * JSON Schema (2020-12) of what `messageJson` makes of a message: the mapping of Protocol Buffers, and beside
 * it the forms of what that mapping cannot say.
 */
import { ScalarType } from '@bufbuild/protobuf'
import type { DescEnum, DescField, DescMessage } from '@bufbuild/protobuf'
import { isWrapperDesc } from '@bufbuild/protobuf/wkt'

export type JsonSchema = Readonly<Record<string, unknown>>

/** Where a document keeps the schemas of messages, by their full names. */
const schemasPath = '#/components/schemas/'

/** A reference to the schema of a message; that of each message it leads to is added to `schemas`. */
export function schemaRef(message: DescMessage, schemas: Map<string, JsonSchema>): JsonSchema {
  const { typeName } = message
  if (!schemas.has(typeName)) {
    // It may hold itself, so it has to be there before its fields.
    schemas.set(typeName, {})
    schemas.set(typeName, messageSchema(message, schemas))
  }
  return { $ref: `${schemasPath}${typeName}` }
}

function messageSchema(message: DescMessage, schemas: Map<string, JsonSchema>): JsonSchema {
  const own = wellKnown[message.typeName]
  if (own === undefined && isWrapperDesc(message)) return valueSchema(message.fields[0], schemas)
  if (own?.alone === true) return own.schema
  const fields = fieldsSchema(message, schemas)
  return own === undefined ? fields : { anyOf: [own.schema, fields] }
}

/** The forms of well-known messages; `alone`: what is not of this form is so, too. */
const wellKnown: Readonly<Record<string, { schema: JsonSchema; alone?: boolean } | undefined>> = {
  'google.protobuf.Timestamp': { schema: { type: 'string', format: 'date-time' } },
  'google.protobuf.Duration': { schema: { type: 'string', pattern: String.raw`^-?\d+(\.\d+)?s$` } },
  'google.protobuf.FieldMask': { schema: { type: 'string' } },
  'google.protobuf.Any': { schema: { type: 'object' }, alone: true },
  'google.protobuf.Struct': { schema: { type: 'object' }, alone: true },
  'google.protobuf.ListValue': { schema: { type: ['array', 'object'] }, alone: true },
  'google.protobuf.Value': { schema: {}, alone: true },
}

function fieldsSchema(message: DescMessage, schemas: Map<string, JsonSchema>): JsonSchema {
  const properties = message.fields.map((field) => [field.jsonName, fieldSchema(field, schemas)])
  const required = message.fields.filter(isAlwaysWritten).map(({ jsonName }) => jsonName)
  return {
    type: 'object',
    properties: Object.fromEntries(properties) as unknown,
    ...(required.length > 0 && { required }),
  }
}

/** `FeatureSet.FieldPresence.IMPLICIT`: a field that cannot tell whether it is set. */
const implicit = 2

/** Whether a field is written out even when it holds nothing. */
export function isAlwaysWritten(field: DescField): boolean {
  if (field.fieldKind === 'list' || field.fieldKind === 'map') return true
  return field.oneof === undefined && field.presence === implicit
}

function fieldSchema(field: DescField, schemas: Map<string, JsonSchema>): JsonSchema {
  const value = valueSchema(field, schemas)
  if (field.fieldKind === 'list') return { type: 'array', items: value }
  if (field.fieldKind === 'map') return { type: 'object', additionalProperties: value }
  return value
}

/** One value of a field, of a list or of a map. */
function valueSchema(field: DescField, schemas: Map<string, JsonSchema>): JsonSchema {
  if (field.message !== undefined) return schemaRef(field.message, schemas)
  return field.enum === undefined ? scalarSchema(field.scalar) : enumSchema(field.enum)
}

/** An enum is open: a number without a name is written as it is. */
function enumSchema({ typeName, values }: DescEnum): JsonSchema {
  if (typeName === 'google.protobuf.NullValue') return { type: 'null' }
  return { anyOf: [{ enum: values.map(({ name }) => name) }, { type: 'integer' }] }
}

function scalarSchema(scalar: ScalarType): JsonSchema {
  switch (scalar) {
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return { anyOf: [{ type: 'number' }, { enum: ['NaN', 'Infinity', '-Infinity'] }] }
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return { type: 'string', pattern: String.raw`^-?\d+$` }
    case ScalarType.INT32:
    case ScalarType.UINT32:
    case ScalarType.SINT32:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return { type: 'integer' }
    case ScalarType.BOOL:
      return { type: 'boolean' }
    case ScalarType.BYTES:
      return { type: 'string', contentEncoding: 'base64' }
    case ScalarType.STRING:
      return { type: 'string' }
  }
}
