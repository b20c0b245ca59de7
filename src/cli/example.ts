/**
 * What `headwater start` asks of the airline example, and where it finds it.
 *
 * The example lies in the repository and reads files of a development dependency; an installed package
 * has neither, and says so.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { HeadwaterError } from '../base/errors.ts'
import type { Service } from '../service/service.ts'
import type { ViewReader } from '../streams/views/view-reader.ts'
import type { WorstAirport } from './result.ts'

export interface AirlineExample {
  /** How many flights there are in all. */
  readonly allFlights: number
  /** The stream of flights, the service that loads it and one that works through all of it. */
  readonly flights: { readonly topic: string; readonly loader: string; readonly counter: string }
  readonly disruptions: { readonly topic: string }
  /** The service whose views hold the result. */
  readonly board: string
  /** Throws `input-missing` when a file is not there. */
  checkInput(): void
  /** Services in stages: those of one stage have read all their input before the next one starts. */
  stages(flights: number): readonly (readonly Service[])[]
  /** What the board's views hold. */
  summary(views: Readonly<Record<string, ViewReader>>): {
    readonly airportDays: number
    readonly worst: readonly WorstAirport[]
  }
}

export async function loadAirline(): Promise<AirlineExample> {
  const url = new URL('../../examples/airline/airline.ts', import.meta.url)
  if (!existsSync(fileURLToPath(url))) {
    throw new HeadwaterError(
      'input-missing',
      'the airline example is part of the repository, not of the installed package: clone the repository ' +
        'and run `npm ci && npm start` there, or run services of your own with `headwater run FILE`',
    )
  }
  const { airline } = (await import(url.href)) as { airline: AirlineExample }
  return airline
}
