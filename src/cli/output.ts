/**
 * What commands print: results on standard output, progress and errors on standard error.
 *
 * An operating error is one line that names the cause and the fix, never a stack trace; only a bug of ours
 * shows where it happened. Exit codes: 0 done, 1 an operating error, 2 a wrong command line or a plan
 * that is refused, 70 a bug, 130 stopped by Ctrl-C before it was done.
 */
import { styleText } from 'node:util'
import { isHeadwaterError } from '../base/errors.ts'

export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 2,
  bug: 70,
  interrupted: 130,
} as const

/** What was asked has been printed, and the answer is no. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

/** The command was asked to stop before it was done. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'

  constructor() {
    super('stopped before it was done; the next start goes on from there')
  }
}

/** One line of text, or one JSON value with `json`, on standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function printJson(value: unknown): void {
  print(
    JSON.stringify(value, (_name, part: unknown) =>
      typeof part === 'bigint' ? String(part) : part,
    ),
  )
}

/** A line for people beside the result, on standard error. */
export function printNote(text: string): void {
  writeNote(`${text}\n`)
}

const writeToStderr = (text: string): void => void process.stderr.write(text)
let writeNote = writeToStderr

/** Notes are given to `write` until the function returned is called: for lines that are drawn in place. */
export function divertNotes(write: (text: string) => void): () => void {
  writeNote = write
  return () => {
    writeNote = writeToStderr
  }
}

/** An error as programs read it. */
export interface ToldError {
  readonly code: string
  readonly message: string
}

let tellError: ((error: ToldError) => void) | undefined

/** From now on the error that ends the program is given to `tell`. */
export function divertErrors(tell: (error: ToldError) => void): void {
  tellError = tell
}

/** Says on standard error what went wrong and gives the exit code for it. */
export function printError(error: unknown, json: boolean): number {
  if (error instanceof Refused) return exitCodes.refused
  const known = describeError(error)
  const told = known ?? { code: 'bug', message: bugText(error) }
  if (tellError !== undefined) {
    tellError(told)
  } else if (error instanceof Interrupted) {
    process.stderr.write(`headwater: ${error.message}\n`)
  } else if (json) {
    process.stderr.write(`${JSON.stringify({ error: told })}\n`)
  } else if (known) {
    process.stderr.write(`${styleText('red', 'headwater:', onStderr)} ${known.message}\n`)
  } else {
    process.stderr.write(`headwater: this is a bug, please report it\n${bugText(error)}\n`)
  }
  if (error instanceof Interrupted) return exitCodes.interrupted
  return known ? exitCodes.failed : exitCodes.bug
}

const onStderr = { stream: process.stderr }

/** Failures of the system that reach a command without a text of ours, and what to do about them. */
const systemFixes: Readonly<Record<string, string>> = {
  EACCES: 'give this user the right to it, or choose another path',
  EPERM: 'give this user the right to it, or choose another path',
  EROFS: 'the file system is read-only: choose a path on another one',
  ENOSPC: 'the disk is full: make room, or choose a path on another disk',
  EDQUOT: "this user's disk quota is used up: make room, or choose a path on another disk",
  EMFILE: 'too many files are open: raise the limit with `ulimit -n`',
  ENOTDIR: 'a part of the path is a file: choose another path',
  EISDIR: 'it is a directory where a file is needed: choose another path',
  ENOENT: 'it does not exist: correct the path',
}

function describeError(error: unknown): ToldError | undefined {
  if (error instanceof Interrupted) return { code: 'interrupted', message: error.message }
  if (isHeadwaterError(error)) return { code: error.code, message: error.message }
  if (!(error instanceof Error)) return undefined
  const code = (error as NodeJS.ErrnoException).code
  const fix = code === undefined ? undefined : systemFixes[code]
  return fix === undefined ? undefined : { code: code!, message: `${error.message}: ${fix}` }
}

function bugText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** A column of a table for people. */
export interface Column<Row> {
  readonly title: string
  readonly align?: 'left' | 'right'
  text(row: Row): string
}

/** The rows under their titles, columns padded to their widest cell; no line longer than needed. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map((column) => column.text(row))),
  ]
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i]!.length)))
  return cells.map((line) =>
    line
      .map((cell, i) =>
        columns[i]!.align === 'right' ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!),
      )
      .join('  ')
      .trimEnd(),
  )
}

/** `300,000`. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}

/** `1 file`, `2,000 files`. */
export function formatCountOf(count: number, what: string): string {
  return `${formatCount(count)} ${what}${count === 1 ? '' : 's'}`
}

/** `0.42 s`, `12.3 s`, `2 min 5 s`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(2)} s`
  if (seconds < 120) return `${seconds.toFixed(1)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}
