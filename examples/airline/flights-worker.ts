/**
 * The worker thread of `flights-file.ts`: decodes one row group of the Parquet file per request, so that
 * decompression and decoding (0.5 µs and more a row) run on another core than the services.
 *
 * Rows leave as columns of numbers whose memory is handed over, not copied; airport codes as an index
 * into the row group's list of codes.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { asyncBufferFromFile, parquetMetadataAsync, parquetRead } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'

/** Flights `firstRow`, `firstRow + 1`, … as columns. */
export interface FlightColumns {
  readonly firstRow: number
  readonly rows: number
  /** Milliseconds since 1970, UTC. */
  readonly dates: Float64Array
  readonly delays: Int32Array
  readonly distances: Int32Array
  /** Indexes into `codes`. */
  readonly origins: Uint16Array
  readonly destinations: Uint16Array
  readonly codes: readonly string[]
}

/** Asks for the row group that contains `row`. */
export interface FlightRequest {
  readonly row: number
}

export type FlightAnswer =
  | { readonly kind: 'flights'; readonly columns: FlightColumns }
  | { readonly kind: 'end' }
  | { readonly kind: 'failed'; readonly reason: string }

/** Decodes the row group that contains `row`; undefined when the file ends before it. */
export async function decodeFlights(path: string, row: number): Promise<FlightColumns | undefined> {
  const file = await asyncBufferFromFile(path)
  const metadata = await parquetMetadataAsync(file)
  let firstRow = 0
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows)
    if (row < firstRow + rows) return decodeRowGroup({ file, metadata }, firstRow, rows)
    firstRow += rows
  }
  return undefined
}

type ParquetFile = Required<Pick<Parameters<typeof parquetRead>[0], 'file' | 'metadata'>>
type Values = ArrayLike<unknown>

async function decodeRowGroup(source: ParquetFile, firstRow: number, rows: number) {
  const dates = new Float64Array(rows)
  const delays = new Int32Array(rows)
  const distances = new Int32Array(rows)
  const origins = new Uint16Array(rows)
  const destinations = new Uint16Array(rows)
  const numbers = { date: dates, delay: delays, distance: distances }
  const codes = new Map<string, number>()
  const places = { origin: origins, destination: destinations }
  await parquetRead({
    ...source,
    compressors,
    // A number is what the columns hold; the library's default would make a Date per row.
    parsers: { timestampFromMicroseconds: milliseconds },
    rowStart: firstRow,
    rowEnd: firstRow + rows,
    onChunk({ columnName, columnData, rowStart }) {
      const at = rowStart - firstRow
      if (columnName in numbers) {
        copyNumbers(columnData, numbers[columnName as keyof typeof numbers], at)
      } else if (columnName in places) {
        copyCodes(columnData, places[columnName as keyof typeof places], at, codes)
      }
    },
  })
  return {
    firstRow,
    rows,
    dates,
    delays,
    distances,
    origins,
    destinations,
    codes: [...codes.keys()],
  }
}

function milliseconds(micros: bigint): number {
  return Number(micros) / 1000
}

function copyNumbers(values: Values, column: Float64Array | Int32Array, at: number): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (value === null || value === undefined) throw new Error(`row ${at + i} has an empty column`)
    column[at + i] = Number(value)
  }
}

function copyCodes(
  values: Values,
  column: Uint16Array,
  at: number,
  codes: Map<string, number>,
): void {
  for (let i = 0; i < values.length; i++) {
    const code = values[i]
    if (typeof code !== 'string') throw new Error(`row ${at + i} has no airport code`)
    let index = codes.get(code)
    if (index === undefined) codes.set(code, (index = codes.size))
    column[at + i] = index
  }
}

async function answer({ row }: FlightRequest): Promise<void> {
  const port = parentPort!
  try {
    const columns = await decodeFlights((workerData as { path: string }).path, row)
    if (columns === undefined) {
      port.postMessage({ kind: 'end' } satisfies FlightAnswer)
      return
    }
    const { dates, delays, distances, origins, destinations } = columns
    const owned = [dates, delays, distances, origins, destinations].map(({ buffer }) => buffer)
    port.postMessage({ kind: 'flights', columns } satisfies FlightAnswer, owned as ArrayBuffer[])
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    port.postMessage({ kind: 'failed', reason } satisfies FlightAnswer)
  }
}

parentPort?.on('message', (request: FlightRequest) => void answer(request))
