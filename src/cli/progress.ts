/**
 * Live progress on standard error: a bar for what is being loaded and a line for each service.
 *
 * On a terminal the lines are redrawn in place and nothing scrolls; anywhere else one entry of the log comes
 * every few seconds, or in JSON every half a minute. Drawing is a function of a snapshot; rates are over the last seconds, so a pause shows.
 */
import { styleText } from 'node:util'
import { createLogUpdate } from 'log-update'
import type { LogFormat } from './log-options.ts'
import type { Log } from './logging.ts'
import { divertNotes, formatCount, formatTable } from './output.ts'
import type { Column } from './output.ts'

/** A service at one moment; counts are since the process began. */
export interface ServiceProgress {
  readonly name: string
  /** `restoring`, `running`, … */
  readonly state: string
  readonly recordsIn: number
  readonly recordsOut: number
  /** Records in its streams that it has not processed yet. */
  /** Undefined while it is not known. */
  readonly lag: number | undefined
}

/** What is being read from outside. */
export interface LoadProgress {
  readonly what: string
  readonly done: number
  readonly total: number
}

export interface Snapshot {
  readonly load: LoadProgress | undefined
  readonly services: readonly ServiceProgress[]
}

const redrawMs = 100
const entryMs: Readonly<Record<LogFormat, number>> = { pretty: 2_000, json: 30_000 }
/** Rates are over this time. */
const rateMs = 2_000
const barWidth = 40

/** Draws what `look` sees until it is disposed of. */
export class Progress {
  readonly #look: () => Snapshot
  readonly #rates = new Rates()
  readonly #draw: ((text: string) => void) & { clear(): void; done(): void }
  readonly #timer: NodeJS.Timeout
  readonly #stream = process.stderr
  readonly #log: Log
  readonly #live: boolean
  readonly #restoreNotes: (() => void) | undefined

  /** @param log what says it where nothing is drawn, as the `Host` has it */
  constructor(look: () => Snapshot, log: Log) {
    this.#look = look
    this.#log = log
    this.#live = process.stderr.isTTY && log.format === 'pretty'
    this.#draw = createLogUpdate(this.#stream)
    const step = this.#live ? () => this.#redraw() : () => this.#tell()
    this.#timer = setInterval(step, this.#live ? redrawMs : entryMs[log.format])
    // The first rates are counted from here.
    this.#rates.of(look().services, performance.now())
    if (!this.#live) return
    this.#restoreNotes = divertNotes((text) => {
      this.#draw.clear()
      this.#stream.write(text)
      this.#redraw()
    })
    step()
  }

  /** Draws the last state for good and gives the terminal back. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#restoreNotes?.()
    if (!this.#live) return
    this.#redraw()
    this.#draw.done()
  }

  #redraw(): void {
    const snapshot = this.#look()
    const lines = drawProgress(snapshot, this.#rates.of(snapshot.services, performance.now()))
    // A line that wraps would be counted as one and leave its rest behind.
    this.#draw(lines.map((line) => cut(line, this.#stream.columns - 1)).join('\n'))
  }

  #tell(): void {
    const snapshot = this.#look()
    const rates = this.#rates.of(snapshot.services, performance.now())
    this.#log.info({ progress: snapshot }, plainProgress(snapshot, rates))
  }
}

/** Records a second of each service, from what the snapshots of the last seconds counted. */
export class Rates {
  #samples: { at: number; records: ReadonlyMap<string, number> }[] = []

  of(services: readonly ServiceProgress[], now: number): ReadonlyMap<string, number> {
    const records = new Map(services.map((service) => [service.name, recordsOf(service)]))
    this.#samples.push({ at: now, records })
    while (this.#samples.length > 2 && this.#samples[1]!.at <= now - rateMs) this.#samples.shift()
    const first = this.#samples[0]!
    const seconds = (now - first.at) / 1000
    return new Map(
      [...records].map(([name, count]) => {
        const before = first.records.get(name) ?? 0
        return [name, seconds > 0 ? (count - before) / seconds : 0]
      }),
    )
  }
}

/** What a service works through: what it reads or, at the edge of the system, what it writes. */
function recordsOf({ recordsIn, recordsOut }: ServiceProgress): number {
  return Math.max(recordsIn, recordsOut)
}

/** The lines of a snapshot, for a terminal. */
export function drawProgress(
  { load, services }: Snapshot,
  rates: ReadonlyMap<string, number>,
): string[] {
  const columns: Column<ServiceProgress>[] = [
    { title: 'service', text: ({ name }) => name },
    { title: 'in', align: 'right', text: ({ recordsIn }) => formatCount(recordsIn) },
    { title: 'out', align: 'right', text: ({ recordsOut }) => formatCount(recordsOut) },
    { title: 'records/s', align: 'right', text: ({ name }) => formatCount(rates.get(name) ?? 0) },
    { title: 'lag', align: 'right', text: ({ lag }) => formatLag(lag) },
    { title: '', text: ({ state }) => (state === 'running' ? '' : state) },
  ]
  const wide = columns.map((column) =>
    column.align === 'right' ? { ...column, title: column.title.padStart(11) } : column,
  )
  const [titles, ...lines] = formatTable(wide, services)
  return [...(load ? [drawBar(load), ''] : []), styleText('dim', titles!), ...lines]
}

function drawBar({ what, done, total }: LoadProgress): string {
  const share = total === 0 ? 1 : Math.min(1, done / total)
  const filled = Math.floor(share * barWidth)
  const bar = '█'.repeat(filled) + styleText('dim', '░'.repeat(barWidth - filled))
  const percent = `${Math.floor(share * 100)} %`.padStart(6)
  return `${bar} ${percent}  ${formatCount(done)} of ${formatCount(total)} ${what}`
}

/** The snapshot as one plain line, for a log. */
export function plainProgress(
  { load, services }: Snapshot,
  rates: ReadonlyMap<string, number>,
): string {
  const loaded = load
    ? [`${formatCount(load.done)} of ${formatCount(load.total)} ${load.what}`]
    : []
  const parts = services.map((service) => {
    const state = service.state === 'running' ? '' : ` (${service.state})`
    return `${service.name}${state} ${formatCount(rates.get(service.name) ?? 0)}/s lag ${formatLag(service.lag)}`
  })
  return [...loaded, ...parts].join(' | ')
}

const colourCode = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g')

function cut(line: string, columns: number): string {
  const plain = line.replaceAll(colourCode, '')
  return plain.length <= columns || columns < 2 ? line : plain.slice(0, columns)
}

function formatLag(lag: number | undefined): string {
  return lag === undefined ? '?' : formatCount(lag)
}
