/**
 * Our declarations against the definitions inside Kafka's own kafka-clients jar: field by field, version
 * by version, in the versions we speak. The definitions are read from the jar and never kept.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { apiNames, apis, isFlexible } from '../../src/protocol/api.ts'
import {
  ConsumerProtocolAssignment,
  ConsumerProtocolSubscription,
  consumerProtocolVersion,
} from '../../src/protocol/messages/consumer-protocol.ts'
import { defaultOf, type Member, type Shape } from '../../src/protocol/shape.ts'
import { readJar } from './jar.ts'

/** Kafka's schema of its message definitions, as far as it is read here. */
interface KafkaField {
  readonly name: string
  readonly type: string
  readonly versions: string
  readonly nullableVersions?: string
  readonly taggedVersions?: string
  readonly tag?: number
  readonly default?: string | number | boolean | null
  readonly ignorable?: boolean
  readonly fields?: readonly KafkaField[]
}

interface KafkaMessage {
  readonly name: string
  readonly apiKey?: number
  readonly type: string
  readonly validVersions: string
  readonly flexibleVersions: string
  readonly latestVersionUnstable?: boolean
  readonly fields: readonly KafkaField[]
  readonly commonStructs?: readonly { readonly name: string; readonly fields: KafkaField[] }[]
}

const definitions = readDefinitions(process.env['KAFKA_JARS'])

describe('message declarations', () => {
  for (const name of apiNames) {
    for (const side of ['request', 'response'] as const) {
      test(`${name} ${side} is Kafka's in every version`, () => {
        const theirs = definition(`${name}${side === 'request' ? 'Request' : 'Response'}`)
        const api = apis[name]
        assert.equal(theirs.apiKey, api.key)
        assert.equal(theirs.type, side)
        const [min, max] = api.versions
        for (let version = min; version <= max; version++) {
          assert.ok(isIn(theirs.validVersions, version), `v${version} of ${theirs.validVersions}`)
          assert.equal(isIn(theirs.flexibleVersions, version), isFlexible(name, version))
        }
        assert.deepEqual(differences(theirs, api[side].shape, min, max), [])
      })
    }
  }

  for (const [name, type] of [
    ['ConsumerProtocolSubscription', ConsumerProtocolSubscription],
    ['ConsumerProtocolAssignment', ConsumerProtocolAssignment],
  ] as const) {
    test(`${name} is Kafka's in the version that members write and read`, () => {
      const theirs = definition(name)
      assert.ok(isIn(theirs.validVersions, consumerProtocolVersion))
      assert.equal(theirs.flexibleVersions, 'none')
      assert.deepEqual(
        differences(theirs, type.shape, consumerProtocolVersion, consumerProtocolVersion),
        [],
      )
    })
  }

  test('the newest version Kafka calls stable is spoken', () => {
    const behind = apiNames.filter((name) => {
      const { validVersions, latestVersionUnstable } = definition(`${name}Request`)
      const newest = rangeOf(validVersions)[1] - (latestVersionUnstable ? 1 : 0)
      return newest !== apis[name].versions[1]
    })
    assert.deepEqual(behind, [])
  })
})

function readDefinitions(jars: string | undefined): ReadonlyMap<string, KafkaMessage> {
  assert.ok(jars, 'KAFKA_JARS names no directory; run these tests by npm run test:kafka')
  const jar = readdirSync(jars).find((name) => /^kafka-clients-[\d.]+\.jar$/.test(name))
  assert.ok(jar, `no kafka-clients jar in ${jars}`)
  const texts = readJar(join(jars, jar), (name) => /^common\/message\/\w+\.json$/.test(name))
  const messages = [...texts.values()].map((text) => {
    const withoutComments = text.replaceAll(/^\s*\/\/.*$/gm, '')
    return JSON.parse(withoutComments) as KafkaMessage
  })
  return new Map(messages.map((message) => [message.name, message]))
}

function definition(name: string): KafkaMessage {
  const found = definitions.get(name)
  assert.ok(found, `the jar has no ${name}`)
  return found
}

/** A version range as Kafka writes it: `none`, `3`, `3+` or `3-5`. */
function rangeOf(text: string): readonly [number, number] {
  const match = /^(\d+)(?:(\+)|-(\d+))?$/.exec(text)
  if (!match) return [Infinity, -Infinity]
  const from = Number(match[1])
  if (match[2]) return [from, Infinity]
  return [from, match[3] === undefined ? from : Number(match[3])]
}

function isIn(range: string | undefined, version: number): boolean {
  const [from, to] = rangeOf(range ?? 'none')
  return version >= from && version <= to
}

function differences(theirs: KafkaMessage, ours: Shape, min: number, max: number): string[] {
  const found: string[] = []
  const structs = new Map(theirs.commonStructs?.map(({ name, fields }) => [name, fields]))

  const compareStruct = (
    path: string,
    fields: readonly KafkaField[],
    shape: Shape,
    versions: readonly number[],
  ) => {
    if (shape.kind !== 'struct') return void found.push(`${path} should be a struct`)
    const spoken = fields.filter((field) => versions.some((at) => isIn(field.versions, at)))
    const theirNames = spoken.map(({ name }) => lowerFirst(name))
    const ourNames = Object.keys(shape.members)
    if (theirNames.join() !== ourNames.join()) {
      found.push(`${path} should have the fields ${theirNames.join()}, not ${ourNames.join()}`)
    }
    for (const field of spoken) {
      const member = shape.members[lowerFirst(field.name)]
      if (member) compareField(`${path}.${lowerFirst(field.name)}`, field, member, versions)
    }
  }

  const compareField = (
    path: string,
    field: KafkaField,
    member: Member,
    versions: readonly number[],
  ) => {
    const expect = (what: string, theirs: unknown, ours: unknown) => {
      if (Object.is(theirs, ours)) return
      found.push(`${path}: ${what} is ${String(theirs)}, not ${String(ours)}`)
    }
    const { shape } = member
    for (const version of versions) {
      const isHere = isIn(field.versions, version)
      expect(`in v${version}`, isHere, version >= member.from && version <= member.to)
      if (!isHere) continue
      const canBeNull = shape.kind === 'nullable' && version >= shape.from && version <= shape.to
      expect(`nullable in v${version}`, isIn(field.nullableVersions, version), canBeNull)
      const isTagged = version >= member.taggedFrom
      expect(`tagged in v${version}`, isIn(field.taggedVersions, version), isTagged)
    }
    expect('tag', field.tag, member.tag)
    expect('ignorable', field.ignorable ?? false, member.ignorable)
    const bare = shape.kind === 'nullable' ? shape.of : shape
    if (bare.kind !== 'struct') expect('default', kafkaDefault(field), printable(defaultOf(member)))
    const here = versions.filter((version) => isIn(field.versions, version))
    compareType(path, field, bare, here)
  }

  const compareType = (
    path: string,
    field: KafkaField,
    shape: Shape,
    versions: readonly number[],
  ) => {
    const item = field.type.startsWith('[]') ? field.type.slice(2) : field.type
    if (item !== field.type && shape.kind !== 'array') found.push(`${path} should be an array`)
    const bare = shape.kind === 'array' ? shape.item : shape
    if (/^[a-z]/.test(item)) {
      if (bare.kind !== item) found.push(`${path} should be of ${item}, not ${bare.kind}`)
    } else {
      compareStruct(path, field.fields ?? structs.get(item) ?? [], bare, versions)
    }
  }

  const versions = Array.from({ length: max - min + 1 }, (_, index) => min + index)
  compareStruct(theirs.name, theirs.fields, ours, versions)
  return found
}

function lowerFirst(name: string): string {
  return name[0]!.toLowerCase() + name.slice(1)
}

/** The default of a field as text, in one spelling for both sides. */
function kafkaDefault(field: KafkaField): string {
  if (field.default === 'null' || field.default === null) return 'null'
  if (field.type.startsWith('[]')) return '[]'
  switch (field.type) {
    case 'string':
      return JSON.stringify(field.default ?? '')
    case 'bytes':
    case 'records':
      return '[]'
    case 'bool':
      return String(field.default ?? false)
    case 'uuid':
      return '"AAAAAAAAAAAAAAAAAAAAAA"'
    default:
      return String(Number(field.default ?? 0))
  }
}

function printable(value: unknown): string {
  if (value instanceof Uint8Array) return `[${value.join()}]`
  return typeof value === 'number' ? String(value) : JSON.stringify(value)
}
