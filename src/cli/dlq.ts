/** `headwater dlq`: what a service put aside, and what becomes of it. */
import { HeadwaterError } from '../base/errors.ts'
import { letterMs, Outcome } from '../events/dead-letters.ts'
import type { SettledLetter } from '../events/dead-letters.ts'
import { lettersOf, readLetters } from '../streams/letters/letters.ts'
import type { Letter, LetterBox, LetterEntry } from '../streams/letters/letters.ts'
import {
  destinations,
  dropLetters,
  replayLetters,
  replayProblem,
} from '../streams/letters/settle.ts'
import type { LeftLetter } from '../streams/letters/settle.ts'
import { confirm } from './confirm.ts'
import { withCluster } from './connect.ts'
import { loadEvent } from './modules.ts'
import { formatCount, formatTable, print, printJson, printNote } from './output.ts'
import type { Column } from './output.ts'
import { bytesText, harmless, recordJson, recordLine } from './record-text.ts'

interface DlqOptions {
  readonly broker: string
  readonly json?: boolean
}

interface Asked {
  readonly service: string
  readonly ids: readonly string[]
}

interface WhichOptions extends DlqOptions {
  readonly operator?: string
  readonly open?: boolean
  readonly yes?: boolean
}

export async function listLetters(
  service: string,
  options: DlqOptions & { readonly all?: boolean; readonly limit: number },
): Promise<void> {
  await withCluster(options.broker, async (cluster) => {
    const box = await readLetters(cluster, service)
    noteUnreadable(box)
    const wanted = box.letters.filter(({ settled }) => options.all || settled === undefined)
    const shown = wanted.slice(-options.limit)
    const rows: ListRow[] = []
    for await (const piece of lettersOf(cluster, service, shown)) {
      if (options.json) for (const letter of piece) printJson(letterJson(letter))
      else rows.push(...piece.map(listRow))
    }
    if (!options.json && wanted.length === 0) {
      print(`Service '${service}' has no ${options.all ? '' : 'open '}dead letters.`)
    } else if (!options.json) {
      print(formatTable(listColumns, rows).join('\n'))
    }
    const more = wanted.length - shown.length
    if (more > 0) {
      printNote(`${formatCount(more)} older ones are left out: --limit ${wanted.length}`)
    }
  })
}

const textMax = 60

/** What the table says of a letter, and no more of it: its widths are known when all are read. */
type ListRow = Readonly<Record<'letter' | 'failed' | 'operator' | 'why' | 'state', string>>

const listColumns: readonly Column<ListRow>[] = [
  { title: 'letter', text: ({ letter }) => letter },
  { title: 'failed', text: ({ failed }) => failed },
  { title: 'operator', text: ({ operator }) => operator },
  { title: 'why', text: ({ why }) => why },
  { title: '', text: ({ state }) => state },
]

function listRow(letter: Letter): ListRow {
  const { id, failed, operator } = letter
  return {
    letter: id,
    failed: timeOf(failed.failedAt),
    operator,
    why: oneLine(failed.message),
    state: stateOf(letter),
  }
}

function stateOf({ processedInPart, settled }: LetterEntry): string {
  if (settled !== undefined) return outcomeText(settled)
  return processedInPart ? 'processed in part' : ''
}

function outcomeText({ outcome, reason }: SettledLetter): string {
  const what = outcome === Outcome.REPLAYED ? 'replayed' : 'dropped'
  return reason === '' ? what : `${what}: ${oneLine(reason)}`
}

function oneLine(text: string): string {
  const line = harmless(text.replaceAll(/\s+/g, ' '))
  return line.length > textMax ? `${line.slice(0, textMax - 1)}…` : line
}

export async function showLetter(
  asked: { readonly service: string; readonly id: string },
  options: DlqOptions & { readonly contracts?: string },
): Promise<void> {
  const { service, id } = asked
  const [letter] = await withCluster(options.broker, async (cluster) => {
    const entries = named(service, await readLetters(cluster, service), [id])
    return (await Array.fromAsync(lettersOf(cluster, service, entries))).flat()
  })
  const { failed } = letter!
  const event =
    options.contracts === undefined ? undefined : await loadEvent(options.contracts, failed.stream)
  const record = {
    topic: failed.stream,
    partition: failed.partition,
    offset: Number(failed.offset ?? -1n),
    timestamp: Number(failed.timestampMs),
    key: failed.key ?? null,
    value: failed.value ?? null,
    headers: failed.headers.map(({ key, value }) => ({ key, value: value ?? null })),
  }
  if (options.json) {
    printJson({ ...letterJson(letter!), stack: failed.stack, record: recordJson(record, event) })
    return
  }
  const lines = [
    `letter     ${id}`,
    `failed     ${timeOf(failed.failedAt)} in instance '${failed.instanceId}'`,
    `operator   ${failed.operator}`,
    `why        ${failed.message} (${failed.code})`,
    `processed  ${failed.processedInPart ? 'in part: another branch did something with it' : 'nothing of it'}`,
    `state      ${letter!.settled === undefined ? 'open' : outcomeText(letter!.settled)}`,
    `record     ${failed.bytesLeftOut === undefined ? recordLine(record, event) : `${failed.bytesLeftOut} bytes, left where they are`}`,
    ...record.headers.map(({ key, value }) => `header     ${key}=${value ? bytesText(value) : ''}`),
    ...(failed.replayOf === undefined ? [] : [`replay of  ${failed.replayOf}`]),
    ...(failed.stack === '' ? [] : ['', failed.stack]),
  ]
  print(harmless(lines.join('\n')))
}

export async function replay(
  { service, ids }: Asked,
  options: WhichOptions & { readonly again?: boolean },
): Promise<void> {
  await withCluster(options.broker, async (cluster) => {
    const letters = chosen(service, await readLetters(cluster, service), ids, options)
    const streams = await destinations(cluster, letters)
    const again = options.again === true
    const judged = letters.map((letter) => {
      const into = streams.get(letter.stream)!
      return { letter, problem: replayProblem(letter, { into, again }) }
    })
    const left = judged.flatMap(({ letter: { id }, problem: why }) => (why ? [{ id, why }] : []))
    // Whoever names a letter wants that one; of many the others go on.
    const isNamed = ids.length > 0
    if (left.length > 0 && (isNamed || left.length === judged.length)) throw notReplayed(left[0]!)
    const wanted = judged.filter(({ problem }) => problem === undefined).map(({ letter }) => letter)
    const lines = [
      `${countText(wanted.length)} of service '${service}' written once more, for this service alone.`,
      "Other programs than Headwater's services see these records a second time.",
      ...leftLines(left),
    ]
    await confirm(lines, options.yes)
    const settling = { service, letters: wanted, onProgress: progressOf(wanted) }
    const gone = await replayLetters(cluster, settling)
    // Whoever says --yes has not been asked, and has seen none of them.
    for (const line of leftLines([...(options.yes ? left : []), ...gone])) printNote(line)
    if (gone.length > 0 && (isNamed || gone.length === wanted.length)) throw notReplayed(gone[0]!)
    const goneIds = new Set(gone.map(({ id }) => id))
    const done = wanted.filter(({ id }) => !goneIds.has(id))
    tellDone(service, 'replayed', { done, left: [...left, ...gone] }, options)
  })
}

/** Letters that are left as they are and told one by one; the others are counted. */
const leftShownMax = 10

function leftLines(left: readonly LeftLetter[]): string[] {
  const lines = left
    .slice(0, leftShownMax)
    .map(({ id, why }) => `Letter '${id}' is left as it is: ${why}.`)
  const more = left.length - lines.length
  return more > 0 ? [...lines, `So are ${formatCount(more)} more.`] : lines
}

export async function drop(
  { service, ids }: Asked,
  options: WhichOptions & { readonly reason: string },
): Promise<void> {
  await withCluster(options.broker, async (cluster) => {
    const letters = chosen(service, await readLetters(cluster, service), ids, options)
    await confirm([`${countText(letters.length)} of service '${service}' given up.`], options.yes)
    const settling = { service, letters, onProgress: progressOf(letters) }
    await dropLetters(cluster, settling, options.reason)
    tellDone(service, 'dropped', { done: letters, left: [] }, options)
  })
}

/** The letters that a command is about. */
function chosen(
  service: string,
  box: LetterBox,
  ids: readonly string[],
  { operator, open }: WhichOptions,
): readonly LetterEntry[] {
  const ways = [ids.length > 0, operator !== undefined, open === true].filter(Boolean).length
  if (ways !== 1) {
    throw new HeadwaterError(
      'config-invalid',
      'which letters? Name them, or say --operator NAME, or --open for every open one',
    )
  }
  if (ids.length > 0) return named(service, box, ids)
  const found = box.letters.filter((letter) => {
    return letter.settled === undefined && (operator === undefined || letter.operator === operator)
  })
  if (found.length > 0) return found
  const which = operator === undefined ? '' : ` of operator '${operator}'`
  throw new HeadwaterError('not-found', `service '${service}' has no open dead letters${which}`)
}

function named(service: string, { letters }: LetterBox, ids: readonly string[]): LetterEntry[] {
  const byId = new Map(letters.map((letter) => [letter.id, letter]))
  // A letter named twice is one.
  return [...new Set(ids)].map((id) => {
    const letter = byId.get(id)
    if (letter !== undefined) return letter
    throw new HeadwaterError(
      'not-found',
      `service '${service}' has no dead letter '${id}': \`headwater dlq list ${service} --all\` shows ` +
        'those there are',
    )
  })
}

function notReplayed({ id, why }: LeftLetter): HeadwaterError {
  return new HeadwaterError('input-invalid', `letter '${id}' cannot be replayed: ${why}`)
}

function countText(count: number): string {
  return count === 1 ? 'One letter' : `${formatCount(count)} letters`
}

/** Said only where it takes more than a moment. */
function progressOf(letters: readonly LetterEntry[]): (done: number) => void {
  return (done) => {
    if (done < letters.length) printNote(`${formatCount(done)} of ${formatCount(letters.length)}`)
  }
}

function tellDone(
  service: string,
  what: 'replayed' | 'dropped',
  { done, left }: { readonly done: readonly LetterEntry[]; readonly left: readonly LeftLetter[] },
  { json }: DlqOptions,
): void {
  if (json) return printJson({ service, [what]: done.map(({ id }) => id), left })
  const others = left.length === 0 ? '' : `, ${formatCount(left.length)} left as they were`
  print(`${countText(done.length)} ${what}${others}.`)
}

function noteUnreadable({ unreadable }: LetterBox): void {
  if (unreadable === 0) return
  printNote(
    `${formatCount(unreadable)} records of the stream are no letters of this version and are left out`,
  )
}

function letterJson({ id, failed, settled }: Letter): object {
  const { stream, partition, offset, operator, code, message, processedInPart, instanceId } = failed
  return {
    id,
    stream,
    partition,
    offset: offset === undefined ? null : Number(offset),
    timestamp: Number(failed.timestampMs),
    operator,
    code,
    message,
    processedInPart,
    instanceId,
    failedAt: timeOf(failed.failedAt),
    replayOf: failed.replayOf ?? null,
    settled: settled && {
      outcome: settled.outcome === Outcome.REPLAYED ? 'replayed' : 'dropped',
      reason: settled.reason,
      at: timeOf(settled.settledAt),
    },
  }
}

function timeOf(at: Parameters<typeof letterMs>[0]): string {
  const ms = letterMs(at)
  return ms === undefined ? '-' : new Date(ms).toISOString()
}
