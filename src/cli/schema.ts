/**
 * `headwater schema diff` and `headwater schema check`: what changed between two versions of contracts, and whether
 * what the old one promised its readers lets it.
 */
import { HeadwaterError } from '../base/errors.ts'
import { diffContracts } from '../evolution/diff.ts'
import type { StreamDiff } from '../evolution/diff.ts'
import { refusalsOf } from '../evolution/judge.ts'
import type { Axis } from '../evolution/judge.ts'
import { isTransitive } from '../evolution/level.ts'
import { Refused, formatCount, formatCountOf, print, printJson, printNote } from './output.ts'
import { loadContracts } from './schema-source.ts'
import { annotation, changeLines, streamTitle } from './schema-text.ts'
import type { Judged } from './schema-text.ts'

export interface DiffOptions {
  readonly json?: boolean
}

/** @param after a source, as `before` */
export async function diff(before: string, after: string, options: DiffOptions): Promise<void> {
  const young = await contractsOf(after, after)
  const streams = judged(diffContracts(await contractsOf(before, after), young), [])
  if (options.json) return printJson({ streams: streams.map(asJson) })
  printStreams(streams)
  if (streams.length === 0) print('nothing changed')
}

export interface CheckOptions {
  /** Sources, the latest version first. */
  readonly against: readonly string[]
  /** What is judged besides bytes. */
  readonly also: readonly Axis[]
  readonly json?: boolean
  /** Says refusals as GitHub's annotations, too. */
  readonly github?: boolean
}

/** Throws `Refused` when a change may not be made. */
export async function check(directory: string, options: CheckOptions): Promise<void> {
  const young = await contractsOf(directory, directory)
  const found: VersionDiff[] = []
  for (const [i, against] of options.against.entries()) {
    const old = await loadContracts(against, directory)
    if (old === undefined) {
      printNote(
        `${against} has no .proto files in ${directory}: nothing was promised there; if they were in another ` +
          'directory then, name it: git:REF:DIRECTORY',
      )
    }
    const diffs = diffContracts(old ?? [], young).filter(
      ({ level }) => i === 0 || isTransitive(level),
    )
    found.push({ against, streams: judged(diffs, options.also) })
  }
  tell(found, directory, options)
  if (found.some(({ streams }) => streams.some(isRefused))) throw new Refused()
}

interface VersionDiff {
  readonly against: string
  readonly streams: readonly JudgedStream[]
}

interface JudgedStream extends Omit<StreamDiff, 'changes'> {
  readonly changes: readonly Judged[]
}

async function contractsOf(source: string, directory: string) {
  const contracts = await loadContracts(source, directory)
  if (contracts !== undefined) return contracts
  throw new HeadwaterError(
    'input-missing',
    `${source} has no .proto files: name another commit or directory`,
  )
}

function judged(diffs: readonly StreamDiff[], also: readonly Axis[]): readonly JudgedStream[] {
  return diffs
    .filter(({ changes }) => changes.length > 0)
    .map((stream) => ({
      ...stream,
      changes: stream.changes.map((change) => ({
        ...change,
        refusals: refusalsOf(change, stream.level, also),
      })),
    }))
}

function isRefused({ changes }: JudgedStream): boolean {
  return changes.some(({ refusals }) => refusals.length > 0)
}

function asJson({ changes, ...stream }: JudgedStream) {
  return {
    ...stream,
    changes: changes.map((change) => ({ ...change, isRefused: change.refusals.length > 0 })),
  }
}

function tell(found: readonly VersionDiff[], directory: string, options: CheckOptions): void {
  if (options.json) {
    const versions = found.map(({ against, streams }) => ({
      against,
      streams: streams.map(asJson),
    }))
    return printJson({ versions })
  }
  for (const { against, streams } of found) {
    const refused = streams.filter(isRefused)
    if (found.length > 1) print(`against ${against}`)
    printStreams(streams)
    const changes = streams.flatMap((stream) => stream.changes)
    const count = changes.filter(({ refusals }) => refusals.length > 0).length
    print(
      count === 0
        ? `${directory} may follow ${against}: ${formatCountOf(changes.length, 'change')}, none refused`
        : `${directory} may not follow ${against}: ${formatCount(count)} of ` +
            `${formatCountOf(changes.length, 'change')} refused, in ${formatCountOf(refused.length, 'stream')}`,
    )
    if (!options.github) continue
    for (const change of changes) {
      if (change.refusals.length > 0) print(annotation(change, directory))
    }
  }
}

function printStreams(streams: readonly JudgedStream[]): void {
  for (const stream of streams) {
    print(streamTitle(stream))
    for (const change of stream.changes) for (const line of changeLines(change)) print(line)
    print('')
  }
}
