/**
 * Whether a value is a whole message: every field that has no presence of its own is there, and nothing that
 * the message has not. Events are complete, and a field that was forgotten would be written as its default
 * without a word, one that was misspelt not at all.
 *
 * What may be left out is what a reader can tell from a default: `optional` fields and messages (and, in
 * proto2 and editions, whatever tracks its presence). Lists, maps and oneofs have to be there, be they empty.
 * Values of fields are the codec's business.
 */
import type { DescField, DescMessage } from '@bufbuild/protobuf'
import { localForm } from './local-form.ts'
import type { Fields } from './local-form.ts'
import { presenceOf } from './presence.ts'

/** What is wrong with a message, as in `field 'total' is missing`; undefined when it is whole. */
export type CheckComplete = (message: unknown) => string | undefined

/** Characters of a wrong value that are shown. */
const shownMax = 40

type CheckValue = (value: unknown, path: string) => string | undefined

interface Member {
  readonly isRequired: boolean
  readonly check: CheckValue | undefined
}

/** The check of a message type, compiled once. */
export function completeCheckOf(message: DescMessage): CheckComplete {
  const check = checkOf(message)
  return (value) => check(value, '')
}

const checks = new WeakMap<DescMessage, CheckValue>()

function checkOf(message: DescMessage): CheckValue {
  const known = checks.get(message)
  if (known !== undefined) return known
  const members = new Map<string, Member>()
  const check = checkMembers(message.typeName, members)
  // Known before its fields are, because a message may contain itself.
  checks.set(message, check)
  for (const member of message.members) {
    if (member.kind === 'oneof') {
      members.set(member.localName, { isRequired: true, check: checkOneof(member.fields) })
    } else
      members.set(member.localName, { isRequired: isRequired(member), check: checkField(member) })
  }
  return check
}

function checkMembers(typeName: string, members: ReadonlyMap<string, Member>): CheckValue {
  const required = () => [...members].filter(([, { isRequired: is }]) => is).map(([name]) => name)
  let names: readonly string[] | undefined
  return (value, path) => {
    if (typeof value !== 'object' || value === null) {
      const what = path === '' ? 'the message' : `field '${path.slice(0, -1)}'`
      return `${what} is ${String(value).slice(0, shownMax)} and no ${typeName}`
    }
    if (value instanceof Date) {
      return `field '${path.slice(0, -1)}' is a Date and no ${typeName}: timestampFromDate makes one of it`
    }
    const fields = value as Fields
    for (const name of (names ??= required())) {
      const given = fields[name]
      if (given === undefined || given === null) return `field '${path}${name}' is missing`
    }
    for (const name of Object.keys(fields)) {
      const member = members.get(name)
      if (member === undefined) {
        if (name === '$typeName' || name === '$unknown') continue
        return `'${path}${name}' is no field of ${typeName}`
      }
      const given = fields[name]
      if (member.check === undefined || given === undefined || given === null) continue
      const wrong = member.check(given, `${path}${name}.`)
      if (wrong !== undefined) return wrong
    }
    return undefined
  }
}

function isRequired(field: DescField): boolean {
  if (field.fieldKind === 'list' || field.fieldKind === 'map') return true
  return presenceOf(field) !== 'explicit'
}

/** Undefined where there is nothing inside to look at. */
function checkField(field: DescField): CheckValue | undefined {
  if (field.message === undefined || localForm(field) !== undefined) return undefined
  const inner = checkOf(field.message)
  if (field.fieldKind === 'message') return inner
  return (value, path) => {
    if (typeof value !== 'object' || value === null) return undefined
    for (const [name, item] of Object.entries(value)) {
      const wrong = inner(item, `${path}${name}.`)
      if (wrong !== undefined) return wrong
    }
    return undefined
  }
}

function checkOneof(cases: readonly DescField[]): CheckValue {
  const byName = new Map(cases.map((field) => [field.localName, checkField(field)]))
  return (value, path) => {
    const { case: name, value: inner } = value as { case?: string; value?: unknown }
    if (name === undefined) return undefined
    if (!byName.has(name)) return `'${name}' is no case of '${path.slice(0, -1)}'`
    return byName.get(name)?.(inner, `${path}value.`)
  }
}
