/**
 * Reads `flights-3m.parquet` in order, from any row on: the part of the reader that stays on the main
 * thread. A worker decodes; one row group is decoded ahead while the last one is being used, which bounds
 * what is held to two of them (about 13 MB).
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { HeadwaterError } from '../../src/index.ts'
import type { FlightAnswer, FlightColumns, FlightRequest } from './flights-worker.ts'
import { sourceFile } from './source-files.ts'

/**
 * The flights of rows `[from, to)`, a row group at a time: the first chunk may begin before `from` and
 * the last one end after `to`. `input-invalid` when the file cannot be decoded.
 */
export async function* readFlights(
  from: number,
  to: number,
  path = sourceFile('flights-3m.parquet'),
): AsyncGenerator<FlightColumns, void> {
  if (from >= to) return
  const worker = new Worker(new URL('./flights-worker.ts', import.meta.url), {
    workerData: { path },
  })
  worker.unref()
  try {
    let next = ask(worker, from)
    for (;;) {
      const answer = await next
      if (answer.kind === 'end') return
      if (answer.kind === 'failed') throw undecodable(path, answer.reason)
      const { columns } = answer
      const end = columns.firstRow + columns.rows
      if (end < to) next = ask(worker, end)
      yield columns
      if (end >= to) return
    }
  } finally {
    await worker.terminate()
  }
}

async function ask(worker: Worker, row: number): Promise<FlightAnswer> {
  worker.ref()
  worker.postMessage({ row } satisfies FlightRequest)
  const [answer] = (await once(worker, 'message')) as [FlightAnswer]
  worker.unref()
  return answer
}

function undecodable(path: string, reason: string): HeadwaterError {
  return new HeadwaterError(
    'input-invalid',
    `${path} cannot be decoded (${reason}): install the package vega-datasets again with \`npm ci\``,
  )
}
