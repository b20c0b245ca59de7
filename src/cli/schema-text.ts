/** Changes of contracts in words: what, where, what is read wrongly, and what mends it. */
import { join } from 'node:path'
import { styleText } from 'node:util'
import { isSafe } from '../evolution/change.ts'
import type { Change, Direction } from '../evolution/change.ts'
import type { StreamDiff } from '../evolution/diff.ts'
import type { Refusal } from '../evolution/judge.ts'
import { placeText } from '../schema/place.ts'

/** A change, and why it may not be made. */
export interface Judged extends Change {
  readonly refusals: readonly Refusal[]
}

const onStdout = { stream: process.stdout }

export function streamTitle({ stream, message, level }: Omit<StreamDiff, 'changes'>): string {
  return `${styleText('bold', stream, onStdout)} (${oneLine(message)}), ${level}`
}

/** One of a change that harms nobody, and up to six of one that does. */
export function changeLines(change: Judged): readonly string[] {
  const { subject, what, evidence, fix, refusals } = change
  const where = oneLine(whereText(change))
  const said = `  ${mark(change)} ${oneLine(`${subject}: ${what}`)}`
  if (isSafe(change.wire) && refusals.length === 0) return [`${said}${notes(change)}`]
  return [
    `${said}${notes(change)}`,
    `           ${styleText('dim', where, onStdout)}`,
    ...evidence.map(({ direction, written, read }) => {
      return `           ${readerOf[direction]}: ${oneLine(`${written}  is read as  ${read}`)}`
    }),
    ...(fix === '' ? [] : [`           fix: ${oneLine(fix)}`]),
  ]
}

const readerOf: Readonly<Record<Direction, string>> = {
  backward: 'new code, old event',
  forward: 'old code, new event',
}

function mark(change: Judged): string {
  if (change.refusals.length > 0) return styleText('red', 'refused ', onStdout)
  if (isSafe(change.wire)) return styleText('green', 'safe    ', onStdout)
  const isBroken = change.wire.backward === 'breaks' || change.wire.forward === 'breaks'
  return styleText('yellow', isBroken ? 'breaks  ' : 'depends ', onStdout)
}

/** What it means beside the bytes. */
function notes({ json, source, wire }: Change): string {
  const isJson = !isSafe(json) && isSafe(wire)
  const found = [...(isJson ? ['JSON'] : []), ...(source === 'breaks' ? ['code'] : [])]
  return found.length === 0 ? '' : styleText('dim', ` (changes ${found.join(' and ')})`, onStdout)
}

function whereText({ before, after }: Change): string {
  if (before === undefined) return placeText(after!)
  return after === undefined
    ? `${placeText(before)}, gone`
    : `${placeText(before)} → ${placeText(after)}`
}

/** As GitHub shows it beside the line: https://docs.github.com/actions/reference/workflow-commands. */
export function annotation(change: Judged, directory: string): string {
  const { before, after, subject, what, evidence, fix } = change
  const place = (after ?? before)!
  const text = [
    `${subject}: ${what}`,
    ...evidence.map(
      ({ direction, written, read }) => `${readerOf[direction]}: ${written} is read as ${read}`,
    ),
    `fix: ${fix}`,
  ]
    .map(oneLine)
    .join('\n')
  const file = escapeProperty(oneLine(join(directory, place.file).replaceAll('\\', '/')))
  return `::error file=${file},line=${place.line},col=${place.column}::${escapeText(text)}`
}

/**
 * Options of contracts hold any text, and descriptors that no compiler made any name. In a line there are neither
 * line breaks, which would begin one that GitHub obeys, nor what a terminal would take for an order.
 */
function oneLine(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function escapeText(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function escapeProperty(text: string): string {
  return escapeText(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}
