/**
 * The example's tables by plain loops over the same two files: no service, no stream, none of the
 * example's own readers. What the services store is compared with these rows, every one of them.
 */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'

interface ExpectedAirportDay {
  readonly id: string
  readonly airport: string
  readonly day: string
  flights: number
  late: number
  delayTotal: number
  meanDelay: number
}

interface ExpectedDisruption {
  readonly flight: number
  readonly date: string
  readonly delay: number
  readonly airport: string
  readonly airportName: string
  readonly city: string
  readonly state: string
  readonly destination: string
}

interface ExpectedWorst {
  readonly airport: string
  readonly name: string
  readonly city: string
  readonly state: string
  readonly flights: number
  readonly late: number
  readonly meanDelay: number
}

export interface ExpectedTables {
  readonly flights: number
  readonly airports: number
  /** Sorted by id. */
  readonly airportDays: readonly ExpectedAirportDay[]
  /** Sorted by flight. */
  readonly disruptions: readonly ExpectedDisruption[]
  readonly worst: readonly ExpectedWorst[]
}

interface FlightRow {
  readonly date: Date
  readonly delay: bigint
  readonly origin: string
  readonly destination: string
}

const folder = new URL('../data/', import.meta.resolve('vega-datasets'))

/** The tables of the first `flights` rows. */
export async function expectedTables(flights: number): Promise<ExpectedTables> {
  const airports = await airportsByCode()
  const days = new Map<string, ExpectedAirportDay>()
  const disruptions: ExpectedDisruption[] = []
  const rows = await flightRows(flights)
  for (const [flight, row] of rows.entries()) {
    const delay = Number(row.delay)
    const date = row.date.toISOString()
    const day = date.slice(0, 10)
    const id = `${row.origin}:${day}`
    const sum = days.get(id) ?? { ...emptyDay, id, airport: row.origin, day }
    sum.flights += 1
    if (delay >= 15) sum.late += 1
    sum.delayTotal += delay
    days.set(id, sum)
    if (delay <= 120) continue
    const [name, city, state] = airports.get(row.origin)!
    disruptions.push({
      flight,
      date,
      delay,
      airport: row.origin,
      airportName: name!,
      city: city!,
      state: state!,
      destination: row.destination,
    })
  }
  for (const day of days.values()) day.meanDelay = day.delayTotal / day.flights
  return {
    flights: rows.length,
    airports: airports.size,
    airportDays: [...days.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    disruptions,
    worst: worstTen(rows, airports),
  }
}

const emptyDay = { flights: 0, late: 0, delayTotal: 0, meanDelay: 0 }

function worstTen(rows: readonly FlightRow[], airports: Map<string, string[]>): ExpectedWorst[] {
  const counts = new Map<string, { flights: number; late: number; delay: number }>()
  for (const row of rows) {
    const count = counts.get(row.origin) ?? { flights: 0, late: 0, delay: 0 }
    count.flights += 1
    count.late += row.delay >= 15n ? 1 : 0
    count.delay += Number(row.delay)
    counts.set(row.origin, count)
  }
  const eligible = [...counts].filter(([, count]) => count.flights >= rows.length / 1000)
  eligible.sort(([codeA, a], [codeB, b]) => {
    // Cross-multiplied, so that equal shares are equal.
    const difference = b.late * a.flights - a.late * b.flights
    return difference !== 0 ? difference : codeA < codeB ? -1 : 1
  })
  return eligible.slice(0, 10).map(([airport, { flights, late, delay }]) => {
    const [name, city, state] = airports.get(airport)!
    const meanDelay = delay / flights
    return { airport, name: name!, city: city!, state: state!, flights, late, meanDelay }
  })
}

async function flightRows(count: number): Promise<FlightRow[]> {
  const file = await asyncBufferFromFile(fileURLToPath(new URL('flights-3m.parquet', folder)))
  const columns = ['date', 'delay', 'origin', 'destination']
  const rows = await parquetReadObjects({ file, compressors, columns, rowStart: 0, rowEnd: count })
  return rows as unknown as FlightRow[]
}

/** Name, city and state by code. */
async function airportsByCode(): Promise<Map<string, string[]>> {
  const text = await readFile(new URL('airports.csv', folder), 'utf8')
  const lines = text.trim().split('\n').slice(1)
  return new Map(
    lines.map((line) => {
      const [code, ...rest] = splitLine(line)
      return [code!, rest]
    }),
  )
}

/** The fields of one line; no field of this file spans two. */
function splitLine(line: string): string[] {
  const fields: string[] = []
  let field = ''
  let quoted = false
  for (let i = 0; i < line.length; i++) {
    const character = line[i]!
    if (character === '"' && quoted && line[i + 1] === '"') field += line[++i]
    else if (character === '"') quoted = !quoted
    else if (character === ',' && !quoted) {
      fields.push(field)
      field = ''
    } else field += character
  }
  return [...fields, field]
}
