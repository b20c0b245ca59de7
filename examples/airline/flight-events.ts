/** Rows of the Parquet file as events: a flight's identity is its row, its position the row after it. */
import { readFlights } from './flights-file.ts'
import type { FlightColumns } from './flights-worker.ts'

const rowsPerBatch = 4_096

/** The flights of rows `[from, to)` in batches that never span two row groups of the file. */
export async function* flightEvents(from: number, to: number) {
  for await (const columns of readFlights(from, to)) {
    const end = Math.min(to, columns.firstRow + columns.rows)
    let row = Math.max(from, columns.firstRow)
    while (row < end) {
      const next = Math.min(end, row + rowsPerBatch)
      yield { events: eventsOf(columns, row, next), position: next }
      row = next
    }
  }
}

function eventsOf(columns: FlightColumns, from: number, to: number) {
  const { firstRow, codes, dates, delays, distances, origins, destinations } = columns
  const events = []
  for (let row = from; row < to; row++) {
    const at = row - firstRow
    events.push({
      row,
      date: { seconds: BigInt(dates[at]! / 1000), nanos: 0 },
      origin: codes[origins[at]!]!,
      destination: codes[destinations[at]!]!,
      delay: delays[at]!,
      distance: distances[at]!,
    })
  }
  return events
}
