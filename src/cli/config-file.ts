/**
 * Flags of programs that stay up (`broker`, `run`, the example) from the environment and from a file: a flag on
 * the command line beats a variable, a variable beats the file, the file beats the default.
 *
 * `--query-port` is HEADWATER_QUERY_PORT in the environment and `queryPort` in the file, a JSON object. What
 * either says is parsed and refused as on the command line, and never repeated: it may hold a password.
 */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import type { Command } from 'commander'
import { HeadwaterError } from '../base/errors.ts'
import { passwordVariable } from '../client/security/connection-string.ts'
import { environment, environmentNames } from '../io/node-process.ts'
import type { Log } from './logging.ts'

/** Taken from the working directory when no `--config` names another. */
const configFileDefault = 'headwater.config.json'

const configFlags = '--config <file>'

const variablePrefix = 'HEADWATER_'
/** Read elsewhere. */
const otherVariables: ReadonlySet<string> = new Set([passwordVariable])

/** Flags that `broker` or `run` has alone, and the example, whose command is another program's. */
const ofOnePart: readonly string[] = [
  'metrics-port',
  'memory',
  'on-topic-replaced',
  'database',
  'create-tables',
  'flights',
]

/** Flags that every command that has them takes from the environment: whom to reach, and by which password. */
const ofEveryCommand: ReadonlySet<string> = new Set(['broker', 'database'])

/** Flags that may be given several times: a list in the file, and a comma apart in a variable. */
const repeated: ReadonlySet<string> = new Set(['listener', 'advertise'])

/** What is to be said of where flags come from, once there is a log. */
export interface SettingsNote {
  /** Variables that look like those of flags, and are of none. */
  readonly strangers?: readonly string[]
  /** The file that flags were taken from. */
  readonly config?: string
  /** Names in it that a flag or a variable has overruled by excluding them. */
  readonly overruled?: readonly string[]
}

/** Where the value of a flag comes from, strongest first. */
type Source = 'cli' | 'env' | 'config'

/** `--config`: a command that has it takes every flag from the environment and the file. */
export function configOption(): Option {
  return new Option(
    configFlags,
    `a JSON file with flags, as in { "queryPort": 8092 }; ${configFileDefault} where there is one`,
  )
}

/** The variable that says what a flag does; undefined for a flag that has none. */
export function variableOf(option: Option, command: Command): string | undefined {
  const name = option.attributeName()
  const isTaken = ofEveryCommand.has(name) || (takesAll(command) && name !== 'help')
  return isTaken ? variableNamed(option.name()) : undefined
}

/** @param flag without its dashes */
function variableNamed(flag: string): string {
  return `${variablePrefix}${flag.replaceAll('-', '_').toUpperCase()}`
}

/** Fills in what the command line has left open. Throws `config-invalid`, or `input-missing` without the file. */
export function fillIn(command: Command): void {
  for (const option of command.options) {
    const variable = variableOf(option, command)
    const text = variable === undefined ? undefined : environment(variable)
    if (text === undefined || isGiven(command, option)) continue
    set(command, option, { value: text, source: 'env', where: `the variable ${variable}` })
  }
  refuseConflicts(command)
  if (!takesAll(command)) return
  command.setOptionValueWithSource('strangers', strangersTo(command), 'env')
  fillInFromFile(command)
}

/** Says what variables mean nothing, which file flags were taken from, and what of it does not count. */
export function tellOfSettings(note: SettingsNote, log: Log): void {
  const { strangers = [], config, overruled = [] } = note
  if (strangers.length > 0) {
    const text = `no flag has the variable ${strangers.join(', ')}: --help names those there are`
    log.warn({ strangers }, text)
  }
  if (config === undefined) return
  const but =
    overruled.length === 0
      ? ''
      : `, but not ${overruled.join(', ')}: a flag or a variable excludes that`
  log.info({ config, overruled }, `flags that are not given are taken from ${config}${but}`)
}

/** Variables of our name that no program of ours reads. */
function strangersTo(command: Command): string[] {
  const known = new Set(
    programsWith(command).flatMap((each) => each.options.map((option) => variableOf(option, each))),
  )
  for (const name of ofOnePart) known.add(variableNamed(name))
  return environmentNames(variablePrefix).filter((name) => {
    return !known.has(name) && !otherVariables.has(name)
  })
}

function takesAll(command: Command): boolean {
  return command.options.some(({ flags }) => flags === configFlags)
}

function isGiven(command: Command, option: Option): boolean {
  const source = command.getOptionValueSource(option.attributeName())
  return source !== undefined && source !== 'default'
}

interface Given {
  readonly value: unknown
  readonly source: Source
  /** Who says so, for whoever has to correct it. */
  readonly where: string
}

function set(command: Command, option: Option, { value, source, where }: Given): void {
  const parsed = option.isBoolean() ? flagOf(value) : valueOf(option, value)
  if (isWrong(parsed)) {
    throw new HeadwaterError(
      'config-invalid',
      `${where} does not say what --${option.name()} takes: ${parsed.wanted}`,
    )
  }
  command.setOptionValueWithSource(option.attributeName(), parsed, source)
}

interface Wrong {
  readonly wanted: string
}

function isWrong(parsed: unknown): parsed is Wrong {
  return typeof parsed === 'object' && parsed !== null && 'wanted' in parsed
}

function flagOf(value: unknown): boolean | Wrong {
  if (value === true || value === 'true' || value === '1') return true
  if (value === false || value === 'false' || value === '0') return false
  return { wanted: 'Write true or false.' }
}

function valueOf(option: Option, value: unknown): unknown {
  const isMany = repeated.has(option.attributeName())
  const split = isMany && typeof value === 'string' ? value.split(',') : value
  const all: readonly unknown[] = Array.isArray(split) && isMany ? split : [split]
  let parsed: unknown
  for (const one of all) {
    if (typeof one !== 'string' && typeof one !== 'number') {
      return { wanted: isMany ? 'Write a text, or a list of them.' : 'Write a text or a number.' }
    }
    const text = String(one)
    if (option.argChoices !== undefined && !option.argChoices.includes(text)) {
      return { wanted: `Write one of ${option.argChoices.join(', ')}.` }
    }
    try {
      parsed = option.parseArg === undefined ? text : option.parseArg(text, parsed)
    } catch (error) {
      if (error instanceof InvalidArgumentError) return { wanted: error.message }
      throw error
    }
  }
  return parsed
}

function fillInFromFile(command: Command): void {
  const asked = command.getOptionValue('config') as string | undefined
  const path = resolve(asked ?? configFileDefault)
  if (asked === undefined && !existsSync(path)) return
  const values = readConfig(path)
  refuseUnknown(path, Object.keys(values), command)
  const overruled: string[] = []
  const taken: Option[] = []
  for (const option of command.options) {
    const name = option.attributeName()
    if (!Object.hasOwn(values, name) || isGiven(command, option)) continue
    if (excludes(command, option)) overruled.push(name)
    else taken.push(option)
  }
  for (const option of taken) {
    const name = option.attributeName()
    set(command, option, { value: values[name], source: 'config', where: `${name} in ${path}` })
  }
  refuseConflicts(command)
  command.setOptionValueWithSource('config', path, 'config')
  command.setOptionValueWithSource('overruled', overruled, 'config')
}

/** Whether what was given as a flag or a variable excludes this one. */
function excludes(command: Command, option: Option): boolean {
  return command.options.some((other) => isGiven(command, other) && areExclusive(option, other))
}

function readConfig(path: string): Readonly<Record<string, unknown>> {
  if (!existsSync(path)) {
    throw new HeadwaterError('input-missing', `there is no file ${path}: correct --config`)
  }
  // What the system refuses is its own error, which names the path and never what is in it.
  const text = readFileSync(path, 'utf8')
  try {
    const value = JSON.parse(text) as unknown
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>
    }
  } catch (error) {
    // The parser's own message quotes what stands there, which may be a password.
    const [, at] = /position (\d+)/.exec((error as Error).message) ?? []
    const where = at === undefined ? '' : ` at character ${at}`
    throw new HeadwaterError('config-invalid', `${path} is no JSON${where}: correct it`)
  }
  throw new HeadwaterError(
    'config-invalid',
    `${path} is no JSON object: write one, as in { "queryPort": 8092 }`,
  )
}

/** The command and those beside it that take flags as it does. */
function programsWith(command: Command): readonly Command[] {
  return [command, ...(command.parent?.commands ?? [])].filter(takesAll)
}

/** Names that no program knows; one that only another knows is none of this one's business. */
function refuseUnknown(path: string, names: readonly string[], command: Command): void {
  const known = new Set(
    programsWith(command).flatMap(({ options }) => options.map((each) => each.attributeName())),
  )
  for (const name of ofOnePart) known.add(new Option(`--${name}`).attributeName())
  known.delete('config')
  const unknown = names.filter((name) => !known.has(name))
  if (unknown.length === 0) return
  throw new HeadwaterError(
    'config-invalid',
    `${path} has ${unknown.map((name) => `'${name}'`).join(', ')}, which no flag is called: there are ` +
      `${[...known].sort().join(', ')}`,
  )
}

/** As commander says it of flags, which it has compared by now. */
function refuseConflicts(command: Command): void {
  const given = command.options.filter((option) => isGiven(command, option))
  for (const one of given) {
    const other = given.find((each) => each !== one && areExclusive(one, each))
    if (other === undefined) continue
    const [weak, strong] = rank(command, one) > rank(command, other) ? [one, other] : [other, one]
    command.error(`error: ${said(command, weak)} cannot be used with ${said(command, strong)}`)
  }
}

function rank(command: Command, option: Option): number {
  const sources: readonly unknown[] = ['cli', 'env', 'config'] satisfies Source[]
  return sources.indexOf(command.getOptionValueSource(option.attributeName()))
}

function said(command: Command, option: Option): string {
  const source = command.getOptionValueSource(option.attributeName()) as Source
  if (source === 'env') return `environment variable '${variableOf(option, command)}'`
  return source === 'config'
    ? `'${option.attributeName()}' in the file`
    : `option '${option.flags}'`
}

/** commander keeps it, and its types do not say so. */
function excluded(option: Option): readonly string[] {
  return (option as Option & { readonly conflictsWith: readonly string[] }).conflictsWith
}

function areExclusive(one: Option, other: Option): boolean {
  return (
    excluded(one).includes(other.attributeName()) || excluded(other).includes(one.attributeName())
  )
}
