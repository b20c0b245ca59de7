/**
 * Two versions of a message, made at random: descriptors without a compiler, so that thousands of pairs are cheap.
 * A version is a plain value that edits change; what its syntax cannot say is said as near as it can.
 */
import { create, createFileRegistry } from '@bufbuild/protobuf'
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf'
import {
  Edition,
  FeatureSet_EnumType,
  FeatureSet_FieldPresence,
  FeatureSet_MessageEncoding,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_any,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt'
import type {
  DescriptorProtoSchema,
  FieldDescriptorProto,
  FieldDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt'

type Presence = 'implicit' | 'explicit' | 'required'

export interface Field {
  number: number
  shape: 'one' | 'list' | 'map'
  /** Of a map. */
  key: string
  /** A scalar as it is written, the name of an enum or a message here, or a full one of the platform. */
  type: string
  presence: Presence
  /** The oneof that holds it, by its name; empty where none does. */
  oneof: string
  packed: boolean
  delimited: boolean
  hasDefault: boolean
}

export interface Version {
  syntax: 'proto2' | 'proto3' | 'editions'
  messages: Record<string, Field[]>
  enums: Record<string, { open: boolean; numbers: number[] }>
}

const integers = ['int32', 'uint32', 'int64', 'uint64', 'sint32', 'sint64'] as const
const fixed = ['fixed32', 'sfixed32', 'fixed64', 'sfixed64'] as const
export const scalars = [
  ...integers,
  ...fixed,
  'float',
  'double',
  'bool',
  'string',
  'bytes',
] as const
export const mapKeys = scalars.filter((type) => !['double', 'float', 'bytes'].includes(type))
const packable = scalars.filter((type) => type !== 'string' && type !== 'bytes')

/** Of the platform: a wrapper that programs have as a plain value, and two others. */
export const platformTypes = [
  'google.protobuf.Int32Value',
  'google.protobuf.StringValue',
  'google.protobuf.Timestamp',
  'google.protobuf.Any',
] as const

const platformFiles = [
  file_google_protobuf_any,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
]

const isEnum = (version: Version, type: string): boolean => Object.hasOwn(version.enums, type)
const isScalar = (type: string): boolean => scalars.includes(type as 'int32')
export const isMessage = (version: Version, type: string): boolean =>
  !isEnum(version, type) && !isScalar(type)

/** The version's message `M`, and the names of all types it knows. */
export function descriptorOf(version: Version): {
  readonly message: DescMessage
  readonly names: ReadonlySet<string>
} {
  const { syntax } = version
  const file = create(FileDescriptorProtoSchema, {
    name: 'm.proto',
    package: 'm',
    syntax,
    edition: syntax === 'editions' ? Edition.EDITION_2023 : Edition.EDITION_UNKNOWN,
    dependency: platformFiles.map(({ proto }) => proto.name),
    messageType: Object.keys(version.messages).map((name) => messageProto(version, name)),
    enumType: Object.entries(version.enums).map(([name, { open, numbers }]) => ({
      name,
      value: numbers.map((number) => ({
        name: `${name}_${number < 0 ? 'N' : ''}${Math.abs(number)}`,
        number,
      })),
      options:
        syntax === 'editions'
          ? { features: { enumType: open ? FeatureSet_EnumType.OPEN : FeatureSet_EnumType.CLOSED } }
          : undefined,
    })),
  })
  const set = create(FileDescriptorSetSchema, {
    file: [...platformFiles.map(({ proto }) => proto), file],
  })
  const used = Object.values(version.messages).flatMap((fields) => fields.map(({ type }) => type))
  const own = [...Object.keys(version.messages), ...Object.keys(version.enums)]
  return {
    message: createFileRegistry(set).getMessage('m.M')!,
    names: new Set([
      ...own.map((name) => `m.${name}`),
      ...used.filter((type) => platformTypes.includes(type as 'google.protobuf.Any')),
    ]),
  }
}

type MessageProto = MessageInitShape<typeof DescriptorProtoSchema>
type FieldProto = Exclude<MessageInitShape<typeof FieldDescriptorProtoSchema>, FieldDescriptorProto>

function messageProto(version: Version, name: string): MessageProto {
  const fields = version.messages[name]!
  const oneofs = [...new Set(fields.map(({ oneof }) => oneof).filter((oneof) => oneof !== ''))]
  // Those that stand for `optional` come behind the others.
  const told =
    version.syntax === 'proto3' ? fields.filter((field) => isToldInProto3(version, field)) : []
  const maps = fields.filter(({ shape }) => shape === 'map')
  return {
    name,
    oneofDecl: [...oneofs, ...told.map(({ number }) => `_f${number}`)].map((each) => ({
      name: each,
    })),
    field: fields.map((field) => {
      const own = oneofs.indexOf(field.oneof)
      const synthetic = told.indexOf(field)
      const index = own >= 0 ? own : synthetic >= 0 ? oneofs.length + synthetic : undefined
      return fieldProto(version, name, field, index)
    }),
    nestedType: maps.map((field) => ({
      name: `E${field.number}Entry`,
      options: { mapEntry: true },
      field: [
        { name: 'key', number: 1, label: Label.OPTIONAL, ...typeProto(version, field.key, false) },
        {
          name: 'value',
          number: 2,
          label: Label.OPTIONAL,
          ...typeProto(version, field.type, false),
        },
      ],
    })),
  }
}

function isToldInProto3(version: Version, { shape, oneof, presence, type }: Field): boolean {
  return shape === 'one' && oneof === '' && presence !== 'implicit' && !isMessage(version, type)
}

/** Names that generated code has to step aside for are among them. */
const names: Readonly<Record<number, string>> = { 2: 'constructor', 3: '__proto__', 4: 'to_string' }

function fieldProto(
  version: Version,
  parent: string,
  field: Field,
  oneofIndex: number | undefined,
): FieldProto {
  const { number, shape, type } = field
  const isOne = shape === 'one'
  const isTold = isOne && version.syntax === 'proto3' && isToldInProto3(version, field)
  const isRequired = field.presence === 'required' && field.oneof === '' && isOne
  return {
    name: names[number] ?? `f${number}`,
    number,
    label: !isOne
      ? Label.REPEATED
      : isRequired && version.syntax === 'proto2'
        ? Label.REQUIRED
        : Label.OPTIONAL,
    ...(shape === 'map'
      ? { type: Type.MESSAGE, typeName: `.m.${parent}.E${number}Entry` }
      : typeProto(version, type, field.delimited && version.syntax === 'proto2')),
    ...(oneofIndex === undefined ? {} : { oneofIndex }),
    ...(isTold ? { proto3Optional: true } : {}),
    ...defaultProto(version, field),
    options: optionsProto(version, field, isRequired),
  }
}

function defaultProto(
  version: Version,
  { hasDefault, shape, presence, type, oneof }: Field,
): FieldProto {
  const isTold = presence !== 'implicit' || version.syntax === 'proto2'
  if (!hasDefault || shape !== 'one' || oneof !== '' || version.syntax === 'proto3' || !isTold)
    return {}
  if (!isScalar(type)) return {}
  return { defaultValue: type === 'bool' ? 'true' : '7' }
}

function typeProto(version: Version, type: string, isGroup: boolean): FieldProto {
  if (isScalar(type)) return { type: Type[type.toUpperCase() as 'INT32'] }
  const typeName = type.includes('.') ? `.${type}` : `.m.${type}`
  if (isEnum(version, type)) return { type: Type.ENUM, typeName }
  return { type: isGroup ? Type.GROUP : Type.MESSAGE, typeName }
}

function optionsProto(
  version: Version,
  field: Field,
  isRequired: boolean,
): NonNullable<FieldProto['options']> {
  const { shape, type, packed, presence, delimited } = field
  const isNumbers =
    shape === 'list' && (isEnum(version, type) || packable.includes(type as 'int32'))
  if (version.syntax !== 'editions') return isNumbers ? { packed } : {}
  const isClosed = isEnum(version, type) && !version.enums[type]!.open
  const isImplicit =
    presence === 'implicit' && !isClosed && !isMessage(version, type) && field.oneof === ''
  const { IMPLICIT, EXPLICIT, LEGACY_REQUIRED } = FeatureSet_FieldPresence
  return {
    features: {
      ...(isNumbers ? { repeatedFieldEncoding: packed ? 1 : 2 } : {}),
      ...(shape === 'one'
        ? { fieldPresence: isRequired ? LEGACY_REQUIRED : isImplicit ? IMPLICIT : EXPLICIT }
        : {}),
      ...(delimited && shape !== 'map' && isMessage(version, type)
        ? { messageEncoding: FeatureSet_MessageEncoding.DELIMITED }
        : {}),
    },
  }
}
