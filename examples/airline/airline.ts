/** The example as a whole: which services there are, and what `headwater start` shows of their work. */
import type { AirlineExample } from '../../src/cli/example.ts'
import { airports } from './airports.ts'
import { board } from './board.ts'
import { Disruptions, Flights } from './contracts.ts'
import { disruption } from './disruption.ts'
import type { Airport } from './gen/airline/network/v1/airport_pb.ts'
import type { AirportDay } from './gen/airline/punctuality/v1/airport_day_pb.ts'
import { operations } from './operations.ts'
import { punctuality } from './punctuality.ts'
import { sourceFile } from './source-files.ts'
import { worstAirports } from './worst.ts'

export const airline: AirlineExample = {
  allFlights: 3_000_000,
  flights: { topic: Flights.name, loader: 'operations', counter: punctuality.name },
  disruptions: { topic: Disruptions.name },
  board: board.name,
  checkInput() {
    sourceFile('airports.csv')
    sourceFile('flights-3m.parquet')
  },
  // A flight is joined with its airport as it is known then, so the airports must be known first.
  stages: (flights) => [[airports], [operations(flights), disruption, punctuality, board]],
  summary({ airports, airportDays }) {
    const days = airportDays!.scan('', Infinity).map(({ value }) => value as AirportDay)
    const airportOf = (code: string) => airports!.get(code) as Airport | undefined
    return { airportDays: airportDays!.size(), worst: worstAirports(days, airportOf, 10) }
  },
}
