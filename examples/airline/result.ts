/** The result of the airline example, for people: the ten worst airports and where to look next. */
import { styleText } from 'node:util'
import { formatCount, formatSeconds, formatTable, kafkaPortDefault } from '../../src/cli/index.ts'
import type { Column } from '../../src/cli/index.ts'
import type { WorstAirport } from './worst.ts'

/** What the services stored, counted by reading it back. */
export interface AirlineResult {
  readonly flights: number
  readonly disruptions: number
  readonly airportDays: number
  /** From the start of the services until everything was processed and committed. */
  readonly seconds: number
  /** Flights this run processed, by those seconds. */
  readonly flightsPerSecond: number
  readonly worst: readonly WorstAirport[]
}

/** The lines of the table and of the counts under it. */
export function drawResult(result: AirlineResult): string[] {
  const [titles, ...rows] = formatTable(columns, result.worst)
  const flightsMin = Math.ceil(result.flights / 1000)
  return [
    styleText(
      'bold',
      'The ten worst airports: the highest share of flights 15 minutes late or more,',
    ),
    styleText('bold', `of the airports with at least ${formatCount(flightsMin)} flights`),
    '',
    styleText('dim', titles!),
    ...rows,
    '',
    `${formatCount(result.flights)} flights, ${formatCount(result.disruptions)} disruptions and ` +
      `${formatCount(result.airportDays)} airport-days stored; ${speedOf(result)}`,
  ]
}

const columns: readonly Column<WorstAirport>[] = [
  { title: '', text: ({ airport }) => airport },
  { title: 'airport', text: ({ name }) => name },
  { title: 'city', text: ({ city, state }) => `${city}, ${state}` },
  { title: 'flights', align: 'right', text: ({ flights }) => formatCount(flights) },
  { title: 'late', align: 'right', text: ({ late }) => formatCount(late) },
  {
    title: 'share',
    align: 'right',
    text: ({ flights, late }) => `${((100 * late) / flights).toFixed(1)} %`,
  },
  { title: 'mean delay', align: 'right', text: ({ meanDelay }) => `${meanDelay.toFixed(1)} min` },
]

function speedOf({ flightsPerSecond, seconds }: AirlineResult): string {
  if (flightsPerSecond === 0) return `nothing was left to do (${formatSeconds(seconds)})`
  return `${formatSeconds(seconds)}, ${formatCount(flightsPerSecond)} flights/s`
}

/** What to try next. */
export function drawNextSteps(o: {
  readonly kafka: string
  readonly queryUrl: string
  readonly directory?: string
  readonly example: WorstAirport | undefined
}): string[] {
  const day = `${o.queryUrl}/v1/board/airportDays/${o.example?.airport ?? 'ORD'}:2001-01-02`
  const contracts = '--contracts examples/airline/contracts.ts'
  const broker = o.kafka === `127.0.0.1:${kafkaPortDefault}` ? '' : ` --broker ${o.kafka}`
  const steps: [string, string][] = [
    ['a day', `curl ${day}`],
    ['all queries', o.queryUrl],
    ['the facts', `npm run headwater -- tail disruptions ${contracts}${broker}`],
    ['Kafka', `${o.kafka}: any client, as in kcat -b ${o.kafka} -C -t airport-days`],
    ...(o.directory === undefined ? [] : [['data', o.directory] as [string, string]]),
  ]
  return steps.map(([name, what]) => `${styleText('dim', name.padEnd(11))} ${what}`)
}
