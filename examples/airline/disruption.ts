/** Disruption context. Says which flights left more than two hours late, with all there is to say. */
import { service } from '../../src/index.ts'
import { Airports, Disruptions, Flights } from './contracts.ts'

export const disruption = service('disruption', {
  reads: [Airports, Flights],
  writes: [Disruptions],
  topology: (s) => {
    const airports = s.table(Airports)
    s.stream(Flights)
      .filter((flight) => flight.delay > 120)
      .join(airports, (flight, airport) => ({
        flight: flight.row,
        date: flight.date,
        delay: flight.delay,
        airport: airport.code,
        airportName: airport.name,
        city: airport.city,
        state: airport.state,
        destination: flight.destination,
      }))
      .to(Disruptions)
    return {}
  },
})
