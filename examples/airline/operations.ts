/** Operations context. Owns the flights: one fact per departure, keyed by the airport it left. */
import { service } from '../../src/index.ts'
import { Flights } from './contracts.ts'
import { flightEvents } from './flight-events.ts'

/** Reads the first `flights` rows of the file. Started again, it goes on after the last row it wrote. */
export const operations = (flights: number) =>
  service('operations', {
    reads: [],
    writes: [Flights],
    topology: (s) => {
      s.input('flights-file', Flights, (position: number = 0) => flightEvents(position, flights))
      return {}
    },
  })
