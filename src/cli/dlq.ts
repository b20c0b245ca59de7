/** `headwater dlq`: what a service put aside, and what becomes of it. */
import { HeadwaterError } from '../base/errors.ts'
import { letterMs, Outcome } from '../events/dead-letters.ts'
import type { SettledLetter } from '../events/dead-letters.ts'
import { readLetters } from '../streams/letters/letters.ts'
import type { Letter, LetterBox } from '../streams/letters/letters.ts'
import {
  compactedStreams,
  dropLetters,
  replayLetters,
  replayProblem,
} from '../streams/letters/settle.ts'
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
  const box = await withCluster(options.broker, (cluster) => readLetters(cluster, service))
  noteUnreadable(box)
  const wanted = box.letters.filter(({ settled }) => options.all || settled === undefined)
  const shown = wanted.slice(-options.limit)
  if (options.json) {
    for (const letter of shown) printJson(letterJson(letter))
  } else if (wanted.length === 0) {
    print(`Service '${service}' has no ${options.all ? '' : 'open '}dead letters.`)
  } else {
    print(formatTable(listColumns, shown).join('\n'))
  }
  const more = wanted.length - shown.length
  if (more > 0) printNote(`${formatCount(more)} older ones are left out: --limit ${wanted.length}`)
}

const textMax = 60

const listColumns: readonly Column<Letter>[] = [
  { title: 'letter', text: ({ id }) => id },
  { title: 'failed', text: ({ failed }) => timeOf(failed.failedAt) },
  { title: 'operator', text: ({ failed }) => failed.operator },
  { title: 'why', text: ({ failed }) => oneLine(failed.message) },
  { title: '', text: stateOf },
]

function stateOf({ failed, settled }: Letter): string {
  if (settled !== undefined) return outcomeText(settled)
  return failed.processedInPart ? 'processed in part' : ''
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
  const box = await withCluster(options.broker, (cluster) => readLetters(cluster, service))
  const [letter] = named(service, box, [id])
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
    const compacted = await compactedStreams(cluster, letters)
    const again = options.again === true
    const judged = letters.map((letter) => {
      const isCompacted = compacted.has(letter.failed.stream)
      return { letter, problem: replayProblem(letter, { isCompacted, again }) }
    })
    const refused = judged.filter(({ problem }) => problem !== undefined)
    // Whoever names a letter wants that one; of many the others go on.
    if (refused.length > 0 && (ids.length > 0 || refused.length === judged.length)) {
      throw notReplayed(refused[0]!.letter, refused[0]!.problem!)
    }
    const wanted = judged.filter(({ problem }) => problem === undefined).map(({ letter }) => letter)
    const left = refused.map(({ letter, problem }) => ({ id: letter.id, why: problem! }))
    const lines = [
      `${countText(wanted.length)} of service '${service}' written once more, for this service alone.`,
      "Other programs than Headwater's services see these records a second time.",
      ...left.map(({ id, why }) => `Letter '${id}' is left as it is: ${why}.`),
    ]
    await confirm(lines, options.yes)
    await replayLetters(cluster, { service, letters: wanted, onProgress: progressOf(wanted) })
    tellDone(service, 'replayed', wanted, left, options)
  })
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
    tellDone(service, 'dropped', letters, [], options)
  })
}

/** The letters that a command is about. */
function chosen(
  service: string,
  box: LetterBox,
  ids: readonly string[],
  { operator, open }: WhichOptions,
): readonly Letter[] {
  const ways = [ids.length > 0, operator !== undefined, open === true].filter(Boolean).length
  if (ways !== 1) {
    throw new HeadwaterError(
      'config-invalid',
      'which letters? Name them, or say --operator NAME, or --open for every open one',
    )
  }
  if (ids.length > 0) return named(service, box, ids)
  const found = box.letters.filter(({ failed, settled }) => {
    return settled === undefined && (operator === undefined || failed.operator === operator)
  })
  if (found.length > 0) return found
  const which = operator === undefined ? '' : ` of operator '${operator}'`
  throw new HeadwaterError('not-found', `service '${service}' has no open dead letters${which}`)
}

function named(service: string, { letters }: LetterBox, ids: readonly string[]): Letter[] {
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

function notReplayed({ id }: Letter, problem: string): HeadwaterError {
  return new HeadwaterError('input-invalid', `letter '${id}' cannot be replayed: ${problem}`)
}

function countText(count: number): string {
  return count === 1 ? 'One letter' : `${formatCount(count)} letters`
}

/** Said only where it takes more than a moment. */
function progressOf(letters: readonly Letter[]): (done: number) => void {
  return (done) => {
    if (done < letters.length) printNote(`${formatCount(done)} of ${formatCount(letters.length)}`)
  }
}

function tellDone(
  service: string,
  done: 'replayed' | 'dropped',
  letters: readonly Letter[],
  left: readonly { readonly id: string; readonly why: string }[],
  { json }: DlqOptions,
): void {
  if (json) printJson({ service, [done]: letters.map(({ id }) => id), left })
  else print(`${countText(letters.length)} ${done}.`)
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
